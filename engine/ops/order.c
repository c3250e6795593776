/* Rows that only change the order of dims. */
#include "ops/order.h"
#include "ops/viewing.h"

rl_status rl_order_shape(rl_call *c, const int *order) {
  rl_shape s = c->in[0]->shape;
  for (int d = 0; d < s.rank; d++) s.size[d] = c->in[0]->shape.size[order[d]];
  return rl_view_meta(c, &s);
}

void rl_order_apply(rl_call *c, const int *order) {
  for (int d = 0; d < c->out[0]->shape.rank; d++) c->out[0]->stride[d] = c->in[0]->stride[order[d]];
}

rl_status rl_order_back(const rl_call *c, rl_tensor *din, const int *order) {
  for (int d = 0; d < din->shape.rank; d++) din->stride[order[d]] = c->dout[0]->stride[d];
  return RL_OK;
}

void rl_order_swap(int *order, int rank, int a, int b) {
  for (int d = 0; d < rank; d++) order[d] = d == a ? b : d == b ? a : d;
}
