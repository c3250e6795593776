/* gated: y = x gate at: attention over channels and over pixels in one pass.
** [N, C, H, W], [N, C, 1, 1], [N, 1, H, W] -> [N, C, H, W] */
#include "ops/gates.h"
#include "ops/real.h"

static rl_status shape(rl_call *c) {
  RL_TRY(rl_gates_check(c));
  c->meta[0] = (rl_meta){.dtype = c->dtype, .layout = RL_NHWC, .shape = c->in[0]->shape};
  return RL_OK;
}

static void forward_pixels(const rl_call *c, rl_gates *w, int64_t at) {
  w->at = rl_real_at(c->dtype, rl_data(c->in[2]), at);
  RL_BY_TYPE(c, gated, w);
}

static rl_status forward(rl_call *c) { return rl_gates_forward(c, c->out[0], forward_pixels); }

static void back_pixels(const rl_call *c, rl_gates *w, int64_t at) {
  w->at = rl_real_at(c->dtype, rl_data(c->in[2]), at);
  w->dy = rl_real_at(c->dtype, rl_data(c->dout[0]), at * (int64_t)w->c);
  if (c->din[2] != NULL) w->dat = rl_real_at(c->dtype, rl_data(c->din[2]), at);
  w->add_at = c->din[2] != NULL && c->beta[2] != 0;
  RL_BY_TYPE(c, gated_grad, w);
}

static rl_status backward(rl_call *c) { return rl_gates_backward(c, back_pixels); }

const rl_op rl_op_gated = {
    .name = "gated",
    .doc =
        "x gate at, as attention over channels, then pixels, has it (CBAM, arXiv 1807.06521): x N x C x H x "
        "W, "
        "gate N x C x 1 x 1, at N x 1 x H x W -> N x C x H x W; not a gradient's gate, which is in rl.gating",
    .dtypes = RL_FLOATS,
    .in = {{"x"}, {"gate"}, {"at"}},
    .layout = RL_NHWC,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1) | RL_SAVE_IN(2),
    .samples =
        "{ T{2, 5, 3, 2}, T{2, 5, 1, 1}, T{2, 1, 3, 2} } { T{1, 37, 5, 4}, T{1, 37, 1, 1}, T{1, 1, 5, 4} } "
        "{ T{2, 16, 5, 5}, T{2, 16, 1, 1}, T{2, 1, 5, 5} } { T{0, 3, 2, 2}, T{0, 3, 1, 1}, T{0, 1, 2, 2} }",
    .plain = "function(x, gate, at) return x * gate * at end",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
