/* randperm: the numbers 1 to n in random order (Fisher and Yates, from the end).  -> [n] */
#include "ops/create.h"

static rl_status shape(rl_call *c) {
  rl_shape s = {.rank = 1, .size = {c->arg[0].i}};
  return rl_create_meta(c, &s, RL_I64);
}

static rl_status forward(rl_call *c) {
  rl_tensor *t = c->out[0];
  void *p = rl_data(t);
  int64_t n = rl_count(t);
  for (int64_t i = 0; i < n; i++) rl_save(p, t->dtype, (size_t)i, (double)(i + 1));
  for (int64_t i = n - 1; i > 0; i--) {
    double u = rl_uniform(c->draw.seed, c->draw.stream, (uint32_t)c->draw.step, 0, (uint64_t)i);
    size_t j = (size_t)(u * (double)(i + 1));
    double a = rl_load(p, t->dtype, (size_t)i), b = rl_load(p, t->dtype, j);
    rl_save(p, t->dtype, (size_t)i, b);
    rl_save(p, t->dtype, j, a);
  }
  rl_create_mark(c);
  return RL_OK;
}

static const rl_param params[] = {
    {.name = "n", .kind = RL_INTEGER, .required = true, .lo = 0, .hi = RL_EXACT}, RL_CREATE_LAST, {0}};

const rl_op rl_op_randperm = {
    .name = "randperm",
    .doc = "the numbers 1 to n in random order; i64 unless dtype says otherwise",
    .stochastic = true,
    .params = params,
    .samples = "{ 5 } { 0 } { 1 }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = shape,
    .forward = forward,
};
