/* transpose: two dims change places; a view.  [.., a, .., b, ..] -> [.., b, .., a, ..] */
#include "ops/order.h"

static void order_of(const rl_call *c, int *order) {
  rl_order_swap(order, c->in[0]->shape.rank, (int)c->arg[0].i, (int)c->arg[1].i);
}

static rl_status shape(rl_call *c) {
  int order[RL_MAXRANK];
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

static const rl_param params[] = {{.name = "dim0", .kind = RL_DIM, .required = true},
                                  {.name = "dim1", .kind = RL_DIM, .required = true},
                                  {0}};

const rl_op rl_op_transpose = {
    .name = "transpose",
    .doc = "dims dim0 and dim1 change places; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3, 4}, 1, -1 } { T{2, 3}, 2, 1 } { T{0, 2}, 1, 2 }",
    .shape = shape,
    .forward = forward,
    .view_back = view_back,
};
