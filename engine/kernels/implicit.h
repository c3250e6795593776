/* implicit.h: convolution as implicit GEMM: the rows that a block needs are copied through the prologue, with their zero
** border, into scratch, and each kernel position is an offset into that copy. Arguments as in conv.h. */
#ifndef RL_KERNELS_IMPLICIT_H
#define RL_KERNELS_IMPLICIT_H

#include "kernels/conv.h"

rl_status rl_implicit_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                              double *moments);
rl_status rl_implicit_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                const rl_conv_dx *dx);
rl_status rl_implicit_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                  const double *beta);

/* The gradient to one part from v [n h w][channels], that behind its prologue and doubling. */
rl_status rl_conv_through(const rl_conv *s, const rl_conv_part *part, const rl_conv_dx *to, const void *v);

/* ---- between implicit.c and body/conv.inc */

/* A map that is read: its stored pixels, doubled where `up` is 2. */
typedef struct rl_conv_source {
  const void *x;               /* pixel 0 of image 0 */
  int64_t channels, ld, image; /* elements from pixel to pixel, from image to image */
  int64_t w;                   /* stored columns */
  int up;
  rl_prologue px;
} rl_conv_source;

/* One pass: on a grid of points, out(point) = sum over taps of source(point scale + tap) B_tap. */
typedef struct rl_conv_pass {
  int64_t sh, sw, sc; /* source: size, channels of all its maps */
  int sources;
  rl_conv_source source[RL_CONV_PARTS];
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
  bool diagonal;       /* depthwise: channel c of the source makes channel c only */
  /* Few channels made (thin): one product gives what a source pixel sends to its `spread` horizontal places; else 1.
  ** lanes: columns of the product, spread dc. */
  int64_t spread, lanes;
  const void *weight, *bias;
  void *packed;
  double beta;
} rl_conv_pass;

/* Grid rows i0..i1 of one image, channels j0..j1. */
typedef struct rl_conv_work {
  const rl_conv_pass *p;
  int64_t image;
  void *out;
  int64_t i0, i1, j0, j1;
  void *scratch;
  double
      *moments; /* or NULL: this block's part as rl_moments_fold wants it, from the pass's first channel on */
  int64_t moments_step;
  /* or NULL: what is made goes through this mask; x at the pass's first point of this image, ldx from pixel to pixel; pixels from
  ** grid row to grid row, from point to point; sums [3][sums_step] of this block */
  const rl_gemm_back *mask;
  int64_t mask_row, mask_point, sums_step;
  double *sums;
} rl_conv_work;

/* A part of the weight's gradient: [run][cout][step] from grid rows i0..i1 of all images in a row (image, row), input
** channels j0..j1. `p` is the forward pass. */
typedef struct rl_conv_grad {
  const rl_conv_pass *p;
  const void *dy;
  int64_t ldy, cout;    /* output pixels lie without gaps between rows */
  int64_t i0, i1, rows; /* `rows` at a time */
  int64_t j0, j1, step; /* a run's columns in `part`: whole vectors */
  bool turned;          /* few input channels, whole vectors of output channels: part [run][depth][step] */
  void *part, *scratch;
} rl_conv_grad;

typedef struct rl_conv_fold {
  const rl_conv_grad *g;
  const void *part; /* [parts][run][cout][step], part_bytes from one part to the next */
  int64_t parts, part_bytes, co0, co1;
  void *dweight;
  double beta;
} rl_conv_fold;

/* The gradient v behind all parts, [n h w][cin], on its way into one part. */
typedef struct rl_conv_finish {
  const void *v;
  int64_t ldv, h, w; /* of the part as stored */
  const rl_conv_part *part;
  const rl_conv_dx *to;
} rl_conv_finish;

#endif
