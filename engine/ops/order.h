/* order.h: rows that only change the order of dims: permute, transpose, t. order[d]: the input's dim that
** becomes dim d. */
#ifndef RL_OPS_ORDER_H
#define RL_OPS_ORDER_H

#include "ops/op.h"

rl_status rl_order_shape(rl_call *c, const int *order);
void rl_order_apply(rl_call *c, const int *order);
rl_status rl_order_back(const rl_call *c, rl_tensor *din, const int *order);
/* The order that swaps a and b of `rank` dims. */
void rl_order_swap(int *order, int rank, int a, int b);

#endif
