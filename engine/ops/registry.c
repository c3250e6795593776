/* The list of rows, and what shape functions share. */
#include "ops/op.h"

#include <string.h>

static const rl_op *const table[] = {
#define RL_OP(name) &rl_op_##name,
#include "ops/ops.def"
#undef RL_OP
};

const rl_op *const *rl_ops(int *count) {
  *count = (int)(sizeof table / sizeof table[0]);
  return table;
}

const rl_op *rl_op_find(const char *name) {
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (strcmp(table[i]->name, name) == 0) return table[i];
  return NULL;
}

int rl_op_inputs(const rl_op *op) {
  int n = 0;
  while (n < 16 && op->in[n].name != NULL) n++;
  return n;
}

int rl_op_params(const rl_op *op) {
  int n = 0;
  while (op->params != NULL && op->params[n].name != NULL) n++;
  return n;
}

rl_status rl_shape_same(rl_call *c) {
  c->meta[0] = (rl_meta){.dtype = c->in[0]->dtype, .shape = c->in[0]->shape, .like = c->in[0]};
  return RL_OK;
}

rl_status rl_shape_pair(rl_call *c) {
  rl_meta *m = &c->meta[0];
  m->dtype = c->in[0]->dtype;
  RL_TRY(rl_shape_broadcast(c->op->name, &c->in[0]->shape, &c->in[1]->shape, &m->shape));
  m->like = rl_shape_equal(&c->in[0]->shape, &m->shape) ? c->in[0] : c->in[1];
  return RL_OK;
}

rl_status rl_shape_scalar(rl_call *c) {
  c->meta[0] = (rl_meta){.dtype = c->in[0]->dtype};
  return RL_OK;
}

rl_kept *rl_kept_of(const rl_call *c, const rl_tensor *weight) {
  bool whole = weight->storage != NULL &&
               (size_t)rl_count(weight) * rl_dtype_size(weight->dtype) == weight->storage->bytes;
  return c->grad || !whole ? NULL : rl_storage_kept(weight->storage);
}

rl_status rl_keep(rl_call *c, int j, rl_dtype dtype, const rl_shape *shape) {
  rl_tensor_drop(&c->keep[j]);
  return rl_tensor_make(&c->keep[j], dtype, shape, RL_ROWMAJOR);
}
