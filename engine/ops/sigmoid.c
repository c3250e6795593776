/* sigmoid: y = 1 / (1 + e^-x).  [any shape] -> [same] */
#include "ops/op.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, sigmoid, rl_data(c->out[0]), rl_data(c->in[0]), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

/* dL/dx = dL/dy y (1 - y) */
static rl_status backward(rl_call *c) {
  if (c->din[0] != NULL)
    RL_BY_TYPE(c, sigmoid_grad, rl_data(c->din[0]), rl_data(c->dout[0]), rl_data(c->out[0]), c->beta[0],
               (size_t)rl_count(c->dout[0]));
  return RL_OK;
}

const rl_op rl_op_sigmoid = {
    .name = "sigmoid",
    .doc = "1 / (1 + e^-x); any shape",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .layout = RL_RUNS,
    .saves = RL_SAVE_OUT(0),
    .samples = "{ T{2, 3} } { T{0} } { T{} }",
    .shape = rl_shape_same,
    .forward = forward,
    .backward = backward,
};
