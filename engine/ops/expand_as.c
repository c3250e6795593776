/* expand_as: x stretched to the shape of another tensor; a view.  [1, a], [b, a] -> [b, a] */
#include "ops/expand.h"

static rl_status shape(rl_call *c) { return rl_expand_shape(c, &c->in[1]->shape); }

const rl_op rl_op_expand_as = {
    .name = "expand_as",
    .doc = "x stretched to the shape of `other`, as expand does; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}, {"other", .fixed = true, .dtypes = RL_ALL}},
    .samples = "{ T{2, 1}, T{2, 3} } { T{3}, T{2, 3} }",
    .shape = shape,
    .forward = rl_expand_forward,
    .backward = rl_expand_backward,
};
