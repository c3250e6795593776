/* add: y = a + alpha b, broadcast.  [a], [b] -> [broadcast of both] */
#include "ops/op.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, add, rl_data(c->out[0]), rl_data(c->in[0]), rl_data(c->in[1]), c->arg[0].num,
             (size_t)rl_count(c->out[0]));
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  size_t n = (size_t)rl_count(c->dout[0]);
  if (c->din[0] != NULL) RL_BY_TYPE(c, axpy, rl_data(c->din[0]), rl_data(c->dout[0]), 1, c->beta[0], n);
  if (c->din[1] != NULL)
    RL_BY_TYPE(c, axpy, rl_data(c->din[1]), rl_data(c->dout[0]), c->arg[0].num, c->beta[1], n);
  return RL_OK;
}

static bool passes(const rl_call *c, int i) {
  const rl_tensor *in = c->in[i], *y = c->out[0];
  return (i == 0 || c->arg[0].num == 1) && in->dtype == y->dtype && rl_shape_equal(&in->shape, &y->shape);
}

static const rl_param params[] = {{.name = "alpha", .kind = RL_NUMBER, .preset = 1}, {0}};

const rl_op rl_op_add = {
    .name = "add",
    .doc = "a + alpha b, broadcast; numbers will do for either",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .promote = true,
    .is_method = true,
    .in = {{"a", .scalar = true}, {"b", .scalar = true}},
    .params = params,
    .layout = RL_RUNS,
    .samples = "{ T{2, 3}, T{2, 3} } { T{2, 3}, T{3}, { alpha = -2 } } { T{0}, T{1} } { T{4, 1}, T{1, 3} } { "
               "T{}, 2 }",
    .shape = rl_shape_pair,
    .forward = forward,
    .backward = backward,
    .passes = passes,
};
