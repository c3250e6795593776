/* l1_loss: the absolute error, reduced.  [any shape], [same] -> [] or [same] */
#include "ops/loss.h"

static rl_status forward(rl_call *c) { return rl_loss_forward(c, RL_LOSS_L1); }
static rl_status backward(rl_call *c) { return rl_loss_backward(c, RL_LOSS_L1); }

static const rl_param params[] = {RL_REDUCTION, {0}};

const rl_op rl_op_l1_loss = {
    .name = "l1_loss",
    .doc = "mean of |input - target|, or sum, or each; any shape",
    .dtypes = RL_FLOATS,
    .in = {{"input"}, {"target"}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1),
    .samples = "{ T{2, 3}, T{2, 3} } { T{2, 3}, T{2, 3}, { reduction = \"sum\" } } { T{4}, T{4}, { reduction "
               "= \"none\" } }",
    .shape = rl_loss_shape,
    .forward = forward,
    .backward = backward,
};
