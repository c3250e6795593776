/* real.h: single elements of a floating run as doubles, for the few numbers that are not worth a kernel. */
#ifndef RL_OPS_REAL_H
#define RL_OPS_REAL_H

#include "tensor/tensor.h"

static inline double rl_real_get(rl_dtype d, const void *p, int64_t i) {
  return d == RL_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static inline void rl_real_set(rl_dtype d, void *p, int64_t i, double v) {
  if (d == RL_F64)
    ((double *)p)[i] = v;
  else
    ((float *)p)[i] = (float)v;
}

/* p + i elements */
static inline void *rl_real_at(rl_dtype d, const void *p, int64_t i) {
  return (char *)(uintptr_t)p + (size_t)i * (d == RL_F64 ? 8 : 4);
}

#endif
