/* sorting.h: rows put in order, with places: sort, topk. Equal elements keep their order; NaN counts as larger
** than all. Inputs are row-major. */
#ifndef RL_OPS_SORTING_H
#define RL_OPS_SORTING_H

#include "ops/op.h"

/* Sorts along dim and writes the first n places of each row to out[0] (values) and out[1] (indices). */
rl_status rl_sorting_forward(rl_call *c, int dim, int64_t n, bool falling);
rl_status rl_sorting_backward(rl_call *c, int dim); /* back to where the values came from: keep[0] */

#endif
