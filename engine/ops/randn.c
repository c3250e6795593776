/* randn: standard normal, each element drawn by its place.  -> [shape] */
#include "ops/create.h"

static double draw(const rl_call *c, int64_t i) {
  return rl_normal(c->draw.seed, c->draw.stream, (uint32_t)c->draw.step, 0, (uint64_t)i);
}

static rl_status shape(rl_call *c) {
  RL_TRY(rl_create_from_list(c));
  if (rl_is_float(c->meta[0].dtype)) return RL_OK;
  return rl_fail(RL_ETYPE, "randn: dtype is f32 or f64, not %s; whole numbers come from randint",
                 rl_dtype_name(c->meta[0].dtype));
}

static rl_status forward(rl_call *c) { return rl_create_each(c, draw); }

static const rl_param params[] = {RL_CREATE_SHAPE, RL_CREATE_LAST, {0}};

const rl_op rl_op_randn = {
    .name = "randn",
    .doc = "normal random numbers, mean 0, variance 1; f32 or f64; repeatable by rl.manual_seed",
    .stochastic = true,
    .params = params,
    .samples = "{ { 2, 3 } } { {}, { dtype = 'f64' } }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = shape,
    .forward = forward,
};
