/* dense.h: what forward and backward of dense_block share: where things lie.
** One buffer X [M][C] per block, M pixels, C = C0 + layers growth channels: the output itself. Layer l reads its first
** Cin = C0 + l growth columns and writes the next `growth`. Per layer only conv1's raw output is kept. */
#ifndef RL_OPS_FUSED_DENSE_H
#define RL_OPS_FUSED_DENSE_H

#include "kernels/conv.h"
#include "ops/op.h"

enum {
  DENSE_NORM1_W,
  DENSE_NORM1_B,
  DENSE_CONV1,
  DENSE_NORM2_W,
  DENSE_NORM2_B,
  DENSE_CONV2,
  DENSE_MEAN1,
  DENSE_VAR1,
  DENSE_MEAN2,
  DENSE_VAR2,
  DENSE_INPUTS
};
enum { DENSE_EPS, DENSE_MOMENTUM, DENSE_TRAINING };

typedef struct rl_dense {
  rl_call *c;
  int64_t size; /* of an element */
  int64_t n, h, w, c0, growth, mid, layers;
  int64_t pixels, channels;
  bool training;
} rl_dense;

/* A normalisation as it is applied, kept for backward: y = relu(x scale + shift), xhat = (x - mean) rstd. */
typedef struct rl_norm {
  int64_t n;
  char *scale, *shift, *mean, *rstd; /* [n] of the op's dtype */
} rl_norm;

rl_dense rl_dense_of(rl_call *c);
static inline int64_t rl_dense_cin(const rl_dense *d, int64_t layer) { return d->c0 + layer * d->growth; }
static inline int rl_dense_at(int64_t layer, int what) { return (int)(1 + layer * DENSE_INPUTS + what); }
rl_norm rl_dense_norm(const rl_dense *d, const rl_tensor *kept, int64_t layer, int which); /* which: 0, 1 */
rl_conv rl_dense_conv2(const rl_dense *d, const rl_norm *norm2, const void *y1);

double rl_dense_get(const rl_dense *d, const void *p, int64_t i);
void rl_dense_set(const rl_dense *d, void *p, int64_t i, double v);

rl_status rl_dense_backward(rl_call *c);

#endif
