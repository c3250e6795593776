/* along.h: a tensor as outer x size x inner around one dim, in the order its memory has. Rows that join, pick
** or reduce along a dim keep channels-last tensors channels last. */
#ifndef RL_OPS_ALONG_H
#define RL_OPS_ALONG_H

#include "ops/op.h"

typedef struct rl_along {
  int64_t outer, size, inner; /* element (o, k, i) stands at (o * size + k) * inner + i */
} rl_along;

/* RL_NHWC if t is channels last and not row-major too, else RL_ROWMAJOR: what rl_arrange should be asked for. */
rl_layout rl_along_layout(const rl_tensor *t);
rl_along rl_along_of(const rl_shape *shape, rl_layout layout, int dim);

#endif
