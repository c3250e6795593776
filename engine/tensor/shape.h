/* shape.h: sizes, and how they read in messages. */
#ifndef RL_TENSOR_SHAPE_H
#define RL_TENSOR_SHAPE_H

#include "rille.h"

typedef struct rl_shape {
  int rank; /* 0: one element */
  int64_t size[RL_MAXRANK];
} rl_shape;

static inline int64_t rl_shape_count(const rl_shape *s) {
  int64_t n = 1;
  for (int d = 0; d < s->rank; d++) n *= s->size[d];
  return n;
}

rl_shape rl_shape_make(int rank, const int64_t *size);
bool rl_shape_equal(const rl_shape *a, const rl_shape *b);

/* No negative size, and the bytes of any dtype fit; `op` names who asks. */
rl_status rl_shape_check(const char *op, const rl_shape *s);

/* "2x3x8x8", "scalar" for rank 0. One of eight buffers of this thread in turn: good within one message. */
const char *rl_shape_text(const rl_shape *s);

/* NumPy's rule: sizes are matched from the right, 1 stretches. */
rl_status rl_shape_broadcast(const char *op, const rl_shape *a, const rl_shape *b, rl_shape *out);

#endif
