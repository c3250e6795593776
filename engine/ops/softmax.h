/* softmax.h: what softmax and log_softmax share: one dim, a row at a time. */
#ifndef RL_OPS_SOFTMAX_H
#define RL_OPS_SOFTMAX_H

#include "ops/op.h"

rl_status rl_softmax_forward(rl_call *c, bool logs); /* arg[0]: the dim */
rl_status rl_softmax_backward(rl_call *c, bool logs);

#endif
