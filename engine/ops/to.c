/* to: x in another dtype; x itself if it has it.  [any shape] -> [same] */
#include "ops/op.h"

static rl_status shape(rl_call *c) {
  RL_TRY(rl_shape_same(c));
  c->meta[0].dtype = (rl_dtype)c->arg[0].i;
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  rl_tensor *made = NULL;
  if (c->meta[0].dtype == c->in[0]->dtype) return RL_OK;
  RL_TRY(rl_arrange(&made, c->in[0], c->meta[0].dtype, RL_ANY));
  rl_tensor_drop(&c->out[0]);
  c->out[0] = made;
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  rl_tensor *cast = NULL;
  if (c->din[0] == NULL) return RL_OK;
  if (c->beta[0] == 0) return rl_copy(c->din[0], c->dout[0], false);
  RL_TRY(rl_arrange(&cast, c->dout[0], c->din[0]->dtype, RL_ANY));
  rl_status s = rl_copy(c->din[0], cast, true);
  rl_tensor_drop(&cast);
  return s;
}

static const rl_param params[] = {
    {.name = "dtype", .kind = RL_ENUM, .words = "f32 f64 i64 i32 u8 bool", .required = true}, {0}};

const rl_op rl_op_to = {
    .name = "to",
    .doc =
        "x in another dtype, x itself if it has it; to integers truncated and saturating, to bool by x ~= 0",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3}, 'f64' } { T{2, 3}, 'f32' } { T{0}, 'f64' } { T{2}, 'i64' }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
