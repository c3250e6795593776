/* tensor.h: a shape and strides over a storage. Counted by hand; only the main thread makes, retains and
** drops. Strides are in elements, never negative; 0 where expanded. */
#ifndef RL_TENSOR_TENSOR_H
#define RL_TENSOR_TENSOR_H

#include "rille.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

struct rl_node;

struct rl_tensor {
  int count; /* 0: embedded in a node or on a stack, never dropped by itself */
  rl_dtype dtype;
  rl_shape shape;
  int64_t stride[RL_MAXRANK];
  int64_t offset;       /* elements from the storage's start */
  rl_storage *storage;  /* NULL: only a shape (meta), or a number kept in `scalar` */
  double scalar;        /* the element of a rank-0 number, in the tensor's dtype's own bytes */
  bool is_scalar;       /* no storage: the data is `scalar` */
  bool requires_grad;   /* a leaf that collects a gradient */
  struct rl_node *node; /* what made it, NULL for leaves; counted */
  int slot;             /* which of the node's outputs it is */
  rl_tensor *grad;      /* leaves only; counted */
  int target;           /* during a walk back: its place in the wanted list plus 1; else 0 */
};

/* How elements lie. */
typedef enum rl_layout {
  RL_ANY,      /* whatever strides */
  RL_RUNS,     /* pointwise: the driver cuts everything into contiguous runs (tensor/iter.h) */
  RL_ROWMAJOR, /* contiguous, last dim fastest */
  RL_NHWC,     /* logical N,C,H,W; channels fastest, no gaps */
  RL_STRIDED   /* as RL_NHWC, but pixel rows may lie a leading dimension apart (a channel slice) */
} rl_layout;

/* Fresh memory, contents undefined. RL_ROWMAJOR or RL_NHWC (rank 4; others fall back to row-major). */
rl_status rl_tensor_make(rl_tensor **out, rl_dtype dtype, const rl_shape *shape, rl_layout layout);
/* As `like` lies, if that is dense in some order; else row-major. `like` may be meta only. */
rl_status rl_tensor_make_like(rl_tensor **out, rl_dtype dtype, const rl_shape *shape, const rl_tensor *like);
/* Same storage, shape and strides; no node, no grad. */
rl_status rl_tensor_alias(rl_tensor **out, const rl_tensor *t);
/* A number as a rank-0 tensor without storage; lives where the caller keeps it. */
rl_tensor rl_tensor_number(double v, rl_dtype dtype);

static inline int64_t rl_count(const rl_tensor *t) { return rl_shape_count(&t->shape); }

static inline void *rl_at(const rl_tensor *t, int64_t offset) { /* `offset` elements after the first */
  if (t->storage == NULL) return t->is_scalar ? (void *)(uintptr_t)&t->scalar : NULL;
  return (char *)t->storage->data + (size_t)(t->offset + offset) * rl_dtype_size(t->dtype);
}

static inline void *rl_data(const rl_tensor *t) { return rl_at(t, 0); } /* the first element */

bool rl_is_rowmajor(const rl_tensor *t);
bool rl_is_nhwc(const rl_tensor *t);
bool rl_is_strided_nhwc(const rl_tensor *t); /* pixel (n,y,x) starts at ((n*H+y)*W+x)*ld, ld >= C */
int64_t rl_pixel_step(const rl_tensor *t);   /* that ld, whatever sizes are 1 */
bool rl_is_dense(const rl_tensor *t);        /* every element of a block once, in some order of dims */
bool rl_same_order(const rl_tensor *a, const rl_tensor *b); /* equal shape and strides (size-1 dims aside) */
static inline bool rl_needs_grad(const rl_tensor *t) { /* float, and a leaf that asks or made by a node */
  return t != NULL && (t->requires_grad || t->node != NULL) && rl_is_float(t->dtype);
}

/* Strides for `shape` laid out as asked. */
void rl_strides_rowmajor(const rl_shape *shape, int64_t *stride);
void rl_strides_nhwc(const rl_shape *shape, int64_t *stride);

#endif
