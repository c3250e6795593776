/* pool.h: what the four pooling rows share. x is N x C x H x W, channels last in memory; the work is cut into
** rows of the output, going back into rows of the input, so that no two blocks write the same element. */
#ifndef RL_OPS_POOL_H
#define RL_OPS_POOL_H

#include "ops/op.h"

/* kernel_size, stride (the kernel's if absent), padding, ceil_mode: the first four parameters of windowed rows. */
enum { RL_POOL_KERNEL, RL_POOL_STRIDE, RL_POOL_PADDING, RL_POOL_CEIL, RL_POOL_COUNT_PAD };
#define RL_POOL_PARAMS                                                                                       \
  {.name = "kernel_size", .kind = RL_INTEGERS, .len = 2, .required = true, .lo = 1, .hi = 1e9},              \
      {.name = "stride",                                                                                     \
       .kind = RL_INTEGERS,                                                                                  \
       .len = 2,                                                                                             \
       .optional = true,                                                                                     \
       .lo = 1,                                                                                              \
       .hi = 1e9,                                                                                            \
       .doc = "default: kernel_size"},                                                                       \
      {.name = "padding",                                                                                    \
       .kind = RL_INTEGERS,                                                                                  \
       .len = 2,                                                                                             \
       .lo = 0,                                                                                              \
       .hi = 1e9,                                                                                            \
       .doc = "at most half the kernel"},                                                                    \
  {                                                                                                          \
    .name = "ceil_mode", .kind = RL_BOOLEAN,                                                                 \
    .doc = "a last window that starts inside but ends outside counts"                                        \
  }

rl_status rl_pool_shape(rl_call *c);       /* of windowed rows */
rl_status rl_adaptive_shape(rl_call *c);   /* output_size is the first parameter */
rl_status rl_pool_max_forward(rl_call *c); /* keep[0]: the winners' places, for backward */
rl_status rl_pool_max_backward(rl_call *c);
rl_status rl_pool_mean_forward(rl_call *c);
rl_status rl_pool_mean_backward(rl_call *c);

#endif
