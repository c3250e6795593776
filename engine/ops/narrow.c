/* narrow: `length` places of a dim from `start` on; a view.  [.., size, ..] -> [.., length, ..] */
#include "ops/viewing.h"

static rl_status shape(rl_call *c) {
  const rl_tensor *x = c->in[0];
  int d = (int)c->arg[0].i;
  int64_t i = c->arg[1].i, n = c->arg[2].i, limit = x->shape.size[d], from = i < 0 ? i + limit : i;
  if (from < 0 || n < 0 || from > limit || n > limit - from)
    return rl_fail(RL_EARG, "narrow: %lld places from %lld on do not lie in dim %d of %s", (long long)n,
                   (long long)(i < 0 ? i : i + 1), d + 1, rl_shape_text(&x->shape));
  rl_shape s = x->shape;
  s.size[d] = n;
  return rl_view_meta(c, &s);
}

static rl_tensor part_of(const rl_call *c, const rl_tensor *t) {
  int d = (int)c->arg[0].i;
  int64_t i = c->arg[1].i;
  return rl_view_narrowed(t, d, i < 0 ? i + t->shape.size[d] : i, c->arg[2].i);
}

static rl_status forward(rl_call *c) {
  c->out[0]->offset = part_of(c, c->in[0]).offset;
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  rl_tensor part = part_of(c, c->din[0]);
  return rl_view_scatter(c->din[0], &part, c->dout[0], c->beta[0]);
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true},
                                  {.name = "start", .kind = RL_POSITION, .required = true},
                                  {.name = "length", .kind = RL_INTEGER, .required = true},
                                  {0}};

const rl_op rl_op_narrow = {
    .name = "narrow",
    .doc = "`length` places of `dim` from `start` on; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 5}, 2, 2, 3 } { T{4, 3}, -2, -1, 1 } { T{3}, 1, 1, 0 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
