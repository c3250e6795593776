/* thinned.h: 1x1 convolution with a stride: the pixels that count are copied together, and it is a plain product.
** Functions as in conv.h. */
#ifndef RL_KERNELS_THINNED_H
#define RL_KERNELS_THINNED_H

#include "kernels/conv.h"

/* Whether a convolution is of this kind: one part as it lies, no border, one group. */
bool rl_thinned_fits(const rl_conv *s);

rl_status rl_thinned_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                             double *moments);

/* Only where the part has no prologue. */
rl_status rl_thinned_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                               const rl_conv_dx *dx);
rl_status rl_thinned_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                 const double *beta);

#endif
