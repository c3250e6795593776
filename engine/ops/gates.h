/* gates.h: what `gated` and `gated_pool` share: maps of N x C x H x W, channels last, with a gate per image and channel.
** Sums over pixels: each block by itself, in double; blocks are added in their order. */
#ifndef RL_OPS_GATES_H
#define RL_OPS_GATES_H

#include "kernels/gates.h"
#include "ops/op.h"

/* RL_ESHAPE unless x is N x C x H x W, gate N x C x 1 x 1 and (where the op has it) at N x 1 x H x W. */
rl_status rl_gates_check(const rl_call *c);

/* Runs over blocks of pixels of one image: x, the gate and (back) its gradient are set up, and y for those elements of `out`,
** unless that is NULL; `body` sets the rest and calls the kernel. at: pixels of the batch before the block's first one. A large
** `out` that is written goes past the caches. */
typedef void (*rl_gates_body)(const rl_call *c, rl_gates *w, int64_t at);
rl_status rl_gates_forward(rl_call *c, rl_tensor *out, rl_gates_body body);
rl_status rl_gates_backward(rl_call *c, rl_gates_body body); /* out: the gradient to x */

#endif
