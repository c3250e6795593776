/* arange: start, start + step, ... up to stop, which is included, as in Lua's for.  -> [count] */
#include "ops/create.h"

#include <math.h>

static double first(const rl_call *c) { return c->arg[1].given ? c->arg[0].num : 1; }
static double last(const rl_call *c) { return c->arg[c->arg[1].given ? 1 : 0].num; }

static bool whole(double v) { return v == floor(v) && fabs(v) <= RL_EXACT; }

static rl_status shape(rl_call *c) {
  double start = first(c), stop = last(c), step = c->arg[2].num;
  if (!isfinite(start) || !isfinite(stop) || !isfinite(step) || step == 0)
    return rl_fail(RL_EARG, "arange: from %g to %g by %g has no end; all are finite, and step is not 0",
                   start, stop, step);
  bool integer = whole(start) && whole(stop) && whole(step);
  /* a float step may miss `stop` by its rounding: half a billionth of a step is forgiven */
  double steps = floor((stop - start) / step + (integer ? 0 : 1e-9)), count = steps < 0 ? 0 : steps + 1;
  if (count > RL_EXACT)
    return rl_fail(RL_EARG, "arange: %g elements are too many; take a larger step", count);
  rl_shape s = {.rank = 1, .size = {(int64_t)count}};
  return rl_create_meta(c, &s, integer ? RL_I64 : RL_F32);
}

static double value(const rl_call *c, int64_t i) { return first(c) + (double)i * c->arg[2].num; }

static rl_status forward(rl_call *c) { return rl_create_each(c, value); }

static const rl_param params[] = {{.name = "start", .kind = RL_NUMBER, .required = true},
                                  {.name = "stop", .kind = RL_NUMBER, .optional = true},
                                  {.name = "step", .kind = RL_NUMBER, .preset = 1},
                                  RL_CREATE_LAST,
                                  {0}};

const rl_op rl_op_arange = {
    .name = "arange",
    .doc = "start, start + step, ... up to stop, which is included as in Lua's for; arange(n) is 1 to n; i64 "
           "if all are whole, else f32",
    .params = params,
    .samples = "{ 5 } { 2, 4 } { 0, 1, 0.25 } { 3, 1 } { 5, 1, -2 }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = shape,
    .forward = forward,
};
