/* max: the largest element over all, or along a dim with its place.
** [any shape] -> [] ; [.., size, ..], dim -> values [.., ..], indices [.., ..] i64 from 1 */
#include "ops/extreme.h"

static rl_status forward(rl_call *c) { return rl_extreme_forward(c, false); }

static const rl_param params[] = {RL_EXTREME_PARAMS, {0}};

const rl_op rl_op_max = {
    .name = "max",
    .doc = "the largest element over all, or along dim: values and indices (from 1); the first of equal "
           "ones; NaN wins",
    .several = true,
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .samples =
        "{ T{2, 3} } { T{2, 3, 4}, -2 } { T{2, 3}, { dim = 1, keepdim = true } } { T{0, 2}, 2 } { T{} } "
        "{ T{2, 3, 2, 4}, 2 } { T{2, 3, 2, 4}, 3 } { T{2, 3, 2, 4}, { dim = 4, keepdim = true } } "
        "{ T{2, 3, 2, 4}, { dim = 2, keepdim = true } }",
    .shape = rl_extreme_shape,
    .forward = forward,
    .backward = rl_extreme_backward,
};
