/* cross_entropy: -ln softmax(x)[target] over dim 2.  [N, K, ...], [N, ...] (classes from 1) -> [] or [N, ...]
** With weights w and smoothing e a place costs sum_k A_k (lse - x_k), A = (1 - e) w_y at the target plus e w_k / K at each;
** the mean divides by the sum of w_y over the places that are not ignored. */
#include "ops/loss.h"
#include "base/threads.h"
#include "ops/real.h"
#include "ops/rows.h"
#include "tensor/index.h"

#include <string.h>

enum { IGNORE, SMOOTHING, REDUCTION };
#define GRAIN 8192 /* elements of a block, at least */

typedef struct places {
  rl_call *c;
  int64_t K, count, group; /* classes; places; of a block */
  void *x, *dx;            /* rows of K */
  int add;
  const int64_t *class; /* -1: ignored */
  double *lse, *cost;
  double scale;
} places;

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape;
  rl_shape want = {.rank = x->rank - 1};
  for (int d = 0, o = 0; d < x->rank; d++)
    if (d != 1) want.size[o++] = x->size[d];
  if (x->rank < 2 || x->size[1] < 1 || !rl_shape_equal(&want, t))
    return rl_fail(RL_ESHAPE,
                   "cross_entropy: logits are %s, targets %s; logits are N x classes x ..., targets N x ...",
                   rl_shape_text(x), rl_shape_text(t));
  if (c->in[2] != NULL && (c->in[2]->shape.rank != 1 || c->in[2]->shape.size[0] != x->size[1]))
    return rl_fail(RL_ESHAPE, "cross_entropy: weight is %s, there are %lld classes",
                   rl_shape_text(&c->in[2]->shape), (long long)x->size[1]);
  if (c->arg[REDUCTION].i == RL_REDUCE_BATCHMEAN)
    return rl_fail(RL_EARG, "cross_entropy: reduction is one of: mean sum none");
  c->meta[0] = (rl_meta){.dtype = c->in[0]->dtype, .layout = RL_ROWMAJOR};
  if (c->arg[REDUCTION].i == RL_REDUCE_NONE) c->meta[0].shape = *t;
  return RL_OK;
}

static double weight(const rl_call *c, int64_t k) {
  return c->in[2] == NULL ? 1 : rl_real_get(c->dtype, rl_data(c->in[2]), k);
}

/* sum_k A_k (lse - x_k) over a row; without smoothing only the target counts */
static double cost_of(const places *p, const void *x, double lse, int64_t class) {
  const rl_call *c = p->c;
  double e = c->arg[SMOOTHING].num;
  double cost = e < 1 ? (1 - e) * weight(c, class) * (lse - rl_real_get(c->dtype, x, class)) : 0;
  for (int64_t k = 0; e > 0 && k < p->K; k++) {
    double a = e / (double)p->K * weight(c, k);
    if (a != 0) cost += a * (lse - rl_real_get(c->dtype, x, k));
  }
  return cost;
}

static void forward_places(void *ctx, int64_t b, int worker) {
  const places *p = ctx;
  (void)worker;
  for (int64_t i = b * p->group; i < (b + 1) * p->group && i < p->count; i++) {
    const void *x = rl_real_at(p->c->dtype, p->x, i * p->K);
    p->cost[i] = p->lse[i] = 0;
    if (p->class[i] < 0) continue;
    RL_BY_TYPE(p->c, log_sum_exp, &p->lse[i], x, (size_t)p->K);
    p->cost[i] = cost_of(p, x, p->lse[i], p->class[i]);
  }
}

static rl_status read_classes(rl_call *c, int64_t K, int64_t count) { /* keep[0]: from 0, -1 where ignored */
  RL_TRY(rl_keep(c, 0, RL_I64, &(rl_shape){.rank = 1, .size = {count}}));
  int64_t *class = rl_data(c->keep[0]);
  for (int64_t b = 0; b < count; b++)
    RL_TRY(rl_index_get(c->in[1], b, K, (int64_t)c->arg[IGNORE].num, "cross_entropy", &class[b]));
  return RL_OK;
}

static double weight_sum(const rl_call *c, const int64_t *class, int64_t count) {
  double sum = 0;
  for (int64_t b = 0; b < count; b++) sum += class[b] < 0 ? 0 : weight(c, class[b]);
  return sum;
}

static places open_places(rl_call *c, const rl_rows *rows) {
  places p = {
      .c = c, .K = rows->n, .count = rows->rows, .class = rl_data(c->keep[0]), .lse = rl_data(c->keep[1])};
  p.group = p.K < GRAIN ? GRAIN / p.K : 1;
  return p;
}

static rl_status reduce(rl_call *c, const places *p, rl_tensor *cost) { /* in the order of places */
  cost->shape = c->in[1]->shape;
  rl_strides_rowmajor(&cost->shape, cost->stride);
  if (c->arg[REDUCTION].i == RL_REDUCE_NONE) return rl_copy(c->out[0], cost, false);
  double sum = 0;
  for (int64_t b = 0; b < p->count; b++) sum += p->cost[b];
  return rl_fill(c->out[0],
                 c->arg[REDUCTION].i == RL_REDUCE_SUM ? sum : sum / weight_sum(c, p->class, p->count));
}

