/* gated_pool: mean and largest over the channels of x gate, which itself is never written.
** [N, C, H, W], [N, C, 1, 1] -> [N, 2, H, W] */
#include "ops/gates.h"
#include "ops/real.h"

static rl_status shape(rl_call *c) {
  RL_TRY(rl_gates_check(c));
  const int64_t *x = c->in[0]->shape.size;
  c->meta[0] = (rl_meta){.dtype = c->dtype, .layout = RL_NHWC, .shape = {4, {x[0], 2, x[2], x[3]}}};
  return RL_OK;
}

static int32_t *places(const rl_call *c, int64_t at) { return (int32_t *)rl_data(c->keep[0]) + at; }

static void forward_pixels(const rl_call *c, rl_gates *w, int64_t at) {
  RL_BY_TYPE(c, gated_pool, rl_real_at(c->dtype, rl_data(c->out[0]), 2 * at), places(c, at), w->x, w->gate,
             w->rows, w->c);
}

static rl_status forward(rl_call *c) { /* keep[0]: the largest channel of each pixel, from 0 */
  const int64_t *x = c->in[0]->shape.size;
  RL_TRY(rl_keep(c, 0, RL_I32, &(rl_shape){.rank = 1, .size = {x[0] * x[2] * x[3]}}));
  return rl_gates_forward(c, NULL, forward_pixels);
}

static void back_pixels(const rl_call *c, rl_gates *w, int64_t at) {
  w->place = places(c, at);
  w->dy = rl_real_at(c->dtype, rl_data(c->dout[0]), 2 * at);
  RL_BY_TYPE(c, gated_pool_grad, w);
}

static rl_status backward(rl_call *c) { return rl_gates_backward(c, back_pixels); }

const rl_op rl_op_gated_pool = {
    .name = "gated_pool",
    .doc = "the mean and the largest over the channels of x gate (CBAM, arXiv 1807.06521): x N x C x H x W, "
           "gate "
           "N x C x 1 x 1 -> N x 2 x H x W; NaN wins",
    .dtypes = RL_FLOATS,
    .in = {{"x"}, {"gate"}},
    .layout = RL_NHWC,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1),
    .samples = "{ T{2, 5, 3, 2}, T{2, 5, 1, 1} } { T{1, 37, 5, 4}, T{1, 37, 1, 1} } { T{1, 16, 3, 6}, T{1, "
               "16, 1, 1} } "
               "{ T{0, 3, 2, 2}, T{0, 3, 1, 1} }",
    .plain = "function(x, gate) local y = x * gate "
             "return rl.cat({ y:mean { dim = 2, keepdim = true }, (y:max { dim = 2, keepdim = true }) }, { "
             "dim = 2 }) end",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
