/* argmin: the place of the smallest element along a dim, or in row-major order over all.
** [.., size, ..] -> [.., ..] i64 from 1 */
#include "ops/extreme.h"

static rl_status forward(rl_call *c) { return rl_extreme_at_forward(c, true); }

static const rl_param params[] = {RL_EXTREME_PARAMS, {0}};

const rl_op rl_op_argmin = {
    .name = "argmin",
    .doc = "the place (from 1) of the smallest element along dim, or over all; the first of equal ones; NaN "
           "wins",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3} } { T{2, 3, 4}, -2 } { T{2, 3}, { dim = 1, keepdim = true } } { T{} } "
               "{ T{2, 3, 2, 4}, 2 } { T{2, 3, 2, 4}, 3 } { T{2, 3, 2, 4}, { dim = 4, keepdim = true } }",
    .no_gradient = "positions are whole numbers",
    .shape = rl_extreme_at_shape,
    .forward = forward,
};
