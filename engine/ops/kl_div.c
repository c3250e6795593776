/* kl_div: Kullback-Leibler divergence from log-probabilities.  [any shape], [same] -> [] or [same] */
#include "ops/loss.h"

static rl_status forward(rl_call *c) { return rl_loss_forward(c, RL_LOSS_KL); }
static rl_status backward(rl_call *c) { return rl_loss_backward(c, RL_LOSS_KL); }

static const rl_param params[] = {RL_REDUCTION, {0}};

const rl_op rl_op_kl_div = {
    .name = "kl_div",
    .doc = "target (ln target - input), input in logarithms, 0 ln 0 = 0; reduction \"batchmean\" is the "
           "divergence per sample",
    .dtypes = RL_FLOATS,
    .in = {{"input"}, {"target", .fixed = true}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1),
    .samples = "{ T{2, 3}, T{2, 3, lo = 0.1, hi = 0.9}, { reduction = \"batchmean\" } } { T{2, 3}, T{2, 3, "
               "lo = 0.1, hi = 0.9} } "
               "{ T{4}, T{4, lo = 0.1, hi = 0.9}, { reduction = \"none\" } }",
    .shape = rl_loss_shape,
    .forward = forward,
    .backward = backward,
};
