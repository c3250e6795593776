/* avg_pool2d: the mean of each window, in double.  [N, C, H, W] -> [N, C, H', W'], H' = (H + 2 p - k) / s + 1 */
#include "ops/pool.h"

static const rl_param params[] = {RL_POOL_PARAMS,
                                  {.name = "count_include_pad",
                                   .kind = RL_BOOLEAN,
                                   .preset = 1,
                                   .doc = "zeros of the padding count as elements"},
                                  {0}};

const rl_op rl_op_avg_pool2d = {
    .name = "avg_pool2d",
    .doc = "the mean of each window; N x C x H x W -> N x C x H' x W', "
           "H' = floor((H + 2 padding - kernel_size) / stride) + 1",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_NHWC,
    .samples = "{ T{2, 3, 4, 5}, 2 } { T{1, 2, 5, 5}, 3, { stride = 2, padding = 1 } } "
               "{ T{1, 17, 5, 4}, { 2, 3 }, { padding = 1, ceil_mode = true, count_include_pad = false } }",
    .shape = rl_pool_shape,
    .forward = rl_pool_mean_forward,
    .backward = rl_pool_mean_backward,
};
