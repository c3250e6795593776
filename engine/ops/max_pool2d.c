/* max_pool2d: the largest element of each window.  [N, C, H, W] -> [N, C, H', W'], H' = (H + 2 p - k) / s + 1
** Padding never wins; NaN does. The gradient goes to the first of equals. */
#include "ops/pool.h"

static const rl_param params[] = {RL_POOL_PARAMS, {0}};

const rl_op rl_op_max_pool2d = {
    .name = "max_pool2d",
    .doc = "the largest element of each window; N x C x H x W -> N x C x H' x W', "
           "H' = floor((H + 2 padding - kernel_size) / stride) + 1",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_NHWC,
    .samples = "{ T{2, 3, 4, 5}, 2 } { T{1, 2, 5, 5}, 3, { stride = 2, padding = 1 } } "
               "{ T{1, 17, 5, 4}, { 2, 3 }, { stride = { 2, 1 }, ceil_mode = true } }",
    .shape = rl_pool_shape,
    .forward = rl_pool_max_forward,
    .backward = rl_pool_max_backward,
};
