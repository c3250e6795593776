/* columns.h: sums and moments of the columns of a matrix, in double. Rows are cut into blocks by shape alone, so results do not
** depend on threads. */
#ifndef RL_KERNELS_COLUMNS_H
#define RL_KERNELS_COLUMNS_H

#include "rille.h"

/* out[j] = beta out[j] + the sum of column j of x [rows x cols], ld apart: the gradient of a bias. */
RL_API rl_status rl_column_sums(rl_dtype dtype, int64_t rows, int64_t cols, const void *x, int64_t ld,
                                void *out, double beta);

/* moments [2][cols]: mean and biased variance of the columns of x [rows x cols], ld apart; rows 0 gives NaN. */
RL_API rl_status rl_column_moments(rl_dtype dtype, int64_t rows, int64_t cols, const void *x, int64_t ld,
                                   double *moments);

/* The same from parts that blocks of rows have left, each [3][cols]: a pivot near the mean, the sums of x - pivot, of its
** square. Rows form `images` of `rows` each, blocks of `per` rows of one image (the image's last one may be shorter).
** Exact up to rounding (Chan, Golub, LeVeque 1983), in the blocks' order. */
void rl_moments_fold(double *moments, int64_t cols, int64_t images, int64_t rows, int64_t per,
                     const double *part);

#endif
