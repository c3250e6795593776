/* adaptive_avg_pool2d: the mean of each part, in double.  [N, C, H, W] -> [N, C, H', W']
** Part o of H' covers rows floor(o H / H') up to ceil((o + 1) H / H'), as in PyTorch. */
#include "ops/pool.h"

static const rl_param params[] = {{.name = "output_size",
                                   .kind = RL_INTEGERS,
                                   .len = 2,
                                   .required = true,
                                   .lo = 1,
                                   .hi = 1e9,
                                   .doc = "1: one number per channel"},
                                  {0}};

const rl_op rl_op_adaptive_avg_pool2d = {
    .name = "adaptive_avg_pool2d",
    .doc = "the mean of each of H' x W' parts that tile the image; N x C x H x W -> N x C x H' x W'",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_NHWC,
    .samples = "{ T{2, 3, 4, 5}, 1 } { T{1, 2, 5, 4}, { 3, 2 } } { T{1, 17, 2, 3}, { 4, 3 } }",
    .shape = rl_adaptive_shape,
    .forward = rl_pool_mean_forward,
    .backward = rl_pool_mean_backward,
};
