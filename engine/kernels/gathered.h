/* gathered.h: convolution of small and deep maps: what each output sees is copied into one row, and it is a plain product.
** The implicit GEMM's tiles never leave a row of outputs: where a row is short they are mostly empty. Functions as in
** conv.h. */
#ifndef RL_KERNELS_GATHERED_H
#define RL_KERNELS_GATHERED_H

#include "kernels/conv.h"

#define RL_GATHERED_TAPS  25 /* the largest kernel: 5 x 5 */
#define RL_GATHERED_SPARE 16 /* numbers behind the last row that may be read */

/* Whether a convolution is of this kind: one part as it lies, one group, and outputs few enough. */
bool rl_gathered_fits(const rl_conv *s, rl_direction direction);

rl_status rl_gathered_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                              double *moments);
rl_status rl_gathered_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                const rl_conv_dx *dx);
rl_status rl_gathered_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                  const double *beta);

#endif
