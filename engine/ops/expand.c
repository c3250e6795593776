/* expand: dims of size 1 stretched to larger sizes, and new dims in front, without copying; a view with strides 0.
** [1, a] , sizes -> [sizes] */
#include "ops/expand.h"
#include "ops/viewing.h"

rl_status rl_expand_shape(rl_call *c, const rl_shape *to) {
  const rl_shape *x = &c->in[0]->shape;
  rl_shape s = *to;
  int shift = to->rank - x->rank;
  bool fits = shift >= 0;
  for (int d = 0; fits && d < s.rank; d++) {
    int64_t own = d < shift ? 1 : x->size[d - shift];
    if (s.size[d] == -1 && d >= shift) s.size[d] = own;
    fits = s.size[d] >= 0 && (own == 1 || own == s.size[d]);
  }
  if (!fits)
    return rl_fail(RL_ESHAPE,
                   "%s: %s does not stretch to %s; only dims of size 1 stretch, matched from the right",
                   c->op->name, rl_shape_text(x), rl_shape_text(to));
  RL_TRY(rl_shape_check(c->op->name, &s));
  return rl_view_meta(c, &s);
}

rl_status rl_expand_forward(rl_call *c) {
  const rl_tensor *x = c->in[0];
  rl_tensor *y = c->out[0];
  int shift = y->shape.rank - x->shape.rank;
  for (int d = y->shape.rank - 1; d >= 0; d--) {
    bool stretched = d < shift || (x->shape.size[d - shift] == 1 && y->shape.size[d] != 1);
    y->stride[d] = stretched ? 0 : x->stride[d - shift];
  }
  return RL_OK;
}

rl_status rl_expand_backward(rl_call *c) {
  return c->din[0] == NULL ? RL_OK : rl_sum_to(c->din[0], c->dout[0], c->beta[0] != 0);
}

static rl_status shape(rl_call *c) {
  rl_shape to = rl_shape_make(c->arg[0].n, c->arg[0].list);
  return rl_expand_shape(c, &to);
}

static const rl_param params[] = {
    {.name = "shape", .kind = RL_INTEGERS, .required = true, .doc = "list of sizes; -1 keeps a size"}, {0}};

const rl_op rl_op_expand = {
    .name = "expand",
    .doc = "dims of size 1 stretched to the sizes `shape` (-1 keeps one), new dims in front; a view",
    .class = RL_VIEW,
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 1}, { 2, 3 } } { T{3}, { 2, -1 } } { T{1}, { 0 } } { T{}, { 2, 2 } }",
    .shape = shape,
    .forward = rl_expand_forward,
    .backward = rl_expand_backward,
};
