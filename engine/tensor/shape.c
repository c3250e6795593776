/* Sizes, and how they read in messages. */
#include "tensor/shape.h"
#include "base/mem.h"
#include "base/status.h"

#include <stdio.h>

rl_shape rl_shape_make(int rank, const int64_t *size) {
  rl_shape s = {.rank = rank};
  for (int d = 0; d < rank; d++) s.size[d] = size[d];
  return s;
}

bool rl_shape_equal(const rl_shape *a, const rl_shape *b) {
  if (a->rank != b->rank) return false;
  for (int d = 0; d < a->rank; d++)
    if (a->size[d] != b->size[d]) return false;
  return true;
}

rl_status rl_shape_check(const char *op, const rl_shape *s) {
  size_t bytes = 8;
  for (int d = 0; d < s->rank; d++) {
    if (s->size[d] < 0)
      return rl_fail(RL_ESHAPE, "%s: size %lld of dim %d is negative", op, (long long)s->size[d], d + 1);
    size_t one = s->size[d] == 0 ? 1 : (size_t)s->size[d]; /* zero hides no overflow in the other dims */
    if (!rl_size_mul(bytes, one, &bytes) || bytes > SIZE_MAX / 2)
      return rl_fail(RL_ESHAPE, "%s: %s has more elements than memory can hold", op, rl_shape_text(s));
  }
  return RL_OK;
}

const char *rl_shape_text(const rl_shape *s) {
  static _Thread_local char buffer[8][RL_MAXRANK * 21 + 1];
  static _Thread_local unsigned turn;
  char *b = buffer[turn++ & 7u];
  if (s->rank == 0) return "scalar";
  size_t n = 0;
  for (int d = 0; d < s->rank; d++)
    n += (size_t)snprintf(b + n, sizeof buffer[0] - n, d == 0 ? "%lld" : "x%lld", (long long)s->size[d]);
  return b;
}

rl_status rl_shape_broadcast(const char *op, const rl_shape *a, const rl_shape *b, rl_shape *out) {
  out->rank = a->rank > b->rank ? a->rank : b->rank;
  for (int i = 1; i <= out->rank; i++) {
    int64_t x = i <= a->rank ? a->size[a->rank - i] : 1, y = i <= b->rank ? b->size[b->rank - i] : 1;
    if (x != y && x != 1 && y != 1)
      return rl_fail(RL_ESHAPE, "%s: %s and %s do not broadcast: dim %d has %lld against %lld; reshape one",
                     op, rl_shape_text(a), rl_shape_text(b), -i, (long long)x, (long long)y);
    out->size[out->rank - i] = x == 1 ? y : x;
  }
  return RL_OK;
}
