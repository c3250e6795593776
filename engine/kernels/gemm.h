/* gemm.h: matrix products of our own, f32 and f64, with what convolution and normalisation hang on them.
** The grid of blocks depends on the shape and the kernel set only: the same bits for any number of
** threads. */
#ifndef RL_KERNELS_GEMM_H
#define RL_KERNELS_GEMM_H

#include "kernels/kept.h"

typedef enum rl_act { RL_ACT_NONE, RL_ACT_RELU, RL_ACT_PRELU } rl_act;

/* Applied while an operand is packed: act(x scale + shift), one scale, shift and (PReLU) slope per column of the operand
** (k for A, j for B). scale NULL: nothing is done. The sum is two rounded steps on every kernel set, so that
** a mask recomputed from the same numbers agrees.
** other, by: the two-input form of a gradient whose correction was put off, x scale + shift + other by (act none; A only). */
typedef struct rl_prologue {
  const void *scale, *shift, *slope;
  rl_act act;
  const void *other, *by;
  int64_t ldother;
} rl_prologue;

/* Instead of C: the product is the gradient v behind y = act(z), z = x scale + shift, f's numbers one per column. With dz = v act'(z):
** grad = [grad +] scale dz, and the column sums of dz, of dz (x - mean) rstd, and (PReLU) of v z where z <= 0. */
typedef struct rl_gemm_back {
  rl_prologue f;
  const void *x, *mean, *rstd;
  int64_t ldx;
  void *grad;
  int64_t ldg;
  bool add;
  double *sums; /* [3][n] */
} rl_gemm_back;

/* C[m x n] = beta C + op(A)[m x k] op(B)[k x n] + bias, row-major; ta: A is stored k x m, tb: B is stored
** n x k. beta 0 does not read C; k 0 gives beta C + bias. C may not overlap A or B.
** batch: that many products, each operand `stride` elements further (0: shared). */
typedef struct rl_gemm {
  rl_dtype dtype; /* RL_F32 or RL_F64 */
  bool ta, tb;
  int64_t m, n, k;
  const void *a, *b;
  void *c;
  int64_t lda, ldb, ldc;
  double beta;
  const void *bias;   /* [n], added to every row; or NULL */
  rl_act act;         /* of what is written: none or relu; without moments */
  rl_prologue pa, pb; /* pa also where ta is true: one number per row of C then; pb only where tb is false */
  double *moments; /* or NULL: [2][n], mean and biased variance of C's columns, of what is written; batch 1 */
  int64_t batch;   /* 0 counts as 1 */
  int64_t stride_a, stride_b, stride_c;
  /* or NULL; then ta is false, pa, bias and batch are not used, c and beta are ignored */
  const rl_gemm_back *back;
  rl_kept *
      kept; /* or NULL; B's, where it stays as it is and will be asked for again: of few rows its panels are kept there */
} rl_gemm;

/* RL_ENOMEM before anything is written. */
RL_API rl_status rl_gemm_run(const rl_gemm *g);

/* ---- between gemm.c and body/gemm.inc */

#define RL_GEMM_DEPTH 256 /* inner steps per slice: 128 to 256 are within 2 % on Zen 4 */
#define RL_GEMM_FLAT  64  /* up to so many, writing C is what takes the time */

/* One block of C, or (packing) of B: rows i0..i1, columns j0..j1 (j0 on a panel's start), inner steps k0..k1. */
typedef struct rl_gemm_work {
  const rl_gemm *g;
  const void *a, *b; /* of this batch member */
  void *c;
  int64_t ldc;
  int64_t i0, i1, j0, j1, k0, k1;
  const void *packed; /* B in panels over all of k, or NULL: the block packs its own slices */
  bool kept;          /* packed is kept from call to call, and few rows read it: it is in no near cache */
  void *scratch;      /* this worker's; rl_gemm_scratch elements */
  bool
      flat; /* packs all its panels before it multiplies: where C is most of what is touched, or B, which then is read row by row */
  bool streams; /* C is large, written once and not soon read: past the caches, where it is flat */
  const void *bias;
  double beta;
  double *sums;    /* `back`: this row of blocks' own, [3][n] */
  double *moments; /* or NULL: this row of blocks' own, a part as rl_moments_fold wants it */
} rl_gemm_work;

/* Sums `parts` partial products, [parts][m][n] one after another, onto C, in their order; rows i0..i1. */
typedef struct rl_gemm_fold {
  const void *part;
  int64_t parts, m, n, i0, i1;
  void *c;
  int64_t ldc;
  const void *bias;
  double beta;
} rl_gemm_fold;

#endif
