/* A tensor as rows along one dim. */
#include "ops/rows.h"

static void move_dim(rl_rows *r, const rl_tensor *t, int dim) {
  int rank = t->shape.rank, w = 0;
  *r = (rl_rows){.view = *t, .rows = 1};
  for (int d = 0; d < rank; d++) {
    if (d == dim) continue;
    r->view.shape.size[w] = t->shape.size[d];
    r->view.stride[w++] = t->stride[d];
    r->rows *= t->shape.size[d];
  }
  r->n = rank == 0 ? 1 : t->shape.size[dim];
  if (rank == 0) return;
  r->view.shape.size[w] = t->shape.size[dim];
  r->view.stride[w] = t->stride[dim];
}

rl_status rl_rows_read(rl_rows *r, const rl_tensor *t, int dim) {
  move_dim(r, t, dim);
  if (!rl_is_rowmajor(&r->view)) RL_TRY(rl_arrange(&r->made, &r->view, t->dtype, RL_ROWMAJOR));
  r->data = rl_data(r->made != NULL ? r->made : &r->view);
  return RL_OK;
}

rl_status rl_rows_write(rl_rows *r, rl_tensor *t, int dim, bool add) {
  move_dim(r, t, dim);
  if (add || !rl_is_rowmajor(&r->view))
    RL_TRY(rl_tensor_make(&r->made, t->dtype, &r->view.shape, RL_ROWMAJOR));
  r->data = rl_data(r->made != NULL ? r->made : &r->view);
  return RL_OK;
}

rl_status rl_rows_finish(rl_rows *r, bool add) {
  rl_status s = r->made != NULL ? rl_copy(&r->view, r->made, add) : RL_OK;
  rl_rows_drop(r);
  return s;
}

void rl_rows_drop(rl_rows *r) { rl_tensor_drop(&r->made); }
