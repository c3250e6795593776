/* viewing.h: what the rows of class RL_VIEW share. */
#ifndef RL_OPS_VIEWING_H
#define RL_OPS_VIEWING_H

#include "ops/op.h"

/* Strides under which the elements of t, in row-major order, read as `shape` (of equal count); false if none
** exist. */
bool rl_view_strides(const rl_tensor *t, const rl_shape *shape, int64_t *stride);

/* forward of reshape and its kin: out[0] gets meta[0]'s shape, by strides where they exist, else as a copy. */
rl_status rl_view_as(rl_call *c);
/* view_back of the same: dout read in the input's shape. */
rl_status rl_view_restate(const rl_call *c, rl_tensor *din);

/* meta[0] of in[0]'s dtype with this shape. */
rl_status rl_view_meta(rl_call *c, const rl_shape *shape);
/* meta[0] from a list of sizes, one of which may be -1: whatever is left. */
rl_status rl_view_meta_from_list(rl_call *c, int n, const int64_t *size);

/* Parameter `arg` as a place along a dim of `limit` elements: negative counts from the end. */
rl_status rl_view_place(const rl_call *c, int arg, int64_t limit, int64_t *place);

/* t without dim d, standing at `place` of it; and t with `n` places of dim d from `place` on. No counts move. */
rl_tensor rl_view_selected(const rl_tensor *t, int d, int64_t place);
rl_tensor rl_view_narrowed(const rl_tensor *t, int d, int64_t place, int64_t n);
/* Backward of these: din = dout in the part, zero elsewhere. */
rl_status rl_view_scatter(rl_tensor *din, rl_tensor *part, const rl_tensor *dout, int beta);

#endif
