/* The largest or smallest element along one dim or over all, and its place. */
#include "ops/extreme.h"
#include "base/threads.h"
#include "ops/along.h"
#include "tensor/index.h"

#define GRAIN   16384
#define COLUMNS 256

static rl_along split(const rl_call *c) {
  const rl_tensor *x = c->in[0];
  if (c->arg[0].given) return rl_along_of(&x->shape, RL_ROWMAJOR, (int)c->arg[0].i);
  return (rl_along){.outer = 1, .size = rl_count(x), .inner = 1};
}

rl_status rl_extreme_shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  rl_meta *m = &c->meta[0];
  *m = (rl_meta){.dtype = c->in[0]->dtype, .layout = RL_ROWMAJOR};
  int64_t size = rl_count(c->in[0]);
  for (int d = 0; d < x->rank; d++) {
    bool gone = !c->arg[0].given || c->arg[0].i == d;
    if (c->arg[0].given && gone) size = x->size[d];
    if (!gone || c->arg[1].i != 0) m->shape.size[m->shape.rank++] = gone ? 1 : x->size[d];
  }
  if (size == 0 && rl_shape_count(&m->shape) > 0)
    return rl_fail(RL_ESHAPE, "%s: x is %s: there is no element to choose", c->op->name, rl_shape_text(x));
  if (!c->arg[0].given) return RL_OK;
  c->nout = 2;
  c->meta[1] = *m;
  c->meta[1].dtype = RL_I64;
  return RL_OK;
}

rl_status rl_extreme_at_shape(rl_call *c) {
  RL_TRY(rl_extreme_shape(c));
  c->nout = 1;
  c->meta[0].dtype = RL_I64;
  return RL_OK;
}

typedef struct search {
  const rl_tensor *x;
  rl_along a;
  int64_t *at; /* outer * inner, from 0 */
  int64_t group;
  bool least;
} search;

/* The places for n neighbouring columns, row after row. */
#define SEARCH(real)                                                                                         \
  static void search_##real(const real *x, const rl_along *a, int64_t n, bool least, int64_t *at) {          \
    real best[COLUMNS];                                                                                      \
    for (int64_t j = 0; j < n; j++) best[j] = x[j], at[j] = 0;                                               \
    for (int64_t k = 1; k < a->size; k++)                                                                    \
      for (int64_t j = 0; j < n; j++) {                                                                      \
        real v = x[k * a->inner + j];                                                                        \
        bool beyond = least ? v < best[j] : v > best[j];                                                     \
        if (beyond || (v != v && best[j] == best[j])) best[j] = v, at[j] = k;                                \
      }                                                                                                      \
  }
SEARCH(float)
SEARCH(double)

static void search_block(void *ctx, int64_t b, int worker) { /* some outer places, a stretch of inner */
  const search *s = ctx;
  (void)worker;
  int64_t pieces = rl_blocks(s->a.inner, COLUMNS), from = b % pieces * COLUMNS;
  int64_t n = s->a.inner - from < COLUMNS ? s->a.inner - from : COLUMNS, first = b / pieces * s->group;
  for (int64_t o = first; o < first + s->group && o < s->a.outer; o++) {
    int64_t place = o * s->a.size * s->a.inner + from, *at = s->at + o * s->a.inner + from;
    if (s->a.inner == 1)
      RL_KERNEL_CALL(rl_kernels_best(), s->x->dtype, peak, at, rl_at(s->x, place), s->least,
                     (size_t)s->a.size);
    else if (s->x->dtype == RL_F32)
      search_float((const float *)rl_at(s->x, place), &s->a, n, s->least, at);
    else
      search_double((const double *)rl_at(s->x, place), &s->a, n, s->least, at);
  }
}

static rl_status find(rl_call *c, bool least) { /* keep[0]: the places, from 0 */
  search s = {.x = c->in[0], .a = split(c), .least = least};
  RL_TRY(rl_keep(c, 0, RL_I64, &c->out[0]->shape));
  s.at = rl_data(c->keep[0]);
  if (rl_count(c->out[0]) == 0) return RL_OK;
  int64_t work = s.a.size * (s.a.inner < COLUMNS ? s.a.inner : COLUMNS);
  s.group = work >= GRAIN ? 1 : GRAIN / work;
  return rl_parallel(search_block, &s, rl_blocks(s.a.outer, s.group) * rl_blocks(s.a.inner, COLUMNS));
}

rl_status rl_extreme_at_forward(rl_call *c, bool least) {
  RL_TRY(find(c, least));
  const int64_t *at = rl_data(c->keep[0]);
  for (int64_t i = 0; i < rl_count(c->out[0]); i++) rl_index_set(c->out[0], i, at[i]);
  return RL_OK;
}

rl_status rl_extreme_forward(rl_call *c, bool least) {
  RL_TRY(find(c, least));
  const int64_t *at = rl_data(c->keep[0]);
  rl_along a = split(c);
  rl_tensor *y = c->out[0];
  for (int64_t i = 0; i < rl_count(y); i++) {
    int64_t from = (i / a.inner * a.size + at[i]) * a.inner + i % a.inner;
    rl_save(rl_data(y), y->dtype, (size_t)i, rl_load(rl_data(c->in[0]), y->dtype, (size_t)from));
    if (c->nout == 2) rl_index_set(c->out[1], i, at[i]);
  }
  return RL_OK;
}

rl_status rl_extreme_backward(rl_call *c) {
  rl_tensor *dx = c->din[0], *dy = c->dout[0];
  if (dx == NULL) return RL_OK;
  const int64_t *at = rl_data(c->keep[0]);
  rl_along a = split(c);
  if (c->beta[0] == 0) RL_TRY(rl_fill(dx, 0));
  for (int64_t i = 0; dy != NULL && i < rl_count(dy); i++) {
    size_t to = (size_t)((i / a.inner * a.size + at[i]) * a.inner + i % a.inner);
    double was = rl_load(rl_data(dx), dx->dtype, to);
    rl_save(rl_data(dx), dx->dtype, to, was + rl_load(rl_data(dy), dy->dtype, (size_t)i));
  }
  return RL_OK;
}
