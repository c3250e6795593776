/* pointwise.h: runs an RL_RUNS row over strided and broadcast operands, both ways. */
#ifndef RL_OPS_POINTWISE_H
#define RL_OPS_POINTWISE_H

#include "ops/op.h"

#define RL_RUNS_MAX 3 /* inputs of a pointwise row */

rl_status rl_runs_forward(rl_call *c);
/* din[] of one cotangent; inputs that were stretched get the sum over the stretch. */
rl_status rl_runs_backward(rl_call *c);

#endif
