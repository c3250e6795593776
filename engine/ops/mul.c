/* mul: y = a b, element by element, broadcast.  [a], [b] -> [broadcast of both] */
#include "ops/op.h"

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, mul, rl_data(c->out[0]), rl_data(c->in[0]), rl_data(c->in[1]), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  size_t n = (size_t)rl_count(c->dout[0]);
  for (int i = 0; i < 2; i++)
    if (c->din[i] != NULL)
      RL_BY_TYPE(c, muladd, rl_data(c->din[i]), rl_data(c->dout[0]), rl_data(c->in[1 - i]), c->beta[i], n);
  return RL_OK;
}

static unsigned saves_of(const rl_call *c) {
  return (c->need[0] ? RL_SAVE_IN(1) : 0u) | (c->need[1] ? RL_SAVE_IN(0) : 0u);
}

const rl_op rl_op_mul = {
    .name = "mul",
    .doc = "a b, element by element, broadcast; numbers will do for either",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .promote = true,
    .is_method = true,
    .in = {{"a", .scalar = true}, {"b", .scalar = true}},
    .layout = RL_RUNS,
    .saves_of = saves_of,
    .samples = "{ T{2, 3}, T{2, 3} } { T{2, 3}, T{3} } { T{0}, T{1} } { T{4, 1}, T{1, 3} } { T{3}, 2 }",
    .shape = rl_shape_pair,
    .forward = forward,
    .backward = backward,
};
