/* nll_loss: -w[target] x[target] over dim 2, x log-probabilities.  [N, K, ...], [N, ...] (classes from 1) -> [] or
** [N, ...]. The mean divides by the sum of the weights used; a target of ignore_index costs nothing. */
#include "ops/loss.h"
#include "ops/real.h"
#include "tensor/index.h"

enum { IGNORE, REDUCTION };

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape,
                 *w = c->in[2] == NULL ? NULL : &c->in[2]->shape;
  rl_shape want = {.rank = x->rank - 1};
  for (int d = 0, o = 0; d < x->rank; d++)
    if (d != 1) want.size[o++] = x->size[d];
  if (x->rank < 2 || x->size[1] < 1 || !rl_shape_equal(&want, t))
    return rl_fail(RL_ESHAPE, "nll_loss: log_p is %s, target %s; they are N x classes x ... and N x ...",
                   rl_shape_text(x), rl_shape_text(t));
  if (w != NULL && (w->rank != 1 || w->size[0] != x->size[1]))
    return rl_fail(RL_ESHAPE, "nll_loss: weight is %s, there are %lld classes; give one number per class",
                   rl_shape_text(w), (long long)x->size[1]);
  if (c->arg[REDUCTION].i == RL_REDUCE_BATCHMEAN)
    return rl_fail(RL_EARG, "nll_loss: reduction is one of: mean sum none");
  c->meta[0] = (rl_meta){.dtype = c->dtype, .layout = RL_ROWMAJOR};
  if (c->arg[REDUCTION].i == RL_REDUCE_NONE) c->meta[0].shape = *t;
  return RL_OK;
}

static double weight(const rl_call *c, int64_t class) {
  return c->in[2] == NULL ? 1 : rl_real_get(c->dtype, rl_data(c->in[2]), class);
}

/* keep[0]: where each place's element stands in x, -1 where ignored; keep[1]: its weight. */
static rl_status find_targets(rl_call *c) {
  int64_t count = rl_count(c->in[1]), K = c->in[0]->shape.size[1];
  int64_t inner = count == 0 ? 1 : count / c->in[0]->shape.size[0];
  rl_shape places = {.rank = 1, .size = {count}};
  RL_TRY(rl_keep(c, 0, RL_I64, &places));
  RL_TRY(rl_keep(c, 1, RL_F64, &places));
  int64_t *at = rl_data(c->keep[0]);
  double *w = rl_data(c->keep[1]);
  for (int64_t b = 0; b < count; b++) {
    int64_t class;
    RL_TRY(rl_index_get(c->in[1], b, K, c->arg[IGNORE].i, "nll_loss", &class));
    at[b] = class < 0 ? -1 : (b / inner * K + class) * inner + b % inner;
    w[b] = class < 0 ? 0 : weight(c, class);
  }
  return RL_OK;
}

static double weight_sum(const rl_tensor *weights) {
  double sum = 0;
  for (int64_t b = 0; b < rl_count(weights); b++) sum += ((const double *)rl_data(weights))[b];
  return sum;
}

static rl_status forward(rl_call *c) {
  RL_TRY(find_targets(c));
  const int64_t *at = rl_data(c->keep[0]);
  const double *w = rl_data(c->keep[1]);
  double sum = 0;
  for (int64_t b = 0; b < rl_count(c->in[1]); b++) {
    double cost = at[b] < 0 ? 0 : -w[b] * rl_real_get(c->dtype, rl_data(c->in[0]), at[b]);
    sum += cost;
    if (c->arg[REDUCTION].i == RL_REDUCE_NONE) rl_real_set(c->dtype, rl_data(c->out[0]), b, cost);
  }
  if (c->arg[REDUCTION].i == RL_REDUCE_MEAN) sum /= weight_sum(c->keep[1]);
  return c->arg[REDUCTION].i == RL_REDUCE_NONE ? RL_OK : rl_fill(c->out[0], sum);
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  if (c->beta[0] == 0) RL_TRY(rl_fill(c->din[0], 0));
  const int64_t *at = rl_data(c->keep[0]);
  const double *w = rl_data(c->keep[1]);
  bool each = c->arg[REDUCTION].i == RL_REDUCE_NONE;
  double by = c->arg[REDUCTION].i == RL_REDUCE_MEAN ? 1 / weight_sum(c->keep[1]) : 1;
  void *dx = rl_data(c->din[0]), *dy = rl_data(c->dout[0]);
  for (int64_t b = 0; b < rl_count(c->keep[0]); b++)
    if (at[b] >= 0)
      rl_real_set(c->dtype, dx, at[b],
                  rl_real_get(c->dtype, dx, at[b]) - by * w[b] * rl_real_get(c->dtype, dy, each ? b : 0));
  return RL_OK;
}

static const rl_param params[] = {
    {.name = "ignore_index", .kind = RL_INTEGER, .preset = -100, .doc = "targets of this value cost nothing"},
    RL_REDUCTION,
    {0}};

const rl_op rl_op_nll_loss = {
    .name = "nll_loss",
    .doc = "mean of -log_p[target]; log_p N x classes x ... as log_softmax gives it, target N x ... of "
           "classes from "
           "1; weight: per class",
    .dtypes = RL_FLOATS,
    .in = {{"log_p"},
           {"target", .fixed = true, .dtypes = RL_INDEX},
           {"weight", .optional = true, .fixed = true}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .samples = "{ T{4, 3}, I{4, max = 3} } { T{2, 3, 2}, I{2, 2, max = 3}, { reduction = \"none\" } } "
               "{ T{4, 3}, I{4, max = 3}, T{3, lo = 0.5, hi = 2}, { reduction = \"sum\" } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
