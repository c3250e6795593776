/* stack: tensors of one shape side by side along a new dim.  n times [a, b], dim -> [.., n, ..] */
#include "ops/viewing.h"

static rl_status shape(rl_call *c) {
  const rl_shape *first = &c->in[0]->shape;
  rl_meta *m = &c->meta[0];
  if (first->rank == RL_MAXRANK)
    return rl_fail(RL_ESHAPE, "stack: %s has no room for a dim", rl_shape_text(first));
  *m = (rl_meta){.dtype = c->in[0]->dtype, .layout = RL_ROWMAJOR};
  m->shape.rank = first->rank + 1;
  for (int d = 0, from = 0; d < m->shape.rank; d++)
    m->shape.size[d] = d == c->arg[0].i ? c->nin : first->size[from++];
  for (int i = 1; i < c->nin; i++)
    if (!rl_shape_equal(&c->in[i]->shape, first))
      return rl_fail(RL_ESHAPE, "stack: tensor %d is %s, the first %s; all must agree", i + 1,
                     rl_shape_text(&c->in[i]->shape), rl_shape_text(first));
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  for (int i = 0; i < c->nin; i++) {
    rl_tensor part = rl_view_selected(c->out[0], (int)c->arg[0].i, i);
    RL_TRY(rl_copy(&part, c->in[i], false));
  }
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  for (int i = 0; i < c->nin; i++) {
    rl_tensor part = rl_view_selected(c->dout[0], (int)c->arg[0].i, i);
    if (c->din[i] != NULL) RL_TRY(rl_copy(c->din[i], &part, c->beta[i] != 0));
  }
  return RL_OK;
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true, .extra = 1}, {0}};

const rl_op rl_op_stack = {
    .name = "stack",
    .doc = "tensors of one shape (a list, or one after another) side by side along the new dim `dim`",
    .dtypes = RL_ALL,
    .in = {{"tensors", .variadic = true}},
    .params = params,
    .samples =
        "{ { T{2, 3}, T{2, 3} }, 1 } { { T{2}, T{2}, T{2} }, -1 } { { T{}, T{} }, 1 } { { T{0}, T{0} }, 2 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
