/* batch_triplet_loss: over all (anchor, positive of its class, negative of another class) of a batch the mean of
** max(0, margin + d(a, p) - d(a, n)), d(i, j) = |z_i - z_j + eps|.  [N, D], [N] -> []
** Without any such triplet the loss and its gradient are 0. Stage 1a of arXiv:2403.16970 on pooled features. */
#include "ops/loss.h"
#include "tensor/index.h"

#include <math.h>
#include <string.h>

enum { MARGIN, EPS };

static rl_status shape(rl_call *c) {
  const rl_shape *z = &c->in[0]->shape, *t = &c->in[1]->shape;
  if (z->rank != 2 || t->rank != 1 || z->size[0] != t->size[0])
    return rl_fail(RL_ESHAPE, "batch_triplet_loss: embeddings are %s, labels %s; they must be N x D and N",
                   rl_shape_text(z), rl_shape_text(t));
  return rl_shape_scalar(c);
}

static double distance(const rl_call *c, int64_t i, int64_t j) {
  int64_t D = c->in[0]->shape.size[1];
  double sum = 0;
  for (int64_t k = 0; k < D; k++) {
    double d = rl_loss_value(c->in[0], i * D + k) - rl_loss_value(c->in[0], j * D + k) + c->arg[EPS].num;
    sum += d * d;
  }
  return sqrt(sum);
}

/* w: +1 at (a, p), -1 at (a, n) for each triplet that costs something; returns the triplets' number. */
static int64_t sum_up(const rl_call *c, const double *d, double *w, double *cost) {
  int64_t N = c->in[0]->shape.size[0], valid = 0, label[3];
  const rl_tensor *t = c->in[1];
  for (int64_t a = 0; a < N; a++) {
    rl_index_get(t, a, INT64_MAX, RL_NO_IGNORE, "batch_triplet_loss", &label[0]);
    for (int64_t p = 0; p < N; p++) {
      rl_index_get(t, p, INT64_MAX, RL_NO_IGNORE, "batch_triplet_loss", &label[1]);
      if (p == a || label[1] != label[0]) continue;
      for (int64_t n = 0; n < N; n++) {
        rl_index_get(t, n, INT64_MAX, RL_NO_IGNORE, "batch_triplet_loss", &label[2]);
        if (label[2] == label[0]) continue;
        double v = c->arg[MARGIN].num + d[a * N + p] - d[a * N + n];
        valid++;
        if (v <= 0) continue;
        *cost += v;
        w[a * N + p] += 1, w[a * N + n] -= 1;
      }
    }
  }
  return valid;
}

static rl_status
forward(rl_call *c) { /* keep[0]: how much each difference z_i - z_j + eps weighs in the gradient */
  int64_t N = c->in[0]->shape.size[0], label;
  rl_shape square = {.rank = 2, .size = {N, N}};
  for (int64_t i = 0; i < N; i++)
    RL_TRY(rl_index_get(c->in[1], i, INT64_MAX, RL_NO_IGNORE, "batch_triplet_loss", &label));
  RL_TRY(rl_keep(c, 0, RL_F64, &square));
  RL_TRY(rl_keep(c, 1, RL_F64, &square));
  double *w = rl_data(c->keep[0]), *d = rl_data(c->keep[1]), cost = 0;
  memset(w, 0, (size_t)(N * N) * sizeof *w);
  for (int64_t i = 0; i < N * N; i++) d[i] = distance(c, i / N, i % N);
  int64_t valid = sum_up(c, d, w, &cost);
  for (int64_t i = 0; i < N * N; i++) w[i] = w[i] == 0 || d[i] == 0 ? 0 : w[i] / ((double)valid * d[i]);
  rl_tensor_drop(&c->keep[1]);
  return rl_fill(c->out[0], valid == 0 ? 0 : cost / (double)valid);
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  const rl_shape *z = &c->in[0]->shape;
  int64_t N = z->size[0], D = z->size[1];
  const double *w = rl_data(c->keep[0]);
  double g = rl_loss_number(c->dout[0]), eps = c->arg[EPS].num;
  for (int64_t i = 0; i < N; i++) {
    for (int64_t k = 0; k < D; k++) {
      double zi = rl_loss_value(c->in[0], i * D + k), sum = 0;
      for (int64_t j = 0; j < N; j++) {
        double u = zi - rl_loss_value(c->in[0], j * D + k);
        sum += w[i * N + j] * (u + eps) - w[j * N + i] * (eps - u);
      }
      double was = c->beta[0] ? rl_loss_value(c->din[0], i * D + k) : 0;
      if (c->dtype == RL_F64)
        ((double *)rl_data(c->din[0]))[i * D + k] = was + g * sum;
      else
        ((float *)rl_data(c->din[0]))[i * D + k] = (float)(was + g * sum);
    }
  }
  return RL_OK;
}

static const rl_param params[] = {{.name = "margin", .kind = RL_NUMBER, .preset = 1},
                                  {.name = "eps", .kind = RL_NUMBER, .preset = 1e-6},
                                  {0}};

const rl_op rl_op_batch_triplet_loss = {
    .name = "batch_triplet_loss",
    .doc = "mean over all triplets of the batch of max(0, margin + d(a, p) - d(a, n)); embeddings N x D, "
           "labels N; arXiv:2403.16970",
    .dtypes = RL_FLOATS,
    .in = {{"embedding"}, {"label", .fixed = true, .dtypes = RL_INDEX}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_IN(0),
    .samples =
        "{ T{6, 4}, I{6, max = 3} } { T{4, 3}, I{4, max = 2}, { margin = 5 } } { T{1, 2}, I{1, max = 1} }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
