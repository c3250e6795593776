/* unsqueeze: a new dim of size 1; a view.  [a, b], dim -> [.., 1, ..] */
#include "ops/viewing.h"

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  if (x->rank == RL_MAXRANK)
    return rl_fail(RL_ESHAPE, "unsqueeze: %s has no room for a dim", rl_shape_text(x));
  rl_shape to = {.rank = x->rank + 1};
  for (int d = 0, from = 0; d < to.rank; d++) to.size[d] = d == c->arg[0].i ? 1 : x->size[from++];
  return rl_view_meta(c, &to);
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true, .extra = 1}, {0}};

const rl_op rl_op_unsqueeze = {
    .name = "unsqueeze",
    .doc = "a new dim of size 1 that becomes dim `dim`; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3}, 1 } { T{2, 3}, -1 } { T{}, 1 }",
    .shape = shape,
    .forward = rl_view_as,
    .view_back = rl_view_restate,
};
