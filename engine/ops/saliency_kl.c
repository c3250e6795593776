/* saliency_kl: (1/N) sum over images of sum_p g (ln g - ln softmax(x)), the softmax over all pixels of an image.
** [N, ...], [N, ...] -> []. The loss of arXiv:2403.16970; natural logarithms. Keeps one number per image, no map. */
#include "ops/op.h"
#include "base/threads.h"

typedef struct images {
  rl_call *c;
  int64_t pixels;
} images;

static double *row(const rl_call *c, int64_t b) {
  return (double *)rl_data(c->keep[0]) + 3 * b;
} /* lse, mass, kl */

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape, *g = &c->in[1]->shape;
  if (x->rank < 2 || x->size[0] == 0 || rl_shape_count(x) == 0)
    return rl_fail(RL_ESHAPE, "saliency_kl: the map is %s; it must be N x pixels, none of them 0",
                   rl_shape_text(x));
  if (!rl_shape_equal(x, g))
    return rl_fail(RL_ESHAPE, "saliency_kl: the map is %s, the target %s; they must be alike",
                   rl_shape_text(x), rl_shape_text(g));
  return rl_shape_scalar(c);
}

static void forward_image(void *ctx, int64_t b, int worker) {
  const images *w = ctx;
  (void)worker;
  double *r = row(w->c, b);
  void *x = rl_at(w->c->in[0], b * w->pixels), *g = rl_at(w->c->in[1], b * w->pixels);
  RL_BY_TYPE(w->c, log_sum_exp, &r[0], x, (size_t)w->pixels);
  RL_BY_TYPE(w->c, saliency_kl, &r[2], &r[1], x, g, r[0], (size_t)w->pixels);
}

static rl_status forward(rl_call *c) {
  int64_t N = c->in[0]->shape.size[0];
  images w = {.c = c, .pixels = rl_count(c->in[0]) / N};
  RL_TRY(rl_keep(c, 0, RL_F64, &(rl_shape){.rank = 2, .size = {N, 3}}));
  RL_TRY(rl_parallel(forward_image, &w, N));
  double sum = 0;
  for (int64_t b = 0; b < N; b++) sum += row(c, b)[2];
  return rl_fill(c->out[0], sum / (double)N);
}

static void backward_image(void *ctx, int64_t b, int worker) {
  const images *w = ctx;
  rl_call *c = w->c;
  (void)worker;
  double g = c->dtype == RL_F64 ? *(double *)rl_data(c->dout[0]) : (double)*(float *)rl_data(c->dout[0]);
  RL_BY_TYPE(c, saliency_kl_grad, rl_at(c->din[0], b * w->pixels), rl_at(c->in[0], b * w->pixels),
             rl_at(c->in[1], b * w->pixels), row(c, b)[0], row(c, b)[1], g / (double)c->in[0]->shape.size[0],
             c->beta[0], (size_t)w->pixels);
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  int64_t N = c->in[0]->shape.size[0];
  return rl_parallel(backward_image, &(images){.c = c, .pixels = rl_count(c->in[0]) / N}, N);
}

const rl_op rl_op_saliency_kl = {
    .name = "saliency_kl",
    .doc = "mean over images of sum g (ln g - ln softmax(x)) over all pixels; x, g: N x ..., g sums to 1 per "
           "image; arXiv:2403.16970",
    .dtypes = RL_FLOATS,
    .in = {{"x"}, {"target", .fixed = true}},
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1),
    .samples =
        "{ T{2, 1, 3, 4}, T{2, 1, 3, 4, lo = 0.1, hi = 0.9} } { T{1, 1}, T{1, 1, lo = 0.1, hi = 0.9} }",
    .plain = "function(x, g) local n, p = x.shape[1], x:numel() // x.shape[1] "
             "return rl.kl_div(rl.log_softmax(x:reshape{n, p}, -1), g:reshape{n, p}, { reduction = "
             "'batchmean' }) end",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
