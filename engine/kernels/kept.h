/* kept.h: an operand in the form that a product reads, kept while it stands: weights of a model that only predicts are turned
** into panels once, not at every call. It belongs to whoever owns the operand (tensor/storage.h); gemm.c fills and reads it. */
#ifndef RL_KERNELS_KEPT_H
#define RL_KERNELS_KEPT_H

#include "rille.h"

typedef struct rl_kept {
  const void *by; /* the kernel set whose panels these are; NULL: nothing yet */
  bool turned;
  int64_t n, k;
  void *panels;
  size_t bytes;
} rl_kept;

#endif
