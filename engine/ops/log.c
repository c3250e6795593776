/* log: y = ln x; -inf at 0, NaN below.  [any shape] -> [same] */
#include "ops/op.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, log, rl_data(c->out[0]), rl_data(c->in[0]), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

/* dL/dx = dL/dy / x */
static rl_status backward(rl_call *c) {
  if (c->din[0] != NULL)
    RL_BY_TYPE(c, divide_grad, rl_data(c->din[0]), rl_data(c->dout[0]), rl_data(c->in[0]), c->beta[0],
               (size_t)rl_count(c->dout[0]));
  return RL_OK;
}

const rl_op rl_op_log = {
    .name = "log",
    .doc = "the natural logarithm; -inf at 0, NaN below; any shape",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .layout = RL_RUNS,
    .saves = RL_SAVE_IN(0),
    .samples = "{ T{2, 3, lo = 0.3, hi = 2} } { T{0} } { T{lo = 0.5, hi = 2} }",
    .shape = rl_shape_same,
    .forward = forward,
    .backward = backward,
};
