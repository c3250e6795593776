/* norm.h: what the kernels of body/norm.inc are told: y = act((x - mean) scale + shift [+ residual]) by channel, on
** rows of c channels, the channels fastest; and the way back. */
#ifndef RL_KERNELS_NORM_H
#define RL_KERNELS_NORM_H

#include "kernels/gemm.h"

/* One number per channel each, in the kernel's own type. x - mean first: no cancellation far from zero. */
typedef struct rl_norm_map {
  const void *mean, *scale, *shift;
  const void *slope; /* PReLU's */
  rl_act act;
  size_t c;
} rl_norm_map;

/* How the gradient v behind y becomes dz = v act'(z), z = (x - mean) scale + shift [+ residual]. */
typedef enum rl_gate {
  RL_GATE_OPEN,      /* dz = v */
  RL_GATE_X,         /* ReLU: z from x */
  RL_GATE_Y,         /* ReLU: `other` is y */
  RL_GATE_SLOPE,     /* PReLU: z from x */
  RL_GATE_SLOPE_REST /* PReLU: z from x and `other`, the residual */
} rl_gate;

typedef struct rl_norm_back {
  const rl_norm_map *f;
  rl_gate gate;
  size_t rows;
  const void *v, *x, *other;
  void *dz; /* norm_sums leaves it there (add_dz: adds), the residual's gradient; or NULL */
  int add_dz;
  double *sums; /* [3][c], added to: of dz, of dz (x - mean), of v z where z <= 0 (PReLU) */
  /* norm_grad: dx = [dx +] scale dz + a + b (x - mean); a NULL: without the last two, and x is read for the gate only */
  void *dx;
  int add;
  const void *a, *b;
} rl_norm_back;

#endif
