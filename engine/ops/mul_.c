/* mul_: x = x source, source broadcast to x.  [x], [source] -> x */
#include "ops/inplace.h"

static void run(void *ctx, void *const *ptr, size_t n) {
  const rl_call *c = ctx;
  RL_BY_TYPE(c, mul, ptr[0], ptr[0], ptr[1], n);
}

static rl_status forward(rl_call *c) {
  rl_tensor *source = NULL;
  RL_TRY(rl_inplace_source(c, &source));
  rl_tensor *operand[2] = {c->in[0], source != NULL ? source : c->in[1]};
  rl_status s = rl_iter(&c->in[0]->shape, 2, operand, 3, 1, run, c);
  rl_tensor_drop(&source);
  return s;
}

const rl_op rl_op_mul_ = {
    .name = "mul_",
    .doc = "x = x source, source broadcast to x; in place",
    .class = RL_INPLACE,
    .is_method = true,
    .dtypes = RL_FLOATS,
    .in = {{"x"}, {"source", .scalar = true}},
    .samples = "{ T{2, 3}, T{3} } { T{2, 3}, 1.5 } { T{0}, T{1} }",
    .no_gradient = RL_INPLACE_NO_GRADIENT,
    .shape = rl_inplace_shape,
    .forward = forward,
};
