/* sum: over all elements, or over some dims; in double.  [any shape] -> [the other dims] */
#include "ops/reduce.h"

static rl_status forward(rl_call *c) { return rl_reduce_fold(c, &(rl_fold_how){.scale = 1}); }

static rl_status backward(rl_call *c) { return rl_reduce_spread(c, 1, NULL, NULL, NULL); }

static const rl_param params[] = {RL_REDUCE_PARAMS, {0}};

const rl_op rl_op_sum = {
    .name = "sum",
    .doc = "the sum over dim (one or several; all elements without it), in double; keepdim leaves size 1",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3} } { T{2, 3, 4}, { dim = { 1, -1 }, keepdim = true } } { T{2, 3, 4}, { dim = -2 } } "
               "{ T{0} } { T{} }",
    .shape = rl_reduce_shape,
    .forward = forward,
    .backward = backward,
};
