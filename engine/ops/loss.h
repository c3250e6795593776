/* loss.h: losses that are a sum over elements: value(x, t), reduced. The last parameter of such a row is
** RL_REDUCTION; x and t have one shape. */
#ifndef RL_OPS_LOSS_H
#define RL_OPS_LOSS_H

#include "ops/op.h"

typedef enum rl_loss_kind { RL_LOSS_MSE, RL_LOSS_L1, RL_LOSS_BCE, RL_LOSS_KL } rl_loss_kind;
enum { RL_REDUCE_MEAN, RL_REDUCE_SUM, RL_REDUCE_NONE, RL_REDUCE_BATCHMEAN };

#define RL_REDUCTION                                                                                         \
  {                                                                                                          \
    .name = "reduction", .kind = RL_ENUM, .words = "mean sum none batchmean",                                \
    .doc = "batchmean divides by N"                                                                          \
  }

rl_status rl_loss_shape(rl_call *c);
rl_status rl_loss_forward(rl_call *c, rl_loss_kind kind);
rl_status rl_loss_backward(rl_call *c, rl_loss_kind kind); /* to x; to t by symmetry for MSE and L1 */
/* element i of a row-major float tensor */
static inline double rl_loss_value(const rl_tensor *t, int64_t i) {
  return rl_load(rl_data(t), t->dtype, (size_t)i);
}
double rl_loss_number(const rl_tensor *t); /* a float tensor's only element */

#endif
