/* triplet_margin_loss: max(0, margin + d(a, p) - d(a, n)), d(x, y) = |x - y + eps|; with `swap` the nearer of d(a, n) and
** d(p, n).  [N, D] three times -> [] or [N].  Balntas et al., BMVC 2016, as in PyTorch. */
#include "ops/loss.h"

#include <math.h>

enum { MARGIN, EPS, SWAP, REDUCTION };
enum { AP, AN, PN };

static rl_status shape(rl_call *c) {
  const rl_shape *a = &c->in[0]->shape;
  for (int i = 0; i < 3; i++)
    if (a->rank != 2 || !rl_shape_equal(a, &c->in[i]->shape))
      return rl_fail(RL_ESHAPE, "triplet_margin_loss: anchor is %s, %s is %s; all three must be N x D",
                     rl_shape_text(a), c->op->in[i].name, rl_shape_text(&c->in[i]->shape));
  if (c->arg[REDUCTION].i == RL_REDUCE_BATCHMEAN)
    return rl_fail(RL_EARG, "triplet_margin_loss: reduction is one of: mean sum none");
  c->meta[0] = (rl_meta){.dtype = c->in[0]->dtype, .layout = RL_ROWMAJOR};
  if (c->arg[REDUCTION].i == RL_REDUCE_NONE) c->meta[0].shape = (rl_shape){.rank = 1, .size = {a->size[0]}};
  return RL_OK;
}

static double distance(const rl_call *c, int x, int y, int64_t row) {
  int64_t D = c->in[0]->shape.size[1];
  double sum = 0;
  for (int64_t k = row * D; k < (row + 1) * D; k++) {
    double d = rl_loss_value(c->in[x], k) - rl_loss_value(c->in[y], k) + c->arg[EPS].num;
    sum += d * d;
  }
  return sqrt(sum);
}

/* The cost of a row, and which distance stands for the negative one. */
static double cost(const rl_call *c, int64_t row, double *d, int *far) {
  d[AP] = distance(c, 0, 1, row), d[AN] = distance(c, 0, 2, row);
  d[PN] = c->arg[SWAP].i ? distance(c, 1, 2, row) : INFINITY;
  *far = d[PN] < d[AN] ? PN : AN;
  double v = c->arg[MARGIN].num + d[AP] - d[*far];
  return v > 0 || v != v ? v : 0;
}

static void set(rl_tensor *t, int64_t i, double v) {
  if (t->dtype == RL_F64)
    ((double *)rl_data(t))[i] = v;
  else
    ((float *)rl_data(t))[i] = (float)v;
}

static rl_status forward(rl_call *c) {
  int64_t N = c->in[0]->shape.size[0];
  double d[3], sum = 0;
  int far;
  for (int64_t row = 0; row < N; row++) {
    double v = cost(c, row, d, &far);
    sum += v;
    if (c->arg[REDUCTION].i == RL_REDUCE_NONE) set(c->out[0], row, v);
  }
  if (c->arg[REDUCTION].i == RL_REDUCE_NONE) return RL_OK;
  return rl_fill(c->out[0], c->arg[REDUCTION].i == RL_REDUCE_MEAN ? sum / (double)N : sum);
}

/* +-g (x - y + eps) / d into the gradients of x and y */
static void pull(rl_call *c, int x, int y, int64_t row, double g, double d) {
  int64_t D = c->in[0]->shape.size[1];
  for (int64_t k = row * D; k < (row + 1) * D && d > 0; k++) {
    double v = g * (rl_loss_value(c->in[x], k) - rl_loss_value(c->in[y], k) + c->arg[EPS].num) / d;
    if (c->din[x] != NULL) set(c->din[x], k, rl_loss_value(c->din[x], k) + v);
    if (c->din[y] != NULL) set(c->din[y], k, rl_loss_value(c->din[y], k) - v);
  }
}

static rl_status backward(rl_call *c) {
  int64_t N = c->in[0]->shape.size[0];
  for (int i = 0; i < 3; i++)
    if (c->din[i] != NULL && !c->beta[i]) RL_TRY(rl_fill(c->din[i], 0));
  double d[3];
  int far;
  for (int64_t row = 0; row < N; row++) {
    if (cost(c, row, d, &far) == 0) continue;
    double g = rl_loss_value(c->dout[0], c->arg[REDUCTION].i == RL_REDUCE_NONE ? row : 0);
    if (c->arg[REDUCTION].i == RL_REDUCE_MEAN) g /= (double)N;
    pull(c, 0, 1, row, g, d[AP]);
    pull(c, far == PN ? 1 : 0, 2, row, -g, d[far]);
  }
  return RL_OK;
}

static const rl_param params[] = {{.name = "margin", .kind = RL_NUMBER, .preset = 1},
                                  {.name = "eps", .kind = RL_NUMBER, .preset = 1e-6},
                                  {.name = "swap", .kind = RL_BOOLEAN},
                                  RL_REDUCTION,
                                  {0}};

const rl_op rl_op_triplet_margin_loss = {
    .name = "triplet_margin_loss",
    .doc =
        "mean of max(0, margin + |a - p| - |a - n|) over rows; anchor, positive, negative: N x D; Euclidean",
    .dtypes = RL_FLOATS,
    .in = {{"anchor"}, {"positive"}, {"negative"}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1) | RL_SAVE_IN(2),
    .samples =
        "{ T{4, 3, lo = 0, hi = 1}, T{4, 3, lo = 1, hi = 2}, T{4, 3, lo = 3, hi = 4}, { margin = 9 } } "
        "{ T{4, 3, lo = 0, hi = 1}, T{4, 3, lo = 1, hi = 2}, T{4, 3, lo = 3, hi = 4}, { margin = 9, swap = "
        "true, "
        "reduction = \"none\" } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
