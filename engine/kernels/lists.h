/* lists.h: the numbers of an optimiser's step, as its kernels take them. */
#ifndef RL_KERNELS_LISTS_H
#define RL_KERNELS_LISTS_H

#include <stdbool.h>

typedef struct rl_adam_numbers {
  double beta1, beta2, eps;
  double rate;   /* lr / (1 - beta1^step) */
  double root;   /* 1 / sqrt(1 - beta2^step) */
  double decay;  /* weight decay added to the gradient (Adam) */
  double shrink; /* 1 - lr weight_decay (AdamW), else 1 */
  double scale;  /* of the gradient, before all else */
} rl_adam_numbers;

typedef struct rl_sgd_numbers {
  double lr, momentum, decay;
  double keep;  /* 1 - dampening; 1 at the first step */
  double scale; /* of the gradient */
  bool nesterov;
} rl_sgd_numbers;

#endif
