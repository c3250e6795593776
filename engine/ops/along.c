/* A tensor as outer x size x inner around one dim. */
#include "ops/along.h"

rl_layout rl_along_layout(const rl_tensor *t) {
  return t->shape.rank == 4 && !rl_is_rowmajor(t) && rl_is_strided_nhwc(t) ? RL_NHWC : RL_ROWMAJOR;
}

rl_along rl_along_of(const rl_shape *shape, rl_layout layout, int dim) {
  int64_t stride[RL_MAXRANK], count = rl_shape_count(shape);
  if (layout == RL_NHWC)
    rl_strides_nhwc(shape, stride);
  else
    rl_strides_rowmajor(shape, stride);
  rl_along a = {.size = shape->size[dim], .inner = stride[dim]};
  a.outer = count == 0 ? 0 : count / (a.size * a.inner);
  return a;
}

rl_status rl_along_open(const rl_call *c, rl_layout layout, rl_tensor **to, bool *fresh) {
  rl_tensor *dx = c->din[0];
  bool fits = rl_lies(dx, layout);
  *fresh = !fits || c->beta[0] == 0;
  if (!fits) return rl_tensor_make(to, dx->dtype, &dx->shape, layout);
  *to = dx;
  return RL_OK;
}

rl_status rl_along_begin(const rl_call *c, rl_layout layout, rl_tensor **to) {
  bool fresh;
  RL_TRY(rl_along_open(c, layout, to, &fresh));
  return fresh ? rl_fill(*to, 0) : RL_OK;
}

rl_status rl_along_end(const rl_call *c, rl_tensor **to, rl_status so_far) {
  if (*to == NULL || *to == c->din[0]) return so_far;
  if (so_far == RL_OK) so_far = rl_copy(c->din[0], *to, c->beta[0] != 0);
  rl_tensor_drop(to);
  return so_far;
}
