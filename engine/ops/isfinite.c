/* isfinite: x is neither infinite nor NaN.  [any shape] -> [same], bool */
#include "ops/compare.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, isfinite, rl_data(c->out[0]), rl_data(c->in[0]), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

const rl_op rl_op_isfinite = {
    .name = "isfinite",
    .doc = "true where x is neither infinite nor NaN; any shape",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .layout = RL_RUNS,
    .samples = "{ T{2, 3} } { T{2, 3} } { T{0} }",
    .no_gradient = RL_COMPARE_NO_GRADIENT,
    .shape = rl_compare_shape,
    .forward = forward,
};
