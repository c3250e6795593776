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

/* A place to add din 0 up in, laid out as asked: din itself if it lies so, else a new one; 0 where beta is 0.
** rl_along_open leaves that to the caller: fresh says that nothing has been written yet.
** rl_along_end brings it home if `so_far` is RL_OK, drops it in any case, and returns how it went. */
rl_status rl_along_begin(const rl_call *c, rl_layout layout, rl_tensor **to);
rl_status rl_along_open(const rl_call *c, rl_layout layout, rl_tensor **to, bool *fresh);
rl_status rl_along_end(const rl_call *c, rl_tensor **to, rl_status so_far);

#endif
