/* clamp: y = x, but not below min nor above max; NaN stays NaN.  [any shape] -> [same] */
#include "ops/op.h"

#include <math.h>

static double low(const rl_call *c) { return c->arg[0].given ? c->arg[0].num : -INFINITY; }
static double high(const rl_call *c) { return c->arg[1].given ? c->arg[1].num : INFINITY; }

static rl_status shape(rl_call *c) {
  if (!(low(c) <= high(c))) return rl_fail(RL_EARG, "clamp: min = %g is above max = %g", low(c), high(c));
  return rl_shape_same(c);
}

static rl_status forward(rl_call *c) {
  RL_BY_TYPE(c, clamp, rl_data(c->out[0]), rl_data(c->in[0]), low(c), high(c), (size_t)rl_count(c->out[0]));
  return RL_OK;
}

/* dL/dx = dL/dy where min <= x <= max, else 0 */
static rl_status backward(rl_call *c) {
  if (c->din[0] != NULL)
    RL_BY_TYPE(c, clamp_grad, rl_data(c->din[0]), rl_data(c->dout[0]), rl_data(c->in[0]), low(c), high(c),
               c->beta[0], (size_t)rl_count(c->dout[0]));
  return RL_OK;
}

static const rl_param params[] = {{.name = "min", .kind = RL_NUMBER, .optional = true},
                                  {.name = "max", .kind = RL_NUMBER, .optional = true},
                                  {0}};

const rl_op rl_op_clamp = {
    .name = "clamp",
    .doc = "x, but not below `min` nor above `max`; either may be absent; any shape",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_RUNS,
    .saves = RL_SAVE_IN(0),
    .samples = "{ T{3, 3}, -0.13, 0.17 } { T{2, 3}, { max = 0.01 } } { T{0}, { min = 0 } } { T{}, -9 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
