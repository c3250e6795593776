/* fold.h: sums over dims of any strided tensor, in double. Work is cut by shape alone; partial sums are added in
** the order of their places, so the result does not depend on the number of threads. */
#ifndef RL_TENSOR_FOLD_H
#define RL_TENSOR_FOLD_H

#include "tensor/tensor.h"

typedef enum rl_fold_kind { RL_FOLD_SUM, RL_FOLD_SQUARES, RL_FOLD_NONZERO, RL_FOLD_DEVIATIONS } rl_fold_kind;

typedef struct rl_fold_how {
  rl_fold_kind kind;       /* of x: x, x^2, x != 0, (x - center)^2 */
  const rl_tensor *center; /* f64, dst's shape; RL_FOLD_DEVIATIONS only */
  double scale;            /* times the sum */
  bool root;               /* then its square root */
  bool add;                /* then added to what dst holds */
} rl_fold_how;

/* dst: src's shape with size 1 (or no dim, in front) where it is summed. Over no elements the sum is 0. */
rl_status rl_fold(rl_tensor *dst, const rl_tensor *src, const rl_fold_how *how);

#endif
