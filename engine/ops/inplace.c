/* What rows of class RL_INPLACE share. */
#include "ops/inplace.h"

rl_status rl_inplace_shape(rl_call *c) {
  rl_shape both;
  RL_TRY(rl_shape_broadcast(c->op->name, &c->in[0]->shape, &c->in[1]->shape, &both));
  if (rl_shape_equal(&both, &c->in[0]->shape)) return RL_OK;
  return rl_fail(RL_ESHAPE, "%s: %s does not fit into %s", c->op->name, rl_shape_text(&c->in[1]->shape),
                 rl_shape_text(&c->in[0]->shape));
}

rl_status rl_inplace_source(const rl_call *c, rl_tensor **source) {
  rl_tensor *x = c->in[0], *s = c->in[1], *copy = NULL;
  bool shared = s->storage != NULL && s->storage == x->storage;
  if (!shared || (s->offset == x->offset && rl_same_order(s, x))) {
    *source = s->count > 0 ? rl_tensor_retain(s) : NULL; /* a number lives on the caller's stack */
    return RL_OK;
  }
  RL_TRY(rl_tensor_make(&copy, s->dtype, &s->shape, RL_ROWMAJOR));
  rl_status st = rl_copy(copy, s, false);
  if (st != RL_OK) rl_tensor_drop(&copy);
  *source = copy;
  return st;
}
