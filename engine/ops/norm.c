/* norm: the root of the sum of squares, in double.  [any shape] -> [the other dims] */
#include "ops/reduce.h"

static rl_status forward(rl_call *c) {
  return rl_reduce_fold(c, &(rl_fold_how){.kind = RL_FOLD_SQUARES, .scale = 1, .root = true});
}

/* dL/dx = dL/dy x / y; 0 where y is 0 */
static rl_status backward(rl_call *c) { return rl_reduce_spread(c, 1, c->in[0], NULL, c->out[0]); }

static const rl_param params[] = {RL_REDUCE_PARAMS, {0}};

const rl_op rl_op_norm = {
    .name = "norm",
    .doc = "the Euclidean norm over dim (all elements without it), in double",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .saves = RL_SAVE_IN(0) | RL_SAVE_OUT(0),
    .samples = "{ T{2, 3} } { T{2, 3, 4}, { dim = { 1, -1 }, keepdim = true } } { T{2, 3, 4}, { dim = -2 } } "
               "{ T{0} } { T{} }",
    .shape = rl_reduce_shape,
    .forward = forward,
    .backward = backward,
};
