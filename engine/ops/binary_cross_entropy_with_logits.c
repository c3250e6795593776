/* binary_cross_entropy_with_logits: cross-entropy of two classes from logits.  [any shape], [same] -> [] or [same] */
#include "ops/loss.h"

static rl_status forward(rl_call *c) { return rl_loss_forward(c, RL_LOSS_BCE); }
static rl_status backward(rl_call *c) { return rl_loss_backward(c, RL_LOSS_BCE); }

static const rl_param params[] = {RL_REDUCTION, {0}};

const rl_op rl_op_binary_cross_entropy_with_logits = {
    .name = "binary_cross_entropy_with_logits",
    .doc = "mean of max(x, 0) - x t + ln(1 + e^-|x|) over logits x, targets t in [0, 1]",
    .dtypes = RL_FLOATS,
    .in = {{"input"}, {"target", .fixed = true}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1),
    .samples = "{ T{2, 3}, T{2, 3, lo = 0.1, hi = 0.9} } { T{4}, T{4, lo = 0.1, hi = 0.9}, { reduction = "
               "\"none\" } }",
    .shape = rl_loss_shape,
    .forward = forward,
    .backward = backward,
};
