/* zero_: every element of x becomes 0.  [any shape] -> x */
#include "ops/inplace.h"

static rl_status forward(rl_call *c) { return rl_fill(c->in[0], 0); }

const rl_op rl_op_zero_ = {
    .name = "zero_",
    .doc = "every element of x becomes 0; in place",
    .class = RL_INPLACE,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .samples = "{ T{2, 3} } { T{0} } { T{} }",
    .no_gradient = RL_INPLACE_NO_GRADIENT,
    .forward = forward,
};
