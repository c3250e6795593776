/* any: whether some element is not 0, over all or over some dims.  [any shape] -> [the other dims], bool */
#include "ops/reduce.h"

static rl_status shape(rl_call *c) {
  RL_TRY(rl_reduce_shape(c));
  c->meta[0].dtype = RL_BOOL;
  return RL_OK;
}

static rl_status forward(rl_call *c) { /* counts of what is not 0, then the test */
  RL_TRY(rl_keep(c, 0, RL_F64, &c->out[0]->shape));
  rl_tensor count = rl_reduce_ones(c, c->keep[0]);
  RL_TRY(rl_fold(&count, c->in[0], &(rl_fold_how){.kind = RL_FOLD_NONZERO, .scale = 1}));
  uint8_t *y = rl_data(c->out[0]);
  for (int64_t i = 0; i < rl_count(c->out[0]); i++) {
    double v = ((double *)rl_data(c->keep[0]))[i];
    y[i] = v > 0;
  }
  return RL_OK;
}

static const rl_param params[] = {RL_REDUCE_PARAMS, {0}};

const rl_op rl_op_any = {
    .name = "any",
    .doc = "whether some element over dim is true or not 0; false over none",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .samples = "{ B{2, 3} } { B{2, 3}, 1 } { T{2, 3, 4}, { dim = { 1, -1 }, keepdim = true } } { B{0} }",
    .no_gradient = "true or false: constant but for jumps",
    .shape = shape,
    .forward = forward,
};
