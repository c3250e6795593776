/* gt: a > b, element by element.  [a], [b] -> [broadcast of both], bool */
#include "ops/compare.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, lt, rl_data(c->out[0]), rl_data(c->in[1]), rl_data(c->in[0]), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

const rl_op rl_op_gt = {
    .name = "gt",
    .doc = "true where a > b, broadcast",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .promote = true,
    .is_method = true,
    .in = {{"a", .scalar = true}, {"b", .scalar = true}},
    .layout = RL_RUNS,
    .samples = "{ T{2, 3}, T{2, 3} } { T{2, 3}, T{3} } { T{0}, T{1} } { T{4, 1}, T{1, 3} } { T{3}, 0.1 }",
    .no_gradient = RL_COMPARE_NO_GRADIENT,
    .shape = rl_compare_shape,
    .forward = forward,
};
