/* conv.h: 2-d convolution over channels-last memory, f32 and f64: forward and both gradients. conv.c chooses the algorithm:
** 1x1 is a product (gemm.h, thinned.h), so are small deep maps (gathered.h); then winograd.h, implicit.h. Results do not
** depend on threads. */
#ifndef RL_KERNELS_CONV_H
#define RL_KERNELS_CONV_H

#include "kernels/columns.h"
#include "kernels/gemm.h"

#define RL_CONV_PARTS 2

typedef enum rl_direction { RL_FORWARD, RL_BACK_DATA, RL_BACK_WEIGHT } rl_direction;

/* Some channels of the input: N x H/up x W/up x channels, pixels ld elements apart, read through px, then doubled in
** both directions (nearest neighbour) where up is 2. The border is zero after px. */
typedef struct rl_conv_part {
  const void *x; /* may be NULL where only dx is asked for and px does nothing */
  int64_t channels, ld;
  rl_prologue px;
  const void *mean, *rstd; /* per channel; for the sums of rl_conv_dx */
  int up;                  /* 1 or 2 */
} rl_conv_part;

/* The input is its parts, one after another along the channels: N x H x W x cin. y: N x OH x OW x cout, pixels ldy
** elements apart; weight: cout x cin/groups x KH x KW. More than one part, or up 2: groups 1. */
typedef struct rl_conv {
  rl_dtype dtype; /* RL_F32 or RL_F64 */
  int64_t n, h, w, cin, oh, ow, cout, kh, kw;
  int64_t stride[2], pad[2], dilation[2], groups; /* of rows, of columns */
  int64_t ldy;
  int nparts;
  rl_conv_part part[RL_CONV_PARTS];
  rl_kept *kept; /* or NULL; the weight's, as in gemm.h: forward only */
} rl_conv;

/* Where the gradient of one part goes, for one cotangent: dx = beta dx + scale dz, with v the gradient behind px (where up
** is 2, the sum over the pixel's four copies) and dz = v act'(z), z = x scale + shift; without px dx = beta dx + v.
** beta is 0 or 1 where px is at work. */
typedef struct rl_conv_dx {
  void *dx; /* NULL: not wanted */
  int64_t ld;
  double beta;
  double *
      sums; /* [3][channels], or NULL: of dz, of dz (x - mean) rstd, of v z where z <= 0 (PReLU); px is at work.
                ** Where mean is NULL the second is 0. */
} rl_conv_dx;

/* Output size along one dim; 0 or less if the kernel does not fit. */
static inline int64_t rl_conv_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad,
                                   int64_t dilation) {
  int64_t room = size + 2 * pad - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

/* y = conv(input, weight) + bias; bias: [cout] or NULL. moments: [2][cout] or NULL: mean and biased variance of y. */
RL_API rl_status rl_conv_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                                 double *moments);

/* dx[k * nparts + p] for cotangent k and part p; `count` cotangents dy[k] share packed weights. */
RL_API rl_status rl_conv_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                   const rl_conv_dx *dx);

/* dweight[k] = beta[k] dweight[k] + its gradient, laid out as weight; dweight[k] NULL: not wanted. The cotangents share
** what is made of the input. */
RL_API rl_status rl_conv_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                     const double *beta);

#endif
