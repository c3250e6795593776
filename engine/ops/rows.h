/* rows.h: a tensor as rows along one dim: that dim last, the others before it in their order. Channels-last
** images are rows of channels as they lie; others are copied. */
#ifndef RL_OPS_ROWS_H
#define RL_OPS_ROWS_H

#include "ops/op.h"

typedef struct rl_rows {
  int64_t rows, n; /* n elements each */
  void *data;
  rl_tensor view;  /* the tensor with its dim moved */
  rl_tensor *made; /* the copy, NULL if the tensor lies well */
} rl_rows;

rl_status rl_rows_read(rl_rows *r, const rl_tensor *t, int dim);
/* Room for results: the tensor itself where it lies well and `add` is not set, or else aside. */
rl_status rl_rows_write(rl_rows *r, rl_tensor *t, int dim, bool add);
rl_status rl_rows_finish(rl_rows *r, bool add); /* brings results that stand aside home; then drops */
void rl_rows_drop(rl_rows *r);

#endif
