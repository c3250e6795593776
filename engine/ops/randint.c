/* randint: whole numbers from low to high, both included.  -> [shape] */
#include "ops/create.h"

static rl_status shape(rl_call *c) {
  int64_t low = c->arg[0].i, high = c->arg[1].i;
  if (high < low)
    return rl_fail(RL_EARG, "randint: high = %lld is below low = %lld", (long long)high, (long long)low);
  rl_shape s = rl_shape_make(c->arg[2].n, c->arg[2].list);
  return rl_create_meta(c, &s, RL_I64);
}

static double draw(const rl_call *c, int64_t i) {
  int64_t low = c->arg[0].i, count = c->arg[1].i - low + 1;
  double u = rl_uniform(c->draw.seed, c->draw.stream, (uint32_t)c->draw.step, 0, (uint64_t)i);
  int64_t k = (int64_t)(u * (double)count);
  return (double)(low + (k < count ? k : count - 1));
}

static rl_status forward(rl_call *c) { return rl_create_each(c, draw); }

static const rl_param params[] = {
    {.name = "low", .kind = RL_INTEGER, .required = true, .lo = -RL_EXACT / 2, .hi = RL_EXACT / 2},
    {.name = "high", .kind = RL_INTEGER, .required = true, .lo = -RL_EXACT / 2, .hi = RL_EXACT / 2},
    RL_CREATE_SHAPE,
    RL_CREATE_LAST,
    {0}};

const rl_op rl_op_randint = {
    .name = "randint",
    .doc = "random whole numbers from low to high, both included; i64 unless dtype says otherwise",
    .stochastic = true,
    .params = params,
    .samples = "{ 1, 6, { 2, 3 } } { -2, -2, {} }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = shape,
    .forward = forward,
};
