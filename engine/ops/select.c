/* select: one place of a dim, which goes away; a view.  [.., size, ..], dim, index -> [.., ..] */
#include "ops/viewing.h"

static rl_status shape(rl_call *c) {
  int d = (int)c->arg[0].i;
  int64_t place;
  RL_TRY(rl_view_place(c, 1, c->in[0]->shape.size[d], &place));
  rl_tensor part = rl_view_selected(c->in[0], d, place);
  return rl_view_meta(c, &part.shape);
}

static rl_tensor part_of(const rl_call *c, const rl_tensor *t) {
  int d = (int)c->arg[0].i;
  int64_t i = c->arg[1].i;
  return rl_view_selected(t, d, i < 0 ? i + t->shape.size[d] : i);
}

static rl_status forward(rl_call *c) {
  rl_tensor part = part_of(c, c->in[0]), *y = c->out[0];
  y->offset = part.offset;
  for (int d = 0; d < y->shape.rank; d++) y->stride[d] = part.stride[d];
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  rl_tensor part = part_of(c, c->din[0]);
  return rl_view_scatter(c->din[0], &part, c->dout[0], c->beta[0]);
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true},
                                  {.name = "index", .kind = RL_POSITION, .required = true},
                                  {0}};

const rl_op rl_op_select = {
    .name = "select",
    .doc = "the place `index` of `dim`, which goes away; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3}, 1, 2 } { T{2, 3, 4}, -2, -1 } { T{3}, 1, 3 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
