/* logical_and: both are not 0.  [a], [b] -> [broadcast of both], bool */
#include "ops/compare.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, logical_and, rl_data(c->out[0]), rl_data(c->in[0]), rl_data(c->in[1]),
             (size_t)rl_count(c->out[0]));
  return RL_OK;
}

const rl_op rl_op_logical_and = {
    .name = "logical_and",
    .doc = "true where neither a nor b is 0, broadcast",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .promote = true,
    .is_method = true,
    .in = {{"a", .scalar = true}, {"b", .scalar = true}},
    .layout = RL_RUNS,
    .samples = "{ B{2, 3}, B{3} } { T{2, 3}, T{2, 3} } { B{0}, B{1} }",
    .no_gradient = RL_COMPARE_NO_GRADIENT,
    .shape = rl_compare_shape,
    .forward = forward,
};
