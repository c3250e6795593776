/* reduce.h: what reductions over dims share. Their first two parameters are dim (one, several, or all if absent)
** and keepdim. */
#ifndef RL_OPS_REDUCE_H
#define RL_OPS_REDUCE_H

#include "ops/op.h"
#include "tensor/fold.h"

#define RL_REDUCE_PARAMS                                                                                     \
  {.name = "dim", .kind = RL_DIMS, .optional = true, .doc = "one or several; without it all"}, {             \
    .name = "keepdim", .kind = RL_BOOLEAN, .doc = "leave size 1"                                             \
  }

rl_status rl_reduce_shape(rl_call *c); /* meta[0] of in[0]'s dtype */
/* How many elements go into one output. */
int64_t rl_reduce_count(const rl_call *c);
/* t, shaped as the output, with the reduced dims put back as size 1: what folds and stretches need. */
rl_tensor rl_reduce_ones(const rl_call *c, const rl_tensor *t);
/* out[0] by rl_fold. */
rl_status rl_reduce_fold(rl_call *c, const rl_fold_how *how);
/* keep[j]: f64, shaped as in[0] with size 1 where it is reduced; holds the means. */
rl_status rl_reduce_means(rl_call *c, int j);
/* din[0] = [din[0] +] scale dout (x - mean) / y. x NULL: without that factor; mean, y: NULL for 0, 1; where y is
** 0 the gradient is 0. */
rl_status rl_reduce_spread(rl_call *c, double scale, const rl_tensor *x, const rl_tensor *mean,
                           const rl_tensor *y);

#endif
