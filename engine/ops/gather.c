/* gather: y[.., i, ..] = x[.., index[.., i, ..], ..] along a dim.  [.., size, ..], [.., n, ..] -> [.., n, ..] */
#include "tensor/index.h"
#include "ops/op.h"

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape, *index = &c->in[1]->shape;
  bool fits = x->rank == index->rank;
  for (int d = 0; fits && d < x->rank; d++) fits = d == c->arg[0].i || index->size[d] <= x->size[d];
  if (!fits)
    return rl_fail(RL_ESHAPE, "gather: index is %s, x %s; the dims but %lld must agree", rl_shape_text(index),
                   rl_shape_text(x), (long long)(c->arg[0].i + 1));
  c->meta[0] = (rl_meta){.dtype = c->in[0]->dtype, .shape = *index, .layout = RL_ROWMAJOR};
  return RL_OK;
}

/* keep[0]: for each output element the place of its source in x, row by row */
static rl_status find(rl_call *c) {
  const rl_tensor *x = c->in[0], *index = c->in[1];
  int dim = (int)c->arg[0].i, rank = x->shape.rank;
  RL_TRY(rl_keep(c, 0, RL_I64, &index->shape));
  int64_t stride[RL_MAXRANK], *from = rl_data(c->keep[0]);
  rl_strides_rowmajor(&x->shape, stride);
  for (int64_t i = 0; i < rl_count(index); i++) {
    int64_t rest = i, at;
    RL_TRY(rl_index_get(index, i, x->shape.size[dim], RL_NO_IGNORE, "gather", &at));
    from[i] = at * stride[dim];
    for (int d = rank - 1; d >= 0; d--) {
      if (d != dim) from[i] += rest % index->shape.size[d] * stride[d];
      rest /= index->shape.size[d];
    }
  }
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  RL_TRY(find(c));
  const int64_t *from = rl_data(c->keep[0]);
  rl_tensor *y = c->out[0];
  for (int64_t i = 0; i < rl_count(y); i++)
    rl_save(rl_data(y), y->dtype, (size_t)i, rl_load(rl_data(c->in[0]), y->dtype, (size_t)from[i]));
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  rl_tensor *dx = c->din[0], *dy = c->dout[0];
  if (dx == NULL) return RL_OK;
  const int64_t *from = rl_data(c->keep[0]);
  if (c->beta[0] == 0) RL_TRY(rl_fill(dx, 0));
  for (int64_t i = 0; i < rl_count(dy); i++) {
    double was = rl_load(rl_data(dx), dx->dtype, (size_t)from[i]);
    rl_save(rl_data(dx), dx->dtype, (size_t)from[i], was + rl_load(rl_data(dy), dy->dtype, (size_t)i));
  }
  return RL_OK;
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true}, {0}};

const rl_op rl_op_gather = {
    .name = "gather",
    .doc = "y[.., i, ..] = x[.., index[.., i, ..], ..] along `dim`; index (i64 or i32, from 1) has y's shape",
    .is_method = true,
    .dtypes = RL_FLOATS,
    .in = {{"x"}, {"index", .fixed = true, .dtypes = RL_INDEX}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .samples =
        "{ T{3, 4}, I{3, 2, max = 4}, 2 } { T{3, 4}, I{5, 4, max = 3}, -2 } { T{4}, I{0, max = 4}, 1 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
