/* reach.h: going back through windows: which outputs look at an input, along one dim. So each input collects its
** gradient in one go: it is written once, and no two blocks write one element. */
#ifndef RL_OPS_REACH_H
#define RL_OPS_REACH_H

#include "base/status.h"
#include "kernels/nn.h"

/* What output o looks at: inputs [from, to), both rising with o, each with a weight. */
typedef struct rl_look {
  int64_t from, to;
  double first, others; /* weights of input `from` and of those after it */
} rl_look;

typedef struct rl_reaches {
  rl_reach *of; /* one for each input */
  size_t bytes;
} rl_reaches;

rl_status rl_reach_make(rl_reaches *r, int64_t inputs, int64_t outputs,
                        rl_look (*look)(const void *ctx, int64_t o), const void *ctx);
void rl_reach_drop(rl_reaches *r);

#endif
