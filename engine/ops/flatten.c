/* flatten: dims start_dim to end_dim become one; all of them if neither is given.  [.., a, b, ..] -> [.., a b, ..] */
#include "ops/viewing.h"

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  int first = c->arg[0].given ? (int)c->arg[0].i : 0, last = c->arg[1].given ? (int)c->arg[1].i : x->rank - 1;
  if (x->rank > 0 && last < first)
    return rl_fail(RL_EARG, "flatten: dims %d to %d run backwards", first + 1, last + 1);
  rl_shape to = {.rank = 0};
  for (int d = 0; d < x->rank; d++) {
    if (d > first && d <= last)
      to.size[to.rank - 1] *= x->size[d];
    else
      to.size[to.rank++] = x->size[d];
  }
  if (x->rank == 0) to.size[to.rank++] = 1;
  return rl_view_meta(c, &to);
}

static const rl_param params[] = {{.name = "start_dim", .kind = RL_DIM, .optional = true},
                                  {.name = "end_dim", .kind = RL_DIM, .optional = true},
                                  {0}};

const rl_op rl_op_flatten = {
    .name = "flatten",
    .doc = "dims start_dim to end_dim as one; without them all dims; a view where it can be",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3, 2} } { T{2, 3, 2}, 2, -1 } { T{2, 3, 2}, -3, -2 } { T{} }",
    .shape = shape,
    .forward = rl_view_as,
    .view_back = rl_view_restate,
};
