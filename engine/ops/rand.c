/* rand: uniform in [0, 1), each element drawn by its place.  -> [shape] */
#include "ops/create.h"

static double draw(const rl_call *c, int64_t i) { /* f32 has 24 bits: rounding up to 1 must not happen */
  double u = rl_uniform(c->draw.seed, c->draw.stream, (uint32_t)c->draw.step, 0, (uint64_t)i);
  return c->out[0]->dtype == RL_F32 ? (double)(int64_t)(u * 0x1p24) * 0x1p-24 : u;
}

static rl_status shape(rl_call *c) {
  RL_TRY(rl_create_from_list(c));
  if (rl_is_float(c->meta[0].dtype)) return RL_OK;
  return rl_fail(RL_ETYPE, "rand: dtype is f32 or f64, not %s; whole numbers come from randint",
                 rl_dtype_name(c->meta[0].dtype));
}

static rl_status forward(rl_call *c) { return rl_create_each(c, draw); }

static const rl_param params[] = {RL_CREATE_SHAPE, RL_CREATE_LAST, {0}};

const rl_op rl_op_rand = {
    .name = "rand",
    .doc = "uniform random numbers in [0, 1); f32 or f64; repeatable by rl.manual_seed",
    .stochastic = true,
    .params = params,
    .samples = "{ { 2, 3 } } { {}, { dtype = 'f64' } }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = shape,
    .forward = forward,
};
