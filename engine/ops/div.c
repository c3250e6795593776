/* div: y = a / b, broadcast.  [a], [b] -> [broadcast of both] */
#include "ops/op.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, div, rl_data(c->out[0]), rl_data(c->in[0]), rl_data(c->in[1]), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

/* dL/da = dL/dy / b, dL/db = -dL/dy y / b */
static rl_status backward(rl_call *c) {
  size_t n = (size_t)rl_count(c->dout[0]);
  void *b = rl_data(c->in[1]), *dy = rl_data(c->dout[0]);
  if (c->din[0] != NULL) RL_BY_TYPE(c, divide_grad, rl_data(c->din[0]), dy, b, c->beta[0], n);
  if (c->din[1] != NULL)
    RL_BY_TYPE(c, divisor_grad, rl_data(c->din[1]), dy, rl_data(c->out[0]), b, c->beta[1], n);
  return RL_OK;
}

static unsigned saves_of(const rl_call *c) { return RL_SAVE_IN(1) | (c->need[1] ? RL_SAVE_OUT(0) : 0u); }

const rl_op rl_op_div = {
    .name = "div",
    .doc = "a / b, element by element, broadcast; numbers will do for either",
    .dtypes = RL_FLOATS,
    .promote = true,
    .is_method = true,
    .in = {{"a", .scalar = true}, {"b", .scalar = true}},
    .layout = RL_RUNS,
    .saves_of = saves_of,
    .samples =
        "{ T{2, 3}, T{2, 3} } { T{2, 3}, T{3} } { T{0}, T{1} } { T{4, 1}, T{1, 3} } { 2, T{3} } { T{3}, 2 }",
    .shape = rl_shape_pair,
    .forward = forward,
    .backward = backward,
};
