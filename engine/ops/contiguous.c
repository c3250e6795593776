/* contiguous: x itself if it lies as asked, else a copy that does.  [any shape] -> [same] */
#include "ops/op.h"

static rl_status shape(rl_call *c) {
  if (c->arg[0].i == 1 && c->in[0]->shape.rank != 4)
    return rl_fail(RL_ESHAPE, "contiguous: channels_last needs four dims, N x C x H x W, not %s",
                   rl_shape_text(&c->in[0]->shape));
  return rl_shape_same(c);
}

static rl_status forward(rl_call *c) {
  rl_tensor *made = NULL, *x = c->in[0];
  bool last = c->arg[0].i == 1;
  if (last ? rl_is_nhwc(x) : rl_is_rowmajor(x)) return RL_OK;
  RL_TRY(rl_arrange(&made, x, x->dtype, last ? RL_NHWC : RL_ROWMAJOR));
  rl_tensor_drop(&c->out[0]);
  c->out[0] = made;
  return RL_OK;
}

static rl_status view_back(const rl_call *c, rl_tensor *din) { /* the gradient may lie as it likes */
  (void)c, (void)din;
  return RL_OK;
}

static const rl_param params[] = {{.name = "format", .kind = RL_ENUM, .words = "rowmajor channels_last"},
                                  {0}};

const rl_op rl_op_contiguous = {
    .name = "contiguous",
    .doc = "x itself if its elements lie row by row (or channels last), else a copy that does",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3} } { T{2, 3, 2, 2}, { format = 'channels_last' } } { T{0} } { T{} }",
    .shape = shape,
    .forward = forward,
    .view_back = view_back,
};
