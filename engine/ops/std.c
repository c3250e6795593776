/* std: the standard deviation, the root of var.  [any shape] -> [the other dims] */
#include "ops/reduce.h"

static double share(const rl_call *c) { return 1 / ((double)rl_reduce_count(c) - (double)c->arg[2].i); }

static rl_status forward(rl_call *c) {
  RL_TRY(rl_reduce_means(c, 0));
  rl_tensor mean = *c->keep[0], out = rl_reduce_ones(c, c->out[0]);
  return rl_fold(
      &out, c->in[0],
      &(rl_fold_how){.kind = RL_FOLD_DEVIATIONS, .center = &mean, .scale = share(c), .root = true});
}

/* dL/dx = dL/dy (x - mean) / ((count - correction) y); 0 where y is 0 */
static rl_status backward(rl_call *c) {
  return rl_reduce_spread(c, share(c), c->in[0], c->keep[0], c->out[0]);
}

static const rl_param params[] = {
    RL_REDUCE_PARAMS, {.name = "correction", .kind = RL_INTEGER, .preset = 1}, {0}};

const rl_op rl_op_std = {
    .name = "std",
    .doc = "the standard deviation over dim (all elements without it): the root of var",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .saves = RL_SAVE_IN(0) | RL_SAVE_OUT(0),
    .samples = "{ T{2, 3} } { T{2, 3, 4}, { dim = { 1, -1 }, keepdim = true } } { T{2, 3, 4}, { dim = -2 } } "
               "{ T{4, 0}, 1 } { T{2, 5}, { correction = 0 } }",
    .shape = rl_reduce_shape,
    .forward = forward,
    .backward = backward,
};
