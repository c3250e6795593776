/* where: a where cond is true, else b, broadcast.  [cond], [a], [b] -> [broadcast of all] */
#include "ops/op.h"

static rl_status shape(rl_call *c) {
  rl_shape both;
  rl_meta *m = &c->meta[0];
  RL_TRY(rl_shape_broadcast("where", &c->in[1]->shape, &c->in[2]->shape, &both));
  RL_TRY(rl_shape_broadcast("where", &c->in[0]->shape, &both, &m->shape));
  m->dtype = c->in[1]->dtype;
  m->like = rl_shape_equal(&c->in[1]->shape, &m->shape) ? c->in[1] : c->in[0];
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, where, rl_data(c->out[0]), rl_data(c->in[0]), rl_data(c->in[1]), rl_data(c->in[2]),
             (size_t)rl_count(c->out[0]));
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  size_t n = (size_t)rl_count(c->dout[0]);
  for (int i = 1; i <= 2; i++)
    if (c->din[i] != NULL)
      RL_BY_TYPE(c, where_grad, rl_data(c->din[i]), rl_data(c->dout[0]), rl_data(c->in[0]), i == 1,
                 c->beta[i], n);
  return RL_OK;
}

const rl_op rl_op_where = {
    .name = "where",
    .doc = "a where `cond` (bool) is true, else b, broadcast; numbers will do for a and b",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .promote = true,
    .is_method = true,
    .in = {{"cond", .fixed = true, .dtypes = RL_DT(RL_BOOL) | RL_DT(RL_U8)},
           {"a", .scalar = true},
           {"b", .scalar = true}},
    .layout = RL_RUNS,
    .saves = RL_SAVE_IN(0),
    .samples =
        "{ B{2, 3}, T{2, 3}, T{2, 3} } { B{2, 3}, T{3}, T{2, 1} } { B{3}, T{2, 3}, 0 } { B{0}, T{0}, 1 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
