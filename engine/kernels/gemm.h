/* gemm.h: matrix products of our own, f32 and f64, with what convolution and normalisation hang on them.
** The grid of blocks depends on the shape and the kernel set only: the same bits for any number of
** threads. */
#ifndef RL_KERNELS_GEMM_H
#define RL_KERNELS_GEMM_H

#include "rille.h"

/* Applied while an operand is packed: relu(x scale + shift), one scale and shift per column of the operand
** (k for A, j for B). scale NULL: nothing is done. The sum is two rounded steps on every kernel set, so that
** a mask recomputed from the same numbers agrees. */
typedef struct rl_prologue {
  const void *scale, *shift;
  bool relu;
} rl_prologue;

/* Instead of C: the product is the gradient v behind y = relu(x scale + shift), one scale and shift per column. With
** dz = v where y > 0, else 0: grad += scale dz, and the column sums of dz and of dz (x - mean) rstd. */
typedef struct rl_gemm_back {
  const void *x, *scale, *shift, *mean, *rstd;
  int64_t ldx;
  void *grad;
  int64_t ldg;
  double *sums; /* [2][n] */
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
  rl_prologue pa, pb; /* pa only where ta is false, pb only where tb is false */
  int64_t batch;      /* 0 counts as 1 */
  int64_t stride_a, stride_b, stride_c;
  /* or NULL; then ta is false, pa, bias and batch are not used, c and beta are ignored */
  const rl_gemm_back *back;
} rl_gemm;

/* RL_ENOMEM before anything is written. */
RL_API rl_status rl_gemm_run(const rl_gemm *g);

/* ---- between gemm.c and body/gemm.inc */

#define RL_GEMM_DEPTH 256 /* inner steps per slice: 128 to 256 are within 2 % on Zen 4 */

/* One block of C, or (packing) of B: rows i0..i1, columns j0..j1 (j0 on a panel's start), inner steps k0..k1. */
typedef struct rl_gemm_work {
  const rl_gemm *g;
  const void *a, *b; /* of this batch member */
  void *c;
  int64_t ldc;
  int64_t i0, i1, j0, j1, k0, k1;
  const void *packed; /* B in panels over all of k, or NULL: the block packs its own slices */
  void *scratch;      /* this worker's; rl_gemm_scratch elements */
  const void *bias;
  double beta;
  double *sums; /* `back`: this row of blocks' own, [2][n] */
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
