/* squeeze: dims of size 1 go away: those named, or all; a view.  [1, a, 1] -> [a] */
#include "ops/viewing.h"

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  rl_shape to = {.rank = 0};
  for (int d = 0; d < x->rank; d++) {
    bool named = !c->arg[0].given;
    for (int j = 0; c->arg[0].given && j < c->arg[0].n; j++) named = named || c->arg[0].list[j] == d;
    if (!named || x->size[d] != 1) to.size[to.rank++] = x->size[d];
  }
  return rl_view_meta(c, &to);
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIMS, .optional = true}, {0}};

const rl_op rl_op_squeeze = {
    .name = "squeeze",
    .doc = "without dims of size 1: those in `dim`, or all; dims of other sizes stay; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{1, 3, 1} } { T{1, 3, 1}, 3 } { T{1, 3, 1}, { 1, 2 } } { T{1} }",
    .shape = shape,
    .forward = rl_view_as,
    .view_back = rl_view_restate,
};
