/* linspace: `steps` numbers at equal distances from start to stop, both included.  -> [steps] */
#include "ops/create.h"

static rl_status shape(rl_call *c) {
  rl_shape s = {.rank = 1, .size = {c->arg[2].i}};
  RL_TRY(rl_create_meta(c, &s, RL_F32));
  if (rl_is_float(c->meta[0].dtype)) return RL_OK;
  return rl_fail(RL_ETYPE, "linspace: dtype is f32 or f64, not %s; whole numbers come from arange",
                 rl_dtype_name(c->meta[0].dtype));
}

static double value(const rl_call *c, int64_t i) { /* from the nearer end: both ends are exact */
  double a = c->arg[0].num, b = c->arg[1].num;
  int64_t n = c->arg[2].i;
  if (n == 1) return a;
  double step = (b - a) / (double)(n - 1);
  return i < n / 2 ? a + (double)i * step : b - (double)(n - 1 - i) * step;
}

static rl_status forward(rl_call *c) { return rl_create_each(c, value); }

static const rl_param params[] = {
    {.name = "start", .kind = RL_NUMBER, .required = true},
    {.name = "stop", .kind = RL_NUMBER, .required = true},
    {.name = "steps", .kind = RL_INTEGER, .required = true, .lo = 0, .hi = RL_EXACT},
    RL_CREATE_LAST,
    {0}};

const rl_op rl_op_linspace = {
    .name = "linspace",
    .doc = "`steps` numbers at equal distances from start to stop, both included; f32 or f64",
    .params = params,
    .samples = "{ 0, 1, 5 } { 2, 3, 1 } { 1, -1, 4, { dtype = 'f64' } }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = shape,
    .forward = forward,
};
