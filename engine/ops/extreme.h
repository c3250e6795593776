/* extreme.h: the largest or smallest element along one dim or over all, and its place: max, min, argmax,
** argmin. The first of equal ones counts; NaN counts as beyond all. */
#ifndef RL_OPS_EXTREME_H
#define RL_OPS_EXTREME_H

#include "ops/op.h"

#define RL_EXTREME_PARAMS                                                                                    \
  {.name = "dim", .kind = RL_DIM, .optional = true, .doc = "without it over all"}, {                         \
    .name = "keepdim", .kind = RL_BOOLEAN, .doc = "leave size 1"                                             \
  }

rl_status rl_extreme_shape(rl_call *c);    /* values, and indices if dim is given */
rl_status rl_extreme_at_shape(rl_call *c); /* indices only */
rl_status rl_extreme_forward(rl_call *c, bool least);
rl_status rl_extreme_at_forward(rl_call *c, bool least);
rl_status rl_extreme_backward(rl_call *c); /* to the place that was found */

#endif
