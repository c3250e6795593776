/* batch_norm: y = (x - mean) / sqrt(var + eps) weight + bias, by channel (dim 2 of Lua's count).
** [N, C], [N, C, L] or [N, C, H, W] -> [same]. Source: Ioffe and Szegedy, ICML 2015; running statistics as in
** PyTorch. The work is norm_act's. */
#include "ops/normalise.h"

enum { X, RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS };
enum { TRAINING, MOMENTUM, EPS };

static const rl_norm_row parts = {-1, RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS, -1,
                                  -1, TRAINING,     MOMENTUM,    EPS,    -1,   -1};

static rl_status shape(rl_call *c) { return rl_norm_shape(c, &parts); }
static rl_status forward(rl_call *c) { return rl_norm_forward(c, &parts); }
static rl_status backward(rl_call *c) { return rl_norm_backward(c, &parts); }
static unsigned saves_of(const rl_call *c) { return rl_norm_saves(c, &parts); }

static const rl_param params[] = {
    {.name = "training", .kind = RL_BOOLEAN, .doc = "use the batch's statistics and move the running ones"},
    {.name = "momentum", .kind = RL_NUMBER, .preset = 0.1, .lo = 0, .hi = 1, .doc = "the batch's share"},
    {.name = "eps", .kind = RL_NUMBER, .preset = 1e-5, .lo = 0, .hi = 1e6},
    {0}};

const rl_op rl_op_batch_norm = {
    .name = "batch_norm",
    .doc = "(x - mean) / sqrt(var + eps) weight + bias by channel; x N x C, N x C x L or N x C x H x W; mean "
           "and var are the batch's in training, else the running ones",
    .dtypes = RL_FLOATS,
    .batched = true,
    .in = {{"x"},
           {"running_mean", .optional = true, .fixed = true, .in_place = true},
           {"running_var", .optional = true, .fixed = true, .in_place = true},
           {"weight", .optional = true},
           {"bias", .optional = true}},
    .params = params,
    .layout = RL_NHWC,
    .saves_of = saves_of,
    .samples = "{ T{3, 2, 2, 3}, T{2}, T{2, lo = 0.5, hi = 1.5}, T{2}, T{2} } { T{4, 3}, { training = true, "
               "eps = 0.1 } } "
               "{ T{2, 2, 3}, { training = true } } { T{2, 17, 2, 2}, { training = true } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
