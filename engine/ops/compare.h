/* compare.h: rows whose output is bool. */
#ifndef RL_OPS_COMPARE_H
#define RL_OPS_COMPARE_H

#include "ops/op.h"

/* Broadcast of one or two inputs, bool. */
rl_status rl_compare_shape(rl_call *c);

#define RL_COMPARE_NO_GRADIENT "true or false: constant but for jumps"

#endif
