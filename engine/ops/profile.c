/* Counts in a table by op, path and direction, which grows as it fills. */
#include "ops/profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

bool rl_profiling;

static rl_profile_row *rows; /* in order of first appearance */
static int count, room;
static int *slots; /* 2 room places, by hash: a row's number plus 1 */
static double inside;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t hash(const char *op, const char *path, bool back) {
  uint64_t h =
      (uint64_t)(uintptr_t)op * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)path * 0xc2b2ae3d27d4eb4fu;
  return (size_t)(h >> 29) * 2 + back;
}

static int *slot_of(const char *op, const char *path, bool back) {
  size_t n = 2 * (size_t)room;
  for (size_t i = hash(op, path, back) % n;; i = (i + 1) % n) {
    const rl_profile_row *r = &rows[slots[i] - (slots[i] > 0)];
    if (slots[i] == 0 || (r->op == op && r->path == path && r->back == back)) return &slots[i];
  }
}

static bool grow(void) {
  int more = room == 0 ? 256 : 2 * room;
  rl_profile_row *bigger = realloc(rows, (size_t)more * sizeof *rows);
  if (bigger != NULL) rows = bigger;
  int *places = calloc(2 * (size_t)more, sizeof *places);
  if (bigger == NULL || places == NULL) {
    free(places);
    return false;
  }
  free(slots);
  slots = places;
  room = more;
  for (int i = 0; i < count; i++) *slot_of(rows[i].op, rows[i].path, rows[i].back) = i + 1;
  return true;
}

rl_profile_mark rl_profile_begin(void) { return (rl_profile_mark){.began = now_s(), .inside = inside}; }

void rl_profile_end(const rl_profile_mark *m, const char *op, bool back, double bytes, double flops) {
  double all = now_s() - m->began, own = all - (inside - m->inside);
  inside = m->inside + all;
  if (count == room && !grow()) return; /* no memory: the row is left out */
  int *slot = slot_of(op, rl_path_get(), back);
  if (*slot == 0) {
    rows[count] = (rl_profile_row){.op = op, .path = rl_path_get(), .back = back};
    *slot = ++count;
  }
  rl_profile_row *r = &rows[*slot - 1];
  r->calls++;
  r->seconds += own, r->bytes += bytes, r->flops += flops;
}

static double bytes_of(const rl_tensor *t) {
  return t == NULL || t->is_scalar ? 0 : (double)rl_count(t) * (double)rl_dtype_size(t->dtype);
}

double rl_profile_bytes(const rl_call *c) {
  double sum = 0;
  if (c->op->class == RL_VIEW) return 0;
  for (int i = 0; i < c->nin; i++)
    if (c->ncot == 0 || (c->in[i] != NULL && c->in[i]->storage != NULL)) sum += bytes_of(c->in[i]);
  for (int o = 0; o < c->nout; o++)
    if (c->ncot == 0 || c->out[o]->storage != NULL) sum += bytes_of(c->out[o]);
  for (int i = 0; i < c->ncot * c->nout; i++) sum += bytes_of(c->dout[i]);
  for (int i = 0; i < c->ncot * c->nin; i++) sum += bytes_of(c->din[i]) * (c->beta[i] != 0 ? 2 : 1);
  return sum;
}

void rl_profile_start(void) {
  count = 0;
  inside = 0;
  if (slots != NULL) memset(slots, 0, 2 * (size_t)room * sizeof *slots);
  rl_profiling = true;
}

const rl_profile_row *rl_profile_stop(int *n) {
  rl_profiling = false;
  *n = count;
  return rows;
}
