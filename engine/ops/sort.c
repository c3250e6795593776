/* sort: each row along a dim in rising order, and where its elements were.
** [.., size, ..] -> values, indices (i64 from 1), both of that shape */
#include "ops/sorting.h"

static rl_status shape(rl_call *c) {
  const rl_tensor *x = c->in[0];
  c->nout = 2;
  c->meta[0] = (rl_meta){.dtype = x->dtype, .shape = x->shape, .layout = RL_ROWMAJOR};
  c->meta[1] = (rl_meta){.dtype = RL_I64, .shape = x->shape, .layout = RL_ROWMAJOR};
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  int d = (int)c->arg[0].i;
  return rl_sorting_forward(c, d, c->in[0]->shape.size[d], c->arg[1].i != 0);
}

static rl_status backward(rl_call *c) { return rl_sorting_backward(c, (int)c->arg[0].i); }

static const rl_param params[] = {
    {.name = "dim", .kind = RL_DIM, .required = true}, {.name = "descending", .kind = RL_BOOLEAN}, {0}};

const rl_op rl_op_sort = {
    .name = "sort",
    .doc =
        "values in order along `dim`, and their places (from 1); equal ones keep their order, NaN is largest",
    .several = true,
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .samples = "{ T{2, 5}, -1 } { T{4, 2}, 1, { descending = true } } { T{0}, 1 } { T{2, 3, 2}, 2 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
