/* copy_: x becomes a copy of source, broadcast and cast.  [x], [source] -> x */
#include "ops/inplace.h"

static rl_status forward(rl_call *c) {
  rl_tensor *source = NULL;
  RL_TRY(rl_inplace_source(c, &source));
  rl_status s = rl_copy(c->in[0], source != NULL ? source : c->in[1], false);
  rl_tensor_drop(&source);
  return s;
}

const rl_op rl_op_copy_ = {
    .name = "copy_",
    .doc = "x becomes a copy of `source`, broadcast to x and cast to its dtype; in place",
    .class = RL_INPLACE,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}, {"source", .scalar = true, .dtypes = RL_ALL}},
    .samples = "{ T{2, 3}, T{3} } { T{2, 3}, 1.5 } { T{0}, T{1} }",
    .no_gradient = RL_INPLACE_NO_GRADIENT,
    .shape = rl_inplace_shape,
    .forward = forward,
};
