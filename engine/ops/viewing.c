/* What the rows of class RL_VIEW share. */
#include "ops/viewing.h"

#include <string.h>

bool rl_view_strides(const rl_tensor *t, const rl_shape *shape, int64_t *stride) {
  int64_t size[RL_MAXRANK], step[RL_MAXRANK];
  int rank = 0, v = shape->rank - 1;
  rl_strides_rowmajor(shape, stride);
  if (rl_count(t) == 0) return true;
  for (int d = 0; d < t->shape.rank; d++)
    if (t->shape.size[d] != 1) size[rank] = t->shape.size[d], step[rank++] = t->stride[d];
  for (int last = rank - 1;
       last >= 0;) { /* dims first..last lie without gap: sizes must be cut from within */
    int first = last;
    int64_t have = size[last], cut = 1;
    while (first > 0 && step[first - 1] == step[first] * size[first]) have *= size[--first];
    for (; v >= 0 && (cut < have || shape->size[v] == 1); v--) {
      stride[v] = cut * step[last];
      cut *= shape->size[v];
    }
    if (cut != have) return false;
    last = first - 1;
  }
  return true;
}

rl_status rl_view_as(rl_call *c) {
  rl_tensor *made = NULL, *in = c->in[0];
  if (rl_view_strides(in, &c->meta[0].shape, c->out[0]->stride)) return RL_OK;
  RL_TRY(rl_arrange(&made, in, in->dtype, RL_ROWMAJOR));
  made->shape = c->meta[0].shape; /* a fresh copy: row-major input would have had strides */
  rl_strides_rowmajor(&made->shape, made->stride);
  rl_tensor_drop(&c->out[0]);
  c->out[0] = made;
  return RL_OK;
}

rl_status rl_view_restate(const rl_call *c, rl_tensor *din) {
  rl_tensor *made = NULL;
  if (rl_view_strides(c->dout[0], &din->shape, din->stride)) return RL_OK;
  RL_TRY(rl_arrange(&made, c->dout[0], din->dtype, RL_ROWMAJOR));
  rl_storage_drop(din->storage);
  din->storage = rl_storage_retain(made->storage);
  din->offset = made->offset;
  rl_strides_rowmajor(&din->shape, din->stride);
  rl_tensor_drop(&made);
  return RL_OK;
}

rl_status rl_view_meta(rl_call *c, const rl_shape *shape) {
  c->meta[0] = (rl_meta){.dtype = c->in[0]->dtype, .shape = *shape};
  return RL_OK;
}

rl_status rl_view_meta_from_list(rl_call *c, int n, const int64_t *size) {
  const rl_shape *from = &c->in[0]->shape;
  rl_shape to = rl_shape_make(n, size);
  int64_t count = rl_shape_count(from), known = 1;
  int open = -1;
  for (int d = 0; d < n; d++) {
    if (size[d] < -1 || (size[d] == -1 && open >= 0))
      return rl_fail(RL_ESHAPE, "%s: size %lld at dim %d; one size may be -1, none else negative",
                     c->op->name, (long long)size[d], d + 1);
    if (size[d] == -1)
      open = d;
    else if (__builtin_mul_overflow(known, size[d], &known))
      known = 0;
  }
  if (open >= 0) to.size[open] = known > 0 ? count / known : 0;
  if (known < 0 || (open >= 0 && known == 0) || known * (open >= 0 ? to.size[open] : 1) != count)
    return rl_fail(RL_ESHAPE, "%s: %s has %lld elements, which do not fill %s", c->op->name,
                   rl_shape_text(from), (long long)count, rl_shape_text(&to));
  return rl_view_meta(c, &to);
}

rl_status rl_view_place(const rl_call *c, int arg, int64_t limit, int64_t *place) {
  int64_t i = c->arg[arg].i;
  *place = i < 0 ? i + limit : i;
  if (*place >= 0 && *place < limit) return RL_OK;
  return rl_fail(RL_EARG, "%s: %s %lld is outside 1 to %lld of %s; negative counts from the end", c->op->name,
                 c->op->params[arg].name, (long long)(i < 0 ? i : i + 1), (long long)limit,
                 rl_shape_text(&c->in[0]->shape));
}

rl_tensor rl_view_selected(const rl_tensor *t, int d, int64_t place) {
  rl_tensor s = *t;
  s.offset += place * t->stride[d];
  s.shape.rank--;
  for (int i = d; i < s.shape.rank; i++)
    s.shape.size[i] = t->shape.size[i + 1], s.stride[i] = t->stride[i + 1];
  return s;
}

rl_tensor rl_view_narrowed(const rl_tensor *t, int d, int64_t place, int64_t n) {
  rl_tensor s = *t;
  s.offset += place * t->stride[d];
  s.shape.size[d] = n;
  return s;
}

rl_status rl_view_scatter(rl_tensor *din, rl_tensor *part, const rl_tensor *dout, int beta) {
  if (beta == 0) RL_TRY(rl_fill(din, 0));
  return rl_copy(part, dout, beta != 0);
}
