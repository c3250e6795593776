/* softmax: y = e^x / sum e^x along a dim. */
#include "ops/softmax.h"

static rl_status forward(rl_call *c) { return rl_softmax_forward(c, false); }
static rl_status backward(rl_call *c) { return rl_softmax_backward(c, false); }

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true}, {0}};

const rl_op rl_op_softmax = {
    .name = "softmax",
    .doc = "e^x / sum e^x along dim; any shape",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .saves = RL_SAVE_OUT(0),
    .samples = "{ T{2, 3}, -1 } { T{2, 3, 4}, { dim = 2 } } { T{0, 3}, -1 } { T{1}, 1 }",
    .shape = rl_shape_same,
    .forward = forward,
    .backward = backward,
};
