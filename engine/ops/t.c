/* t: a matrix transposed; vectors and numbers stay as they are; a view.  [a, b] -> [b, a] */
#include "ops/order.h"

static void order_of(const rl_call *c, int *order) {
  int rank = c->in[0]->shape.rank;
  rl_order_swap(order, rank, 0, rank - 1);
}

static rl_status shape(rl_call *c) {
  int order[RL_MAXRANK];
  if (c->in[0]->shape.rank > 2)
    return rl_fail(RL_ESHAPE, "t: x is %s, a matrix has two dims; use x:transpose(dim0, dim1)",
                   rl_shape_text(&c->in[0]->shape));
  order_of(c, order);
  return rl_order_shape(c, order);
}

static rl_status forward(rl_call *c) {
  int order[RL_MAXRANK];
  order_of(c, order);
  rl_order_apply(c, order);
  return RL_OK;
}

static rl_status view_back(const rl_call *c, rl_tensor *din) {
  int order[RL_MAXRANK];
  order_of(c, order);
  return rl_order_back(c, din, order);
}

const rl_op rl_op_t = {
    .name = "t",
    .doc = "the transposed matrix; at most two dims; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .samples = "{ T{2, 3} } { T{3} } { T{} }",
    .shape = shape,
    .forward = forward,
    .view_back = view_back,
};
