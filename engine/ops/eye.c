/* eye: ones on the diagonal, zeros elsewhere.  -> [n, m] */
#include "ops/create.h"

static int64_t columns(const rl_call *c) { return c->arg[1].given ? c->arg[1].i : c->arg[0].i; }

static rl_status shape(rl_call *c) {
  rl_shape s = {.rank = 2, .size = {c->arg[0].i, columns(c)}};
  return rl_create_meta(c, &s, RL_F32);
}

static double value(const rl_call *c, int64_t i) {
  int64_t m = columns(c);
  return i / m == i % m;
}

static rl_status forward(rl_call *c) { return rl_create_each(c, value); }

static const rl_param params[] = {
    {.name = "n", .kind = RL_INTEGER, .required = true, .lo = 0, .hi = RL_EXACT},
    {.name = "m", .kind = RL_INTEGER, .optional = true, .lo = 0, .hi = RL_EXACT},
    RL_CREATE_LAST,
    {0}};

const rl_op rl_op_eye = {
    .name = "eye",
    .doc = "n x m (m = n if absent): ones on the diagonal, zeros elsewhere; f32 unless dtype says otherwise",
    .params = params,
    .samples = "{ 3 } { 2, 4 } { 0 }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = shape,
    .forward = forward,
};
