/* reshape: the elements in row-major order under other sizes; a view where strides allow, else a copy.
** [any shape], sizes -> [sizes] */
#include "ops/viewing.h"

static rl_status shape(rl_call *c) { return rl_view_meta_from_list(c, c->arg[0].n, c->arg[0].list); }

static const rl_param params[] = {
    {.name = "shape", .kind = RL_INTEGERS, .required = true, .doc = "list of sizes; one may be -1"}, {0}};

const rl_op rl_op_reshape = {
    .name = "reshape",
    .doc = "the elements in row-major order under the sizes `shape`, one of which may be -1; a view where it "
           "can be",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 6}, { 3, -1 } } { T{2, 3, 2}, { 6, 2 } } { T{1}, {} } { T{0, 3}, { 3, 0 } }",
    .shape = shape,
    .forward = rl_view_as,
    .view_back = rl_view_restate,
};
