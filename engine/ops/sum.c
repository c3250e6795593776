/* sum: over all elements, or over some dims; in double.  [any shape] -> [the other dims] */
#include "ops/op.h"

static rl_status shape(rl_call *c) {
  const rl_arg *dim = &c->arg[0];
  bool keepdim = c->arg[1].i != 0, gone[RL_MAXRANK] = {false};
  rl_meta *m = &c->meta[0];
  for (int j = 0; dim->given && j < dim->n; j++) gone[dim->list[j]] = true;
  m->dtype = c->in[0]->dtype;
  for (int d = 0; d < c->in[0]->shape.rank; d++) {
    if (dim->given && !gone[d])
      m->shape.size[m->shape.rank++] = c->in[0]->shape.size[d];
    else if (keepdim)
      m->shape.size[m->shape.rank++] = 1;
  }
  return RL_OK;
}

/* The output with the summed dims put back as size 1: what sums and stretches need. */
static rl_tensor with_ones(const rl_call *c, const rl_tensor *t) {
  rl_tensor r = *t;
  bool gone[RL_MAXRANK] = {false};
  for (int j = 0; c->arg[0].given && j < c->arg[0].n; j++) gone[c->arg[0].list[j]] = true;
  r.shape.rank = c->in[0]->shape.rank;
  for (int d = 0, o = 0; d < r.shape.rank; d++) {
    bool summed = !c->arg[0].given || gone[d];
    r.shape.size[d] = summed ? 1 : t->shape.size[o];
    r.stride[d] = summed ? 0 : t->stride[o];
    if (!summed || c->arg[1].i != 0) o++;
  }
  return r;
}

static rl_status forward(rl_call *c) {
  rl_tensor out = with_ones(c, c->out[0]);
  return rl_sum_to(&out, c->in[0], false);
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  rl_tensor dout = with_ones(c, c->dout[0]);
  return rl_copy(c->din[0], &dout, c->beta[0] != 0);
}

static const rl_param params[] = {
    {.name = "dim", .kind = RL_DIMS, .optional = true}, {.name = "keepdim", .kind = RL_BOOLEAN}, {0}};

const rl_op rl_op_sum = {
    .name = "sum",
    .doc = "the sum over dim (one or several; all elements without it), in double; keepdim leaves size 1",
    .dtypes = RL_ALL,
    .ints_in_f64 = true,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3} } { T{2, 3, 4}, { dim = { 1, -1 }, keepdim = true } } { T{2, 3, 4}, { dim = -2 } } "
               "{ T{0} } { T{} }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
