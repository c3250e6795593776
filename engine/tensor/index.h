/* index.h: the only door to the elements of index tensors. Lua's positions count from 1, C's from 0: the step
** is here. */
#ifndef RL_TENSOR_INDEX_H
#define RL_TENSOR_INDEX_H

#include "tensor/tensor.h"

/* Element i (in row-major order of a row-major tensor) as a position from 0, checked against [1, limit] as
** stored.
** `ignore` (as stored, e.g. -100) comes back as -1. Fails with the op's name, the value and its place. */
rl_status rl_index_get(const rl_tensor *t, int64_t i, int64_t limit, int64_t ignore, const char *op,
                       int64_t *out);
#define RL_NO_IGNORE INT64_MIN

void rl_index_set(rl_tensor *t, int64_t i, int64_t position); /* position from 0; stored from 1 */

#endif
