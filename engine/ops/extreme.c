/* The largest or smallest element along one dim or over all, and its place. */
#include "ops/extreme.h"
#include "base/threads.h"
#include "ops/along.h"
#include "tensor/index.h"

#include <string.h>

#define GRAIN   16384
#define COLUMNS 256

/* The order that values and places are in: as memory lies, where the output can lie so too. */
static rl_layout order(const rl_call *c) {
  const rl_arg *dim = &c->arg[0];
  bool can = dim->given && (dim->i == 1 || c->arg[1].i != 0);
  return can ? rl_along_layout(c->in[0]) : RL_ROWMAJOR;
}

static rl_along split(const rl_call *c) {
  const rl_tensor *x = c->in[0];
  if (c->arg[0].given) return rl_along_of(&x->shape, order(c), (int)c->arg[0].i);
  return (rl_along){.outer = 1, .size = rl_count(x), .inner = 1};
}

rl_status rl_extreme_shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  rl_meta *m = &c->meta[0];
  *m = (rl_meta){.dtype = c->in[0]->dtype, .layout = c->arg[1].i != 0 ? order(c) : RL_ROWMAJOR};
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
  const rl_call *c;
  const rl_tensor *x;
  rl_along a;
  int64_t *at; /* outer * inner, from 0 */
  int64_t group;
  bool least, values; /* values: out[0] gets them, out[1] the places; else out[0] the places */
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

/* The values at the places found, n of them from `from` on. */
#define TAKE(real)                                                                                           \
  static void take_##real(const search *s, int64_t from, int64_t n) {                                        \
    const real *x = rl_data(s->x);                                                                           \
    real *y = rl_data(s->c->out[0]);                                                                         \
    int64_t inner = s->a.inner, size = s->a.size, o = from / inner, j = from % inner;                        \
    for (int64_t i = from; i < from + n; i++) {                                                              \
      y[i] = x[(o * size + s->at[i]) * inner + j];                                                           \
      if (++j == inner) j = 0, o++;                                                                          \
    }                                                                                                        \
  }
TAKE(float)
TAKE(double)

static void tell(const search *s, int64_t from, int64_t n) {
  rl_tensor *places = s->c->out[s->values ? 1 : 0];
  if (s->values && s->x->dtype == RL_F32) take_float(s, from, n);
  if (s->values && s->x->dtype == RL_F64) take_double(s, from, n);
  for (int64_t i = from; i < from + n && (!s->values || s->c->nout == 2); i++)
    rl_index_set(places, i, s->at[i]);
}

static void search_block(void *ctx, int64_t b, int worker) { /* some outer places, a stretch of inner */
  const search *s = ctx;
  (void)worker;
  int64_t pieces = rl_blocks(s->a.inner, COLUMNS), from = b % pieces * COLUMNS, first = b / pieces * s->group;
  int64_t n = s->a.inner - from < COLUMNS ? s->a.inner - from : COLUMNS;
  int64_t end = first + s->group < s->a.outer ? first + s->group : s->a.outer;
  if (s->a.inner == 1) {
    RL_KERNEL_CALL(s->c->k, s->x->dtype, peaks, s->at + first, rl_at(s->x, first * s->a.size), s->least,
                   (size_t)(end - first), (size_t)s->a.size);
    tell(s, first, end - first);
    return;
  }
  for (int64_t o = first; o < end; o++) {
    int64_t place = o * s->a.size * s->a.inner + from, to = o * s->a.inner + from;
    if (s->x->dtype == RL_F32)
      search_float((const float *)rl_at(s->x, place), &s->a, n, s->least, s->at + to);
    else
      search_double((const double *)rl_at(s->x, place), &s->a, n, s->least, s->at + to);
    tell(s, to, n);
  }
}

static rl_status find(rl_call *c, bool least, bool values) { /* keep[0]: the places, from 0, in order(c) */
  rl_tensor *x = NULL;
  search s = {.c = c, .a = split(c), .least = least, .values = values};
  RL_TRY(rl_keep(c, 0, RL_I64, &c->out[0]->shape));
  s.at = rl_data(c->keep[0]);
  if (rl_count(c->out[0]) == 0) return RL_OK;
  int64_t work = s.a.size * (s.a.inner < COLUMNS ? s.a.inner : COLUMNS);
  s.group = work >= GRAIN ? 1 : GRAIN / work;
  RL_TRY(rl_arrange(&x, c->in[0], c->in[0]->dtype, order(c)));
  s.x = x;
  rl_status r = rl_parallel(search_block, &s, rl_blocks(s.a.outer, s.group) * rl_blocks(s.a.inner, COLUMNS));
  rl_tensor_drop(&x);
  return r;
}

rl_status rl_extreme_at_forward(rl_call *c, bool least) { return find(c, least, false); }
rl_status rl_extreme_forward(rl_call *c, bool least) { return find(c, least, true); }

typedef struct give {
  rl_tensor *dx;
  const rl_tensor *dy;
  const int64_t *at;
  rl_along a;
  int64_t group;
  bool fresh; /* dx holds nothing yet */
} give;

#define PLACE(real)                                                                                          \
  static void place_##real(const give *g, int64_t o) {                                                       \
    const real *dy = (const real *)rl_data(g->dy) + o * g->a.inner;                                          \
    real *dx = (real *)rl_data(g->dx) + o * g->a.size * g->a.inner;                                          \
    const int64_t *at = g->at + o * g->a.inner;                                                              \
    if (g->fresh) memset(dx, 0, (size_t)(g->a.size * g->a.inner) * sizeof(real));                            \
    for (int64_t j = 0; j < g->a.inner; j++) dx[at[j] * g->a.inner + j] += dy[j];                            \
  }
PLACE(float)
PLACE(double)

static void give_block(void *ctx, int64_t b, int worker) {
  const give *g = ctx;
  (void)worker;
  for (int64_t o = b * g->group; o < (b + 1) * g->group && o < g->a.outer; o++)
    if (g->dx->dtype == RL_F64)
      place_double(g, o);
    else
      place_float(g, o);
}

rl_status rl_extreme_backward(rl_call *c) {
  rl_tensor *to = NULL, *dy = NULL;
  if (c->din[0] == NULL) return RL_OK;
  give g = {.at = rl_data(c->keep[0]), .a = split(c)};
  rl_status s = rl_along_open(c, order(c), &to, &g.fresh);
  if (s == RL_OK && c->dout[0] != NULL && rl_count(c->dout[0]) > 0) {
    s = rl_arrange(&dy, c->dout[0], to->dtype, c->arg[1].i != 0 ? order(c) : RL_ROWMAJOR);
    int64_t work = g.a.size * g.a.inner;
    g.dx = to, g.dy = dy, g.group = work >= GRAIN ? 1 : GRAIN / work;
    if (s == RL_OK) s = rl_parallel(give_block, &g, rl_blocks(g.a.outer, g.group));
  } else if (s == RL_OK && g.fresh)
    s = rl_fill(to, 0);
  s = rl_along_end(c, &to, s);
  rl_tensor_drop(&dy);
  return s;
}
