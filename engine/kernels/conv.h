/* conv.h: 2-d convolution over channels-last memory, f32 and f64: forward and both gradients by one scheme. The rows
** that a block needs are copied with their zero border into scratch, and each kernel position is an offset
** into that copy (implicit GEMM). 1x1 with stride 1 is a plain product. Results do not depend on threads. */
#ifndef RL_KERNELS_CONV_H
#define RL_KERNELS_CONV_H

#include "kernels/gemm.h"

/* x: N x H x W x cin, y: N x OH x OW x cout, pixels ldx and ldy elements apart; weight: cout x cin/groups x KH x KW. */
typedef struct rl_conv {
  rl_dtype dtype; /* RL_F32 or RL_F64 */
  int64_t n, h, w, cin, oh, ow, cout, kh, kw;
  int64_t stride[2], pad[2], dilation[2], groups; /* of rows, of columns */
  int64_t ldx, ldy;
  rl_prologue px; /* applied to x where it is read; the border stays zero */
} rl_conv;

/* Output size along one dim; 0 or less if the kernel does not fit. */
static inline int64_t rl_conv_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad,
                                   int64_t dilation) {
  int64_t room = size + 2 * pad - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

/* y = conv(f(x), weight) + bias; bias: [cout] or NULL. */
RL_API rl_status rl_conv_forward(const rl_conv *s, const void *x, const void *weight, const void *bias,
                                 void *y);

/* dx[k] = beta[k] dx[k] + the gradient to (f of) x, for `count` cotangents that share the packed weights;
** where dx[k] is NULL nothing is done. */
RL_API rl_status rl_conv_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                   void *const *dx, const double *beta);

/* dweight = beta dweight + its gradient, laid out as weight. */
RL_API rl_status rl_conv_back_weight(const rl_conv *s, const void *x, const void *dy, void *dweight,
                                     double beta);

/* out[j] = beta out[j] + the sum of column j of x [rows x cols], ld apart, in double: the gradient of a bias. */
RL_API rl_status rl_column_sums(rl_dtype dtype, int64_t rows, int64_t cols, const void *x, int64_t ld,
                                void *out, double beta);

/* ---- between conv.c and body/conv.inc */

/* One pass: on a grid of points, out(point) = sum over taps of source(point scale + tap) B_tap. */
typedef struct rl_conv_pass {
  int64_t sh, sw, sc, sld;      /* source: size, channels used, elements from pixel to pixel */
  int64_t gh, gw, dc;           /* grid of points; channels made */
  int64_t row_step, point_step; /* in the output, in elements */
  int64_t scale[2];             /* source pixels per grid step */
  int64_t taps;                 /* how many; their places in the source, and in the weight: */
  const int64_t *tap_y, *tap_x, *tap_at;
  /* the copy: first row and column relative to the point, rows from the first tap to the last, width, elements
  ** from pixel to pixel */
  int64_t y0, x0, reach, bw, bc;
  int64_t runs, depth; /* taps as the micro-kernel takes them: thin neighbours join to one */
  ptrdiff_t *run;      /* offset of each in the copy */
  bool flip;           /* weight's channels change places: backward */
  int64_t kernel, wc;  /* positions and input channels of the weight as stored */
  const rl_prologue *px;
  const void *weight, *bias;
  void *packed;
  double beta;
} rl_conv_pass;

/* Grid rows i0..i1 of one image, channels j0..j1. */
typedef struct rl_conv_work {
  const rl_conv_pass *p;
  const void *source;
  void *out;
  int64_t i0, i1, j0, j1;
  void *scratch;
} rl_conv_work;

/* A part of the weight's gradient: [run][cout][step] from grid rows i0..i1 of all images in a row (image, row), input
** channels j0..j1. `p` is the forward pass. */
typedef struct rl_conv_grad {
  const rl_conv_pass *p;
  const void *x, *dy;
  int64_t image_x, ldy, cout; /* elements from image to image; output pixels lie without gaps between rows */
  int64_t i0, i1, rows;       /* `rows` at a time */
  int64_t j0, j1, step;       /* a run's columns in `part`: whole vectors */
  void *part, *scratch;
} rl_conv_grad;

typedef struct rl_conv_fold {
  const rl_conv_grad *g;
  const void *part; /* [parts][run][cout][step], part_bytes from one part to the next */
  int64_t parts, part_bytes, co0, co1;
  void *dweight;
  double beta;
} rl_conv_fold;

#endif
