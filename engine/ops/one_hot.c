/* one_hot: 1 at the index, 0 elsewhere, along a new last dim.  [any shape], classes -> [.., classes] */
#include "tensor/index.h"
#include "ops/op.h"

static rl_status shape(rl_call *c) {
  const rl_shape *index = &c->in[0]->shape;
  if (index->rank == RL_MAXRANK)
    return rl_fail(RL_ESHAPE, "one_hot: %s has no room for a dim", rl_shape_text(index));
  c->meta[0] = (rl_meta){.dtype = (rl_dtype)c->arg[1].i, .shape = *index, .layout = RL_ROWMAJOR};
  c->meta[0].shape.size[c->meta[0].shape.rank++] = c->arg[0].i;
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  const rl_tensor *index = c->in[0];
  RL_TRY(rl_fill(c->out[0], 0));
  for (int64_t i = 0; i < rl_count(index); i++) {
    int64_t at;
    RL_TRY(rl_index_get(index, i, c->arg[0].i, RL_NO_IGNORE, "one_hot", &at));
    rl_save(rl_data(c->out[0]), c->out[0]->dtype, (size_t)(i * c->arg[0].i + at), 1);
  }
  return RL_OK;
}

static const rl_param params[] = {
    {.name = "classes", .kind = RL_INTEGER, .required = true, .lo = 1, .hi = 9007199254740992.0},
    {.name = "dtype", .kind = RL_ENUM, .words = "f32 f64 i64 i32 u8 bool"},
    {0}};

const rl_op rl_op_one_hot = {
    .name = "one_hot",
    .doc = "1 at the index (i64 or i32, 1 to `classes`), 0 elsewhere, along a new last dim; f32 by default",
    .is_method = true,
    .dtypes = RL_INDEX,
    .in = {{"index"}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .samples = "{ I{4, max = 3}, 3 } { I{2, 2, max = 5}, 5, { dtype = 'f64' } } { I{0, max = 2}, 2 }",
    .no_gradient = "positions are whole numbers",
    .shape = shape,
    .forward = forward,
};
