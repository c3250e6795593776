/* fill_: every element of x becomes one value.  [any shape] -> x */
#include "ops/inplace.h"

static rl_status forward(rl_call *c) { return rl_fill(c->in[0], c->arg[0].num); }

static const rl_param params[] = {{.name = "value", .kind = RL_NUMBER, .required = true}, {0}};

const rl_op rl_op_fill_ = {
    .name = "fill_",
    .doc = "every element of x becomes `value`; in place",
    .class = RL_INPLACE,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3}, 2.5 } { T{0}, 1 } { T{}, 0 }",
    .no_gradient = RL_INPLACE_NO_GRADIENT,
    .forward = forward,
};