/* keep[0]: the classes; keep[1]: ln sum e^x of each place; keep[2]: what it costs, given back. */
static rl_status forward(rl_call *c) {
  int64_t count = rl_count(c->in[1]);
  rl_shape list = {.rank = 1, .size = {count}};
  rl_rows x = {0};
  RL_TRY(read_classes(c, c->in[0]->shape.size[1], count));
  RL_TRY(rl_keep(c, 1, RL_F64, &list));
  RL_TRY(rl_keep(c, 2, RL_F64, &list));
  RL_TRY(rl_rows_read(&x, c->in[0], 1));
  places p = open_places(c, &x);
  p.x = x.data, p.cost = rl_data(c->keep[2]);
  rl_status s = rl_parallel(forward_places, &p, rl_blocks(p.count, p.group));
  rl_rows_drop(&x);
  rl_tensor cost = *c->keep[2];
  if (s == RL_OK) s = reduce(c, &p, &cost);
  rl_tensor_drop(&c->keep[2]);
  return s;
}

/* g (mass softmax(x) - A): the exponentials of a row at once, then the places where A is not 0 */
static void backward_place(const places *p, int64_t i) {
  const rl_call *c = p->c;
  void *x = rl_real_at(c->dtype, p->x, i * p->K), *dx = rl_real_at(c->dtype, p->dx, i * p->K);
  double g = c->arg[REDUCTION].i == RL_REDUCE_NONE ? rl_real_get(c->dtype, rl_data(c->dout[0]), i) : p->scale;
  double e = c->arg[SMOOTHING].num, mass;
  int64_t class = p->class[i];
  if (class < 0) {
    if (!p->add) memset(dx, 0, (size_t)p->K * rl_dtype_size(c->dtype));
    return;
  }
  mass = (1 - e) * weight(c, class);
  for (int64_t k = 0; e > 0 && k < p->K; k++) mass += e / (double)p->K * weight(c, k);
  RL_BY_TYPE(c, exp_scaled, dx, x, p->lse[i], g * mass, p->add, (size_t)p->K);
  rl_real_set(c->dtype, dx, class, rl_real_get(c->dtype, dx, class) - g * (1 - e) * weight(c, class));
  for (int64_t k = 0; e > 0 && k < p->K; k++)
    rl_real_set(c->dtype, dx, k, rl_real_get(c->dtype, dx, k) - g * e / (double)p->K * weight(c, k));
}

static void backward_places(void *ctx, int64_t b, int worker) {
  const places *p = ctx;
  (void)worker;
  for (int64_t i = b * p->group; i < (b + 1) * p->group && i < p->count; i++) backward_place(p, i);
}

static rl_status backward(rl_call *c) {
  rl_rows x = {0}, dx = {0};
  bool add = c->beta[0] != 0;
  if (c->din[0] == NULL) return RL_OK;
  rl_status s = rl_rows_read(&x, c->in[0], 1);
  if (s == RL_OK) s = rl_rows_write(&dx, c->din[0], 1, false);
  if (s == RL_OK) {
    places p = open_places(c, &x);
    p.x = x.data, p.dx = dx.data, p.add = add && dx.made == NULL;
    if (c->arg[REDUCTION].i != RL_REDUCE_NONE) p.scale = rl_loss_number(c->dout[0]);
    if (c->arg[REDUCTION].i == RL_REDUCE_MEAN) p.scale /= weight_sum(c, p.class, p.count);
    s = rl_parallel(backward_places, &p, rl_blocks(p.count, p.group));
  }
  rl_rows_drop(&x);
  if (s == RL_OK) return rl_rows_finish(&dx, add);
  rl_rows_drop(&dx);
  return s;
}

static const rl_param params[] = {
    {.name = "ignore_index", .kind = RL_INTEGER, .preset = -100, .doc = "targets of this value cost nothing"},
    {.name = "label_smoothing", .kind = RL_NUMBER, .lo = 0, .hi = 1},
    RL_REDUCTION,
    {0}};

const rl_op rl_op_cross_entropy = {
    .name = "cross_entropy",
    .doc = "mean of -ln softmax(logits)[target]; logits N x classes x ..., target N x ... of classes from 1; "
           "weight: per class",
    .dtypes = RL_FLOATS,
    .in = {{"logits"},
           {"target", .fixed = true, .layout = RL_ROWMAJOR, .dtypes = RL_INDEX},
           {"weight", .optional = true, .fixed = true}},
    .params = params,
    .layout = RL_NHWC,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(2),
    .samples = "{ T{4, 3}, I{4, max = 3} } { T{2, 3, 2}, I{2, 2, max = 3}, { reduction = \"none\" } } "
               "{ T{4, 3}, I{4, max = 3}, T{3, lo = 0.5, hi = 2}, { label_smoothing = 0.1 } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
