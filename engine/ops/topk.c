/* topk: the k largest of each row along a dim, in falling order, and where they were.
** [.., size, ..] -> values, indices (i64 from 1) [.., k, ..] */
#include "ops/sorting.h"

static rl_status shape(rl_call *c) {
  const rl_tensor *x = c->in[0];
  int64_t k = c->arg[0].i, d = c->arg[1].i;
  if (k > x->shape.size[d])
    return rl_fail(RL_EARG, "topk: k = %lld, but dim %lld of %s has %lld elements", (long long)k,
                   (long long)(d + 1), rl_shape_text(&x->shape), (long long)x->shape.size[d]);
  c->nout = 2;
  c->meta[0] = (rl_meta){.dtype = x->dtype, .shape = x->shape, .layout = RL_ROWMAJOR};
  c->meta[0].shape.size[d] = k;
  c->meta[1] = c->meta[0];
  c->meta[1].dtype = RL_I64;
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  return rl_sorting_forward(c, (int)c->arg[1].i, c->arg[0].i, c->arg[2].i != 0);
}

static rl_status backward(rl_call *c) { return rl_sorting_backward(c, (int)c->arg[1].i); }

static const rl_param params[] = {
    {.name = "k", .kind = RL_INTEGER, .required = true, .lo = 0, .hi = 9007199254740992.0},
    {.name = "dim", .kind = RL_DIM, .required = true},
    {.name = "largest", .kind = RL_BOOLEAN, .preset = 1},
    {0}};

const rl_op rl_op_topk = {
    .name = "topk",
    .doc = "the k largest (or smallest) along `dim`, best first, and their places (from 1)",
    .several = true,
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .samples = "{ T{2, 5}, 3, -1 } { T{4, 2}, 2, 1, { largest = false } } { T{3}, 0, 1 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
