/* clone: a copy of its own, laid out as x.  [any shape] -> [same] */
#include "ops/op.h"

static rl_status forward(rl_call *c) { return rl_copy(c->out[0], c->in[0], false); }

static rl_status backward(rl_call *c) {
  return c->din[0] == NULL ? RL_OK : rl_copy(c->din[0], c->dout[0], c->beta[0] != 0);
}

const rl_op rl_op_clone = {
    .name = "clone",
    .doc = "a copy that shares no memory with x; any shape",
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .samples = "{ T{2, 3} } { T{0} } { T{} }",
    .shape = rl_shape_same,
    .forward = forward,
    .backward = backward,
};
