/* mean: over all elements, or over some dims; in double.  [any shape] -> [the other dims] */
#include "ops/reduce.h"

static double share(const rl_call *c) { return 1 / (double)rl_reduce_count(c); }

static rl_status forward(rl_call *c) { return rl_reduce_fold(c, &(rl_fold_how){.scale = share(c)}); }

static rl_status backward(rl_call *c) { return rl_reduce_spread(c, share(c), NULL, NULL, NULL); }

static const rl_param params[] = {RL_REDUCE_PARAMS, {0}};

const rl_op rl_op_mean = {
    .name = "mean",
    .doc = "the mean over dim (one or several; all elements without it), in double; NaN over none",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3} } { T{2, 3, 4}, { dim = { 1, -1 }, keepdim = true } } { T{2, 3, 4}, { dim = -2 } } "
               "{ T{2, 0}, 1 } { T{} }",
    .shape = rl_reduce_shape,
    .forward = forward,
    .backward = backward,
};
