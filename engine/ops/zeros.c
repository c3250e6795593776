/* zeros: a new tensor of zeros.  -> [shape] */
#include "ops/create.h"

static rl_status forward(rl_call *c) { return rl_create_filled(c, 0); }

static const rl_param params[] = {RL_CREATE_SHAPE, RL_CREATE_LAST, {0}};

const rl_op rl_op_zeros = {
    .name = "zeros",
    .doc = "a new tensor of zeros; f32 unless dtype says otherwise",
    .params = params,
    .samples = "{ { 2, 3 } } { {} } { { 0, 2 }, { dtype = 'i64' } }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = rl_create_from_list,
    .forward = forward,
};
