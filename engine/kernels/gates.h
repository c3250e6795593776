/* gates.h: what the kernels of body/gates.inc are told: x [rows][c] times one gate per channel and one per row, and the way
** back. Attention over channels, then over pixels (Woo et al., CBAM, arXiv 1807.06521). */
#ifndef RL_KERNELS_GATES_H
#define RL_KERNELS_GATES_H

#include "rille.h"

typedef struct rl_gates {
  size_t rows, c;
  const void *x, *gate; /* [rows][c], [c] */
  const void *at;       /* gated: [rows] */
  const int32_t *place; /* gated_pool: the largest channel of each row */
  const void *dy;       /* gated: [rows][c]; gated_pool: [rows][2], of the mean and of the largest */
  void *y;              /* what is made, [rows][c]; back: the gradient to x, or NULL */
  int add;              /* to what y holds */
  double *dgate;        /* [c], added to; or NULL */
  void *dat;            /* gated: [rows]; or NULL */
  int add_at;           /* to what dat holds */
} rl_gates;

#endif
