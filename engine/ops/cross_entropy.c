/* cross_entropy: -ln softmax(x)[target] over dim 2.  [N, K, ...], [N, ...] (classes from 1) -> [] or [N, ...]
** With weights w and smoothing e a place costs sum_k A_k (lse - x_k), A = (1 - e) w_y at the target plus e w_k / K at each;
** the mean divides by the sum of w_y over the places that are not ignored. */
#include "ops/loss.h"
#include "base/threads.h"
#include "tensor/index.h"

#include <math.h>

enum { IGNORE, SMOOTHING, REDUCTION };

typedef struct places {
  rl_call *c;
  int64_t K, inner;
  double *cost; /* of a place; -1 as class: ignored */
  const int64_t *class;
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
  return c->in[2] == NULL ? 1 : rl_loss_value(c->in[2], k);
}

static double lse_of(const places *p, int64_t first) {
  const rl_tensor *x = p->c->in[0];
  double top = rl_loss_value(x, first), sum = 0;
  for (int64_t k = 1; k < p->K; k++) top = fmax(top, rl_loss_value(x, first + k * p->inner));
  for (int64_t k = 0; k < p->K; k++) sum += exp(rl_loss_value(x, first + k * p->inner) - top);
  return top + log(sum);
}

static double share(const places *p, int64_t k, int64_t class) { /* A_k */
  double e = p->c->arg[SMOOTHING].num;
  return (k == class ? (1 - e) * weight(p->c, k) : 0) + e / (double)p->K * weight(p->c, k);
}

static void forward_place(void *ctx, int64_t b, int worker) {
  const places *p = ctx;
  (void)worker;
  p->cost[b] = 0;
  if (p->class[b] < 0) return;
  int64_t first = b / p->inner * p->K * p->inner + b % p->inner;
  double lse = lse_of(p, first);
  for (int64_t k = 0; k < p->K; k++) {
    double a = share(p, k, p->class[b]);
    if (a != 0) p->cost[b] += a * (lse - rl_loss_value(p->c->in[0], first + k * p->inner));
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

static rl_status forward(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  int64_t count = rl_count(c->in[1]);
  RL_TRY(read_classes(c, x->size[1], count));
  RL_TRY(rl_keep(c, 1, RL_F64, &(rl_shape){.rank = 1, .size = {count}}));
  places p = {.c = c, .K = x->size[1], .class = rl_data(c->keep[0]), .cost = rl_data(c->keep[1])};
  p.inner = count == 0 ? 1 : count / x->size[0];
  RL_TRY(rl_parallel_work(forward_place, &p, count, 8 * rl_count(c->in[0])));
  rl_tensor cost = *c->keep[1];
  cost.shape = c->in[1]->shape;
  rl_strides_rowmajor(&cost.shape, cost.stride);
  rl_status s = RL_OK;
  if (c->arg[REDUCTION].i == RL_REDUCE_NONE)
    s = rl_copy(c->out[0], &cost, false);
  else {
    double sum = 0;
    for (int64_t b = 0; b < count; b++) sum += p.cost[b];
    s = rl_fill(c->out[0], c->arg[REDUCTION].i == RL_REDUCE_SUM ? sum : sum / weight_sum(c, p.class, count));
  }
  rl_tensor_drop(&c->keep[1]);
  return s;
}

static void backward_place(void *ctx, int64_t b, int worker) {
  const places *p = ctx;
  rl_call *c = p->c;
  (void)worker;
  int64_t first = b / p->inner * p->K * p->inner + b % p->inner;
  double g = c->arg[REDUCTION].i == RL_REDUCE_NONE ? rl_loss_value(c->dout[0], b) : p->scale;
  double lse = p->class[b] < 0 ? 0 : lse_of(p, first), mass = 0;
  for (int64_t k = 0; k < p->K && p->class[b] >= 0; k++) mass += share(p, k, p->class[b]);
  for (int64_t k = 0; k < p->K; k++) {
    int64_t i = first + k * p->inner;
    double d =
        p->class[b] < 0 ? 0 : g * (exp(rl_loss_value(c->in[0], i) - lse) * mass - share(p, k, p->class[b]));
    if (c->dtype == RL_F64)
      ((double *)rl_data(c->din[0]))[i] = d + (c->beta[0] ? rl_loss_value(c->din[0], i) : 0);
    else
      ((float *)rl_data(c->din[0]))[i] = (float)(d + (c->beta[0] ? rl_loss_value(c->din[0], i) : 0));
  }
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  int64_t count = rl_count(c->keep[0]);
  places p = {.c = c, .K = c->in[0]->shape.size[1], .class = rl_data(c->keep[0])};
  p.inner = count == 0 ? 1 : count / c->in[0]->shape.size[0];
  if (c->arg[REDUCTION].i != RL_REDUCE_NONE) p.scale = rl_loss_number(c->dout[0]);
  if (c->arg[REDUCTION].i == RL_REDUCE_MEAN) p.scale /= weight_sum(c, p.class, count);
  return rl_parallel_work(backward_place, &p, count, 8 * rl_count(c->in[0]));
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
           {"target", .fixed = true, .dtypes = RL_INDEX},
           {"weight", .optional = true, .fixed = true}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(2),
    .samples = "{ T{4, 3}, I{4, max = 3} } { T{2, 3, 2}, I{2, 2, max = 3}, { reduction = \"none\" } } "
               "{ T{4, 3}, I{4, max = 3}, T{3, lo = 0.5, hi = 2}, { label_smoothing = 0.1 } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
