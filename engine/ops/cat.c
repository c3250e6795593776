/* cat: tensors joined along a dim they have; channels last if the first one is.
** [.., a, ..], [.., b, ..] -> [.., a + b, ..] */
#include "ops/along.h"
#include "ops/viewing.h"

static rl_status shape(rl_call *c) {
  const rl_shape *first = &c->in[0]->shape;
  int d = (int)c->arg[0].i;
  rl_meta *m = &c->meta[0];
  *m = (rl_meta){.dtype = c->in[0]->dtype, .shape = *first, .layout = rl_along_layout(c->in[0])};
  for (int i = 1; i < c->nin; i++) {
    rl_shape s = c->in[i]->shape;
    int64_t size = s.rank == first->rank ? s.size[d] : 0;
    s.size[d] = first->size[d];
    if (!rl_shape_equal(&s, first))
      return rl_fail(RL_ESHAPE, "cat: tensor %d is %s, the first %s; all but dim %d must agree", i + 1,
                     rl_shape_text(&c->in[i]->shape), rl_shape_text(first), d + 1);
    m->shape.size[d] += size;
  }
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  int d = (int)c->arg[0].i;
  int64_t at = 0;
  for (int i = 0; i < c->nin; i++) {
    int64_t n = c->in[i]->shape.size[d];
    rl_tensor part = rl_view_narrowed(c->out[0], d, at, n);
    RL_TRY(rl_copy(&part, c->in[i], false));
    at += n;
  }
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  int d = (int)c->arg[0].i;
  int64_t at = 0;
  for (int i = 0; i < c->nin; i++) {
    int64_t n = c->in[i]->shape.size[d];
    rl_tensor part = rl_view_narrowed(c->dout[0], d, at, n);
    if (c->din[i] != NULL) RL_TRY(rl_copy(c->din[i], &part, c->beta[i] != 0));
    at += n;
  }
  return RL_OK;
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true}, {0}};

const rl_op rl_op_cat = {
    .name = "cat",
    .doc = "tensors (a list, or one after another) joined along `dim`; all other sizes agree",
    .dtypes = RL_ALL,
    .in = {{"tensors", .variadic = true}},
    .params = params,
    .samples = "{ { T{2, 3}, T{1, 3} }, 1 } { { T{2, 3}, T{2, 1}, T{2, 2} }, -1 } { { T{3} }, 1 } "
               "{ { T{2, 0}, T{2, 2} }, 2 } { { T{2, 3, 2, 2}, T{2, 1, 2, 2} }, 2 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
