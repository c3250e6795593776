/* permute: the dims in another order; a view.  [s1, .., sn], dims -> [s(dims[1]), .., s(dims[n])] */
#include "ops/order.h"

static void order_of(const rl_call *c, int *order) {
  for (int d = 0; d < c->in[0]->shape.rank; d++) order[d] = (int)c->arg[0].list[d];
}

static rl_status shape(rl_call *c) {
  int order[RL_MAXRANK];
  if (c->arg[0].n != c->in[0]->shape.rank)
    return rl_fail(RL_EARG, "permute: %d dims are listed, %s has %d; name each once", c->arg[0].n,
                   rl_shape_text(&c->in[0]->shape), c->in[0]->shape.rank);
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

static const rl_param params[] = {{.name = "dims", .kind = RL_DIMS, .required = true}, {0}};

const rl_op rl_op_permute = {
    .name = "permute",
    .doc = "the dims in the order of `dims`; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3, 4}, { 3, 1, 2 } } { T{2, 3}, { -1, 1 } } { T{3}, { 1 } }",
    .shape = shape,
    .forward = forward,
    .view_back = view_back,
};
