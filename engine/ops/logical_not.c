/* logical_not: x = 0.  [any shape] -> [same], bool */
#include "ops/compare.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, logical_not, rl_data(c->out[0]), rl_data(c->in[0]), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

const rl_op rl_op_logical_not = {
    .name = "logical_not",
    .doc = "true where x is 0 or false; any shape",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .layout = RL_RUNS,
    .samples = "{ B{2, 3} } { T{2, 3} } { T{0} }",
    .no_gradient = RL_COMPARE_NO_GRADIENT,
    .shape = rl_compare_shape,
    .forward = forward,
};
