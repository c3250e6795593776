/* Sums and moments of columns: partial results per block of rows, combined in the blocks' order. */
#include "kernels/columns.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define PARTS_MAX 8
#define FEW       512 /* partial sums, for which nothing is allocated */

typedef struct sums_job {
  rl_dtype dtype;
  const rl_kernels *k;
  int64_t rows, cols, ld, parts, per;
  const char *x;
  double *part;
} sums_job;

static void sums_body(void *ctx, int64_t block, int worker) {
  const sums_job *q = ctx;
  int64_t i0 = q->rows * block / q->parts, i1 = q->rows * (block + 1) / q->parts,
          size = q->dtype == RL_F64 ? 8 : 4;
  const void *x = q->x + i0 * q->ld * size;
  RL_KERNEL_CALL(q->k, q->dtype, column_sums, q->part + block * q->cols, x, (size_t)(i1 - i0),
                 (size_t)q->cols, (size_t)q->ld);
  (void)worker;
}

static int64_t parts_of(int64_t rows, int64_t cols) {
  int64_t parts = rows * cols / 16384;
  return parts < 1 ? 1 : parts < PARTS_MAX ? parts : PARTS_MAX;
}

/* The parts' sums, in their order, in the first part's place. */
static void add_parts(const sums_job *q) {
  double *sum = q->part;
  for (int64_t j = 0; j < q->cols; j++) sum[j] += 0; /* of -0, 0 */
  for (int64_t p = 1; p < q->parts; p++) {
    const double *part = q->part + p * q->cols;
    for (int64_t j = 0; j < q->cols; j++) sum[j] += part[j];
  }
}

rl_status rl_column_sums(rl_dtype dtype, int64_t rows, int64_t cols, const void *x, int64_t ld, void *out,
                         double beta) {
  sums_job q = {.dtype = dtype, .k = rl_kernels_best(), .rows = rows, .cols = cols, .ld = ld, .x = x};
  double few[FEW];
  void *part = few;
  q.parts = parts_of(rows, cols);
  size_t bytes = (size_t)(q.parts * cols) * sizeof(double);
  if (bytes > sizeof few) RL_TRY(rl_mem_alloc(&part, bytes));
  q.part = part;
  rl_status status = rl_parallel(sums_body, &q, q.parts);
  if (status == RL_OK) {
    add_parts(&q);
    if (dtype == RL_F64)
      for (int64_t j = 0; j < cols; j++)
        ((double *)out)[j] = (beta == 0 ? 0 : beta * ((double *)out)[j]) + q.part[j];
    else
      for (int64_t j = 0; j < cols; j++)
        ((float *)out)[j] = (float)((beta == 0 ? 0 : beta * (double)((float *)out)[j]) + q.part[j]);
  }
  if (part != few) rl_mem_free(part, bytes);
  return status;
}

/* ---- moments */

static void moments_body(void *ctx, int64_t block, int worker) {
  const sums_job *q = ctx;
  int64_t i0 = block * q->per, i1 = i0 + q->per < q->rows ? i0 + q->per : q->rows,
          size = q->dtype == RL_F64 ? 8 : 4;
  const void *x = q->x + i0 * q->ld * size;
  RL_KERNEL_CALL(q->k, q->dtype, column_moments, q->part + block * 3 * q->cols, x, (size_t)(i1 - i0),
                 (size_t)q->cols, (size_t)q->ld);
  (void)worker;
}

rl_status rl_column_moments(rl_dtype dtype, int64_t rows, int64_t cols, const void *x, int64_t ld,
                            double *moments) {
  sums_job q = {.dtype = dtype, .k = rl_kernels_best(), .rows = rows, .cols = cols, .ld = ld, .x = x};
  q.parts = parts_of(rows, cols);
  q.per = rows / q.parts + (rows % q.parts != 0);
  q.parts = rl_blocks(rows, q.per);
  void *part = NULL;
  size_t bytes = (size_t)(q.parts * 3 * cols) * sizeof(double);
  RL_TRY(rl_mem_alloc(&part, bytes));
  q.part = part;
  rl_status status = rl_parallel(moments_body, &q, q.parts);
  if (status == RL_OK) rl_moments_fold(moments, cols, 1, rows, q.per, q.part);
  rl_mem_free(part, bytes);
  return status;
}

void rl_moments_fold(double *moments, int64_t cols, int64_t images, int64_t rows, int64_t per,
                     const double *part) {
  double *mean = moments, *var = moments + cols,
         seen = 0; /* var: the sum of squared deviations until the end */
  for (int64_t j = 0; j < 2 * cols; j++) moments[j] = 0;
  for (int64_t i = 0; i < images; i++)
    for (int64_t r = 0; r < rows; r += per, part += 3 * cols) {
      double n = (double)(rows - r < per ? rows - r : per), all = seen + n;
      for (int64_t j = 0; j < cols; j++) {
        double s = part[cols + j] / n, apart = part[j] + s - mean[j];
        double own = part[2 * cols + j] - part[cols + j] * s;
        mean[j] += apart * (n / all);
        var[j] += (own < 0 ? 0 : own) + apart * apart * (seen * n / all);
      }
      seen = all;
    }
  for (int64_t j = 0; j < cols; j++) var[j] /= seen;
  for (int64_t j = 0; j < cols && seen == 0; j++) mean[j] = var[j];
}
