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
