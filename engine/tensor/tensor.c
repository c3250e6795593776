/* A shape and strides over a storage. */
#include "tensor/tensor.h"
#include "autograd/node.h"
#include "base/mem.h"
#include "base/status.h"

#include <string.h>

void rl_strides_rowmajor(const rl_shape *shape, int64_t *stride) {
  int64_t step = 1;
  for (int d = shape->rank - 1; d >= 0; d--) {
    stride[d] = step;
    step *= shape->size[d] > 0 ? shape->size[d] : 1;
  }
}

void rl_strides_nhwc(const rl_shape *shape, int64_t *stride) {
  const int64_t *s = shape->size;
  int64_t c = s[1] > 0 ? s[1] : 1, h = s[2] > 0 ? s[2] : 1, w = s[3] > 0 ? s[3] : 1;
  stride[1] = 1, stride[3] = c, stride[2] = c * w, stride[0] = c * w * h;
}

static rl_status alloc_struct(rl_tensor **out) {
  void *block = NULL;
  RL_TRY(rl_mem_alloc(&block, sizeof(rl_tensor)));
  *out = block;
  **out = (rl_tensor){.count = 1};
  return RL_OK;
}

static rl_status with_storage(rl_tensor **out, rl_dtype dtype, const rl_shape *shape) {
  rl_tensor *t = NULL;
  RL_TRY(rl_shape_check("tensor", shape));
  RL_TRY(alloc_struct(&t));
  t->dtype = dtype;
  t->shape = *shape;
  rl_status s = rl_storage_alloc(&t->storage, (size_t)rl_shape_count(shape) * rl_dtype_size(dtype));
  if (s != RL_OK) rl_tensor_drop(&t);
  *out = t;
  return s;
}

rl_status rl_tensor_make(rl_tensor **out, rl_dtype dtype, const rl_shape *shape, rl_layout layout) {
  RL_TRY(with_storage(out, dtype, shape));
  if ((layout == RL_NHWC || layout == RL_STRIDED) && shape->rank == 4)
    rl_strides_nhwc(shape, (*out)->stride);
  else
    rl_strides_rowmajor(shape, (*out)->stride);
  return RL_OK;
}

rl_status rl_tensor_make_like(rl_tensor **out, rl_dtype dtype, const rl_shape *shape, const rl_tensor *like) {
  RL_TRY(with_storage(out, dtype, shape));
  if (like != NULL && rl_shape_equal(shape, &like->shape) && rl_is_dense(like))
    memcpy((*out)->stride, like->stride, sizeof like->stride);
  else if (like != NULL && shape->rank == 4 && like->shape.rank == 4 && rl_is_strided_nhwc(like) &&
           !rl_is_rowmajor(like))
    rl_strides_nhwc(shape, (*out)->stride);
  else
    rl_strides_rowmajor(shape, (*out)->stride);
  return RL_OK;
}

rl_status rl_tensor_alias(rl_tensor **out, const rl_tensor *t) {
  void *block = NULL;
  RL_TRY(rl_mem_alloc(&block, sizeof(rl_tensor)));
  rl_tensor *a = *out = block;
  *a = *t;
  a->count = 1;
  a->requires_grad = false;
  a->node = NULL;
  a->grad = NULL;
  a->target = 0;
  rl_storage_retain(a->storage);
  return RL_OK;
}

rl_tensor rl_tensor_number(double v, rl_dtype dtype) {
  rl_tensor t = {.dtype = dtype, .is_scalar = true};
  switch (dtype) {
  case RL_F32: memcpy(&t.scalar, &(float){(float)v}, 4); break;
  case RL_F64: t.scalar = v; break;
  case RL_I64: memcpy(&t.scalar, &(int64_t){(int64_t)v}, 8); break;
  case RL_I32: memcpy(&t.scalar, &(int32_t){(int32_t)v}, 4); break;
  case RL_U8: memcpy(&t.scalar, &(uint8_t){(uint8_t)v}, 1); break;
  case RL_BOOL: memcpy(&t.scalar, &(uint8_t){v != 0}, 1); break;
  }
  return t;
}

