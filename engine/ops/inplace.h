/* inplace.h: what rows of class RL_INPLACE share. */
#ifndef RL_OPS_INPLACE_H
#define RL_OPS_INPLACE_H

#include "ops/op.h"

/* in[1] must broadcast to in[0] without stretching it. */
rl_status rl_inplace_shape(rl_call *c);
/* in[1], counted: itself, or a copy where it shares memory with in[0] in another order. */
rl_status rl_inplace_source(const rl_call *c, rl_tensor **source);

#define RL_INPLACE_NO_GRADIENT "changes x, and no tensor of a graph may be changed"

#endif
