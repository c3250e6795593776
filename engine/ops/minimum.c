/* minimum: the smaller of a and b, broadcast; NaN if either is.  [a], [b] -> [broadcast of both] */
#include "ops/op.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, minimum, rl_data(c->out[0]), rl_data(c->in[0]), rl_data(c->in[1]),
             (size_t)rl_count(c->out[0]));
  return RL_OK;
}

/* The gradient goes to the smaller one; equal ones get half each. */
static rl_status backward(rl_call *c) {
  size_t n = (size_t)rl_count(c->dout[0]);
  void *a = rl_data(c->in[0]), *b = rl_data(c->in[1]), *dy = rl_data(c->dout[0]);
  if (c->din[0] != NULL) RL_BY_TYPE(c, larger_grad, rl_data(c->din[0]), dy, b, a, c->beta[0], n);
  if (c->din[1] != NULL) RL_BY_TYPE(c, larger_grad, rl_data(c->din[1]), dy, a, b, c->beta[1], n);
  return RL_OK;
}

const rl_op rl_op_minimum = {
    .name = "minimum",
    .doc =
        "the smaller of a and b, element by element, broadcast; NaN if either is; numbers will do for either",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .promote = true,
    .is_method = true,
    .in = {{"a", .scalar = true}, {"b", .scalar = true}},
    .layout = RL_RUNS,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1),
    .samples = "{ T{2, 3}, T{2, 3} } { T{2, 3}, T{3} } { T{0}, T{1} } { T{4, 1}, T{1, 3} } { T{3}, 0.1 }",
    .shape = rl_shape_pair,
    .forward = forward,
    .backward = backward,
};
