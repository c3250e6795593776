/* full: a new tensor, every element one value.  -> [shape] */
#include "ops/create.h"

static rl_status forward(rl_call *c) { return rl_create_filled(c, c->arg[1].num); }

static const rl_param params[] = {
    RL_CREATE_SHAPE, {.name = "value", .kind = RL_NUMBER, .required = true}, RL_CREATE_LAST, {0}};

const rl_op rl_op_full = {
    .name = "full",
    .doc = "a new tensor with every element `value`; f32 unless dtype says otherwise",
    .params = params,
    .samples = "{ { 2, 3 }, 7 } { {}, -1.5 } { { 0, 2 }, 3, { dtype = 'i64' } }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = rl_create_from_list,
    .forward = forward,
};