static bool strides_are(const rl_tensor *t, const int64_t *want) {
  if (rl_count(t) == 0) return true;
  for (int d = 0; d < t->shape.rank; d++)
    if (t->shape.size[d] != 1 && t->stride[d] != want[d]) return false;
  return true;
}

bool rl_is_rowmajor(const rl_tensor *t) {
  int64_t want[RL_MAXRANK];
  rl_strides_rowmajor(&t->shape, want);
  return strides_are(t, want);
}

bool rl_is_nhwc(const rl_tensor *t) {
  int64_t want[RL_MAXRANK];
  if (t->shape.rank != 4) return false;
  rl_strides_nhwc(&t->shape, want);
  return strides_are(t, want);
}

int64_t rl_pixel_step(const rl_tensor *t) {
  const int64_t *s = t->shape.size;
  return s[3] > 1 ? t->stride[3] : s[2] > 1 ? t->stride[2] : s[0] > 1 ? t->stride[0] : s[1];
}

bool rl_is_strided_nhwc(const rl_tensor *t) {
  if (t->shape.rank != 4) return false;
  const int64_t *s = t->shape.size;
  int64_t ld = rl_pixel_step(t);
  int64_t want[4] = {s[2] * s[3] * ld, 1, s[3] * ld, ld};
  return ld >= s[1] && strides_are(t, want);
}

bool rl_is_dense(const rl_tensor *t) {
  /* the dims in order of stride must multiply up without gap; at most 8 dims, so a plain search will do */
  int64_t step = 1, left = rl_count(t);
  if (left == 0) return true;
  bool used[RL_MAXRANK] = {false};
  while (step < left) {
    int found = -1;
    for (int d = 0; d < t->shape.rank; d++)
      if (!used[d] && t->shape.size[d] > 1 && t->stride[d] == step) found = d;
    if (found < 0) return false;
    used[found] = true;
    step *= t->shape.size[found];
  }
  return true;
}

bool rl_same_order(const rl_tensor *a, const rl_tensor *b) {
  return rl_shape_equal(&a->shape, &b->shape) && strides_are(a, b->stride);
}

/* ---- the public face */

rl_status rl_tensor_zeros(rl_tensor **out, rl_dtype dtype, int rank, const int64_t *size) {
  if (rank < 0 || rank > RL_MAXRANK)
    return rl_fail(RL_ESHAPE, "zeros: rank %d is not between 0 and %d", rank, RL_MAXRANK);
  rl_shape shape = rl_shape_make(rank, size);
  RL_TRY(rl_tensor_make(out, dtype, &shape, RL_ROWMAJOR));
  memset((*out)->storage->data, 0, (*out)->storage->bytes);
  return RL_OK;
}

rl_tensor *rl_tensor_retain(rl_tensor *t) {
  if (t != NULL) t->count++;
  return t;
}

void rl_tensor_drop(rl_tensor **ref) {
  rl_tensor *t = *ref;
  *ref = NULL;
  if (t == NULL || --t->count > 0) return;
  rl_storage_drop(t->storage);
  rl_tensor_drop(&t->grad); /* a gradient has no gradient: one level deep */
  rl_node_drop(t->node);
  rl_mem_free(t, sizeof *t);
}

int rl_tensor_rank(const rl_tensor *t) { return t->shape.rank; }
int64_t rl_tensor_size(const rl_tensor *t, int dim) { return t->shape.size[dim]; }
int64_t rl_tensor_stride(const rl_tensor *t, int dim) { return t->stride[dim]; }
rl_dtype rl_tensor_dtype(const rl_tensor *t) { return t->dtype; }
void *rl_tensor_data(rl_tensor *t) { return rl_data(t); }
void rl_tensor_require_grad(rl_tensor *t, bool on) { t->requires_grad = on; }
rl_tensor *rl_tensor_grad(const rl_tensor *t) { return t->grad; }
