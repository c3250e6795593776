/* Reads results where they lie, whatever their strides. */
#include "ops/finite.h"

#include <math.h>

bool rl_watching;

static rl_finite_find find;
static bool found;

static double element(const rl_tensor *t, int64_t offset) {
  const void *p = rl_at(t, offset);
  return t->dtype == RL_F64 ? *(const double *)p : (double)*(const float *)p;
}

static bool run_is_finite(const rl_tensor *t, int64_t at, int64_t n, int64_t step) {
  int bad = 0;
  if (t->dtype == RL_F64) {
    const double *x = rl_at(t, at);
    for (int64_t i = 0; i < n; i++) bad |= !isfinite(x[i * step]);
  } else {
    const float *x = rl_at(t, at);
    for (int64_t i = 0; i < n; i++) bad |= !isfinite(x[i * step]);
  }
  return !bad;
}

/* The next row (all dims but the last) in row-major order; false behind the last one. */
static bool next_row(const rl_tensor *t, int64_t *place, int64_t *at) {
  for (int d = t->shape.rank - 2; d >= 0; d--) {
    *at += t->stride[d];
    if (++place[d] < t->shape.size[d]) return true;
    *at -= place[d] * t->stride[d];
    place[d] = 0;
  }
  return false;
}

/* Whether all is finite; else `place` is where it is not. */
static bool is_finite(const rl_tensor *t, int64_t *place, double *value) {
  if (t == NULL || !rl_is_float(t->dtype) || (t->storage == NULL && !t->is_scalar) || rl_count(t) == 0)
    return true;
  int last = t->shape.rank - 1;
  int64_t n = last < 0 ? 1 : t->shape.size[last], step = last < 0 ? 1 : t->stride[last], at = 0;
  for (int d = 0; d <= last; d++) place[d] = 0;
  do {
    if (run_is_finite(t, at, n, step)) continue;
    int64_t i = 0;
    while (isfinite(element(t, at + i * step))) i++;
    if (last >= 0) place[last] = i;
    *value = element(t, at + i * step);
    return false;
  } while (next_row(t, place, &at));
  return true;
}

static bool was_given(const rl_call *c) {
  int64_t place[RL_MAXRANK];
  double value;
  for (int i = 0; i < c->nin; i++)
    if (!is_finite(c->in[i], place, &value)) return true;
  for (int i = 0; i < c->ncot * c->nout; i++)
    if (!is_finite(c->dout[i], place, &value)) return true;
  return false;
}

void rl_finite_look(const rl_call *c) {
  int n = c->ncot == 0 ? c->nout : c->ncot * c->nin;
  for (int i = 0; i < n && !found; i++) {
    const rl_tensor *t = c->ncot == 0 ? c->out[i] : c->din[i];
    if (is_finite(t, find.place, &find.value)) continue;
    found = true;
    find.op = c->op->name, find.path = rl_path_get();
    find.back = c->ncot > 0;
    find.which = c->ncot > 0 ? i % c->nin : i;
    find.shape = t->shape;
    find.given = was_given(c);
  }
}

void rl_finite_start(void) {
  found = false;
  rl_watching = true;
}

const rl_finite_find *rl_finite_stop(void) {
  rl_watching = false;
  return found ? &find : NULL;
}
