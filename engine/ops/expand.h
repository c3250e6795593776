/* expand.h: dims of size 1 stretched without copying: expand, expand_as. */
#ifndef RL_OPS_EXPAND_H
#define RL_OPS_EXPAND_H

#include "ops/op.h"

/* meta[0]: in[0] stretched to `to`, in which -1 keeps a size. */
rl_status rl_expand_shape(rl_call *c, const rl_shape *to);
rl_status rl_expand_forward(rl_call *c);
rl_status rl_expand_backward(rl_call *c); /* the sum over what was stretched */

#endif
