/* empty: a new tensor whose contents are undefined, to be filled by copy_ or an assignment.  -> [shape] */
#include "ops/create.h"

static rl_status forward(rl_call *c) {
  rl_create_mark(c);
  return RL_OK;
}

static const rl_param params[] = {RL_CREATE_SHAPE, RL_CREATE_LAST, {0}};

const rl_op rl_op_empty = {
    .name = "empty",
    .doc = "a new tensor with undefined contents; f32 unless dtype says otherwise",
    .params = params,
    .samples = "{ { 0, 3 } }",
    .no_gradient = RL_CREATE_NO_GRADIENT,
    .shape = rl_create_from_list,
    .forward = forward,
};
