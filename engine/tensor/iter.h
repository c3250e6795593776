/* iter.h: strided, broadcast operands as contiguous runs. Whatever the strides, the body sees runs in which
** every operand is contiguous: parts that are not are gathered into small buffers before, and scattered
** after. So a pointwise kernel needs to know nothing but n. */
#ifndef RL_TENSOR_ITER_H
#define RL_TENSOR_ITER_H

#include "tensor/tensor.h"

#define RL_ITER_MAX 8 /* operands */

/* ptr[k]: n contiguous elements of operand k. Called from several threads at once, on disjoint runs. */
typedef void (*rl_run_body)(void *ctx, void *const *ptr, size_t n);

/* Runs over the elements of `shape`; operands broadcast to it. Operand k is written if bit k of `writes` is
** set (then its
** strides must not be 0) and read if bit k of `reads` is set. Operands may be of different dtypes. */
rl_status rl_iter(const rl_shape *shape, int n, rl_tensor *const *operand, unsigned reads, unsigned writes,
                  rl_run_body body, void *ctx);

/* dst = [dst +] src, cast and broadcast as needed. add: floats of one dtype only. */
rl_status rl_copy(rl_tensor *dst, const rl_tensor *src, bool add);
/* dst = [dst +] sum of src over the dims in which dst (of broadcastable shape) has size 1 or none; in fold.c. */
rl_status rl_sum_to(rl_tensor *dst, const rl_tensor *src, bool add);
rl_status rl_fill(rl_tensor *t, double v);
/* Element i of contiguous memory; to integers truncated and saturating, to bool by != 0, NaN to integer 0. */
double rl_load(const void *p, rl_dtype d, size_t i);
void rl_save(void *p, rl_dtype d, size_t i, double v);
bool rl_lies(const rl_tensor *t, rl_layout layout); /* is it laid out so? */
/* A copy laid out as asked, in another dtype if need be; the same tensor retained if it is so already. */
rl_status rl_arrange(rl_tensor **out, rl_tensor *t, rl_dtype dtype, rl_layout layout);

#endif
