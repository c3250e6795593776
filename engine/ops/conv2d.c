/* conv2d: 2-d convolution (cross-correlation, as in every framework).
** [N, Cin, H, W], [Cout, Cin/groups, KH, KW], [Cout]? -> [N, Cout, OH, OW], OH = (H + 2 pad - dilation (KH-1) - 1) / stride + 1 */
#include "ops/window.h"

#define LOSSES_MAX 64 /* of one walk back */

enum { STRIDE, PADDING, DILATION, GROUPS };

static rl_conv geometry(const rl_call *c) {
  const int64_t *x = c->in[0]->shape.size, *w = c->in[1]->shape.size;
  rl_conv s = {
      .dtype = c->dtype, .n = x[0], .h = x[2], .w = x[3], .cin = x[1], .cout = w[0], .kh = w[2], .kw = w[3]};
  rl_conv_window(&s, &c->arg[STRIDE]);
  s.ldy = s.cout;
  s.nparts = 1;
  s.part[0] = (rl_conv_part){.channels = s.cin, .ld = s.cin, .up = 1};
  return s;
}

static rl_status check(const rl_call *c) {
  const rl_tensor *x = c->in[0], *weight = c->in[1], *bias = c->in[2];
  const char *xs = rl_shape_text(&x->shape), *ws = rl_shape_text(&weight->shape);
  int64_t groups = c->arg[GROUPS].i;
  if (x->shape.rank != 4 || weight->shape.rank != 4)
    return rl_fail(RL_ESHAPE, "conv2d: x is %s, weight %s; both need four dims (N,C,H,W and out,in,KH,KW)",
                   xs, ws);
  const int64_t *w = weight->shape.size;
  if (x->shape.size[1] != w[1] * groups)
    return rl_fail(RL_ESHAPE, "conv2d: x is %s, weight %s with %lld groups; x must have %lld channels", xs,
                   ws, (long long)groups, (long long)(w[1] * groups));
  if (w[0] % groups != 0)
    return rl_fail(RL_ESHAPE, "conv2d: weight is %s; its %lld outputs do not divide into %lld groups", ws,
                   (long long)w[0], (long long)groups);
  if (w[2] == 0 || w[3] == 0) return rl_fail(RL_ESHAPE, "conv2d: weight is %s; the kernel is empty", ws);
  if (bias != NULL && (bias->shape.rank != 1 || bias->shape.size[0] != w[0]))
    return rl_fail(RL_ESHAPE, "conv2d: bias is %s, weight %s; bias has one number per output channel",
                   rl_shape_text(&bias->shape), ws);
  return RL_OK;
}

static rl_status shape(rl_call *c) {
  RL_TRY(check(c));
  rl_conv s = geometry(c);
  if (s.oh <= 0 || s.ow <= 0)
    return rl_fail(RL_ESHAPE,
                   "conv2d: x is %s, weight %s; the kernel does not fit, use more padding or larger images",
                   rl_shape_text(&c->in[0]->shape), rl_shape_text(&c->in[1]->shape));
  c->meta[0] = (rl_meta){.dtype = c->dtype, .layout = RL_NHWC, .shape = {4, {s.n, s.cout, s.oh, s.ow}}};
  return RL_OK;
}

static void read_x(rl_conv *s, const rl_tensor *x) {
  s->part[0].x = rl_data(x);
  s->part[0].ld = rl_pixel_step(x);
}

static rl_status forward(rl_call *c) {
  rl_conv s = geometry(c);
  read_x(&s, c->in[0]);
  s.kept = rl_kept_of(c, c->in[1]);
  return rl_conv_forward(&s, rl_data(c->in[1]), c->in[2] == NULL ? NULL : rl_data(c->in[2]),
                         rl_data(c->out[0]), NULL);
}

/* All cotangents at once: they share what is made of the weight, or of x. */
static rl_status backward(rl_call *c) {
  rl_conv s = geometry(c);
  const void *dy[LOSSES_MAX];
  rl_conv_dx dx[LOSSES_MAX];
  void *dweight[LOSSES_MAX];
  double beta[LOSSES_MAX];
  bool data = false, weight = false;
  for (int k = 0; k < c->ncot; k++) {
    rl_tensor *const *din = c->din + k * c->nin;
    const int *add = c->beta + k * c->nin;
    dy[k] = rl_data(c->dout[k]);
    dx[k] = (rl_conv_dx){.dx = din[0] == NULL ? NULL : rl_data(din[0]), .ld = s.cin, .beta = add[0]};
    dweight[k] = din[1] == NULL ? NULL : rl_data(din[1]);
    beta[k] = add[1];
    data = data || din[0] != NULL;
    weight = weight || din[1] != NULL;
    if (c->nin > 2 && din[2] != NULL)
      RL_TRY(rl_column_sums(c->dtype, s.n * s.oh * s.ow, s.cout, dy[k], s.cout, rl_data(din[2]), add[2]));
  }
  if (data) RL_TRY(rl_conv_back_data(&s, c->ncot, dy, rl_data(c->in[1]), dx));
  if (!weight) return RL_OK;
  read_x(&s, c->in[0]);
  return rl_conv_back_weight(&s, c->ncot, dy, dweight, beta);
}

static double flops(const rl_call *c) {
  const int64_t *w = c->in[1]->shape.size;
  return 2.0 * (double)rl_count(c->out[0]) * (double)(w[1] * w[2] * w[3]) * rl_passes(c, 0, 1);
}

static unsigned saves_of(const rl_call *c) {
  return (c->need[1] ? RL_SAVE_IN(0) : 0) | (c->need[0] ? RL_SAVE_IN(1) : 0);
}

static const rl_param params[] = {
    {.name = "stride", .kind = RL_INTEGERS, .len = 2, .preset = 1, .lo = 1, .hi = 1 << 20},
    {.name = "padding", .kind = RL_INTEGERS, .len = 2, .preset = 0, .lo = 0, .hi = 1 << 20},
    {.name = "dilation", .kind = RL_INTEGERS, .len = 2, .preset = 1, .lo = 1, .hi = 1 << 20},
    {.name = "groups", .kind = RL_INTEGER, .preset = 1, .lo = 1, .hi = 1 << 20},
    {0}};

const rl_op rl_op_conv2d = {
    .name = "conv2d",
    .doc = "2-d convolution; x [N, Cin, H, W], weight [Cout, Cin/groups, KH, KW], bias [Cout] or none -> [N, "
           "Cout, OH, OW], "
           "channels last in memory",
    .batched = true,
    .dtypes = RL_FLOATS,
    .in = {{"x", .layout = RL_STRIDED}, {"weight"}, {"bias", .optional = true}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves_of = saves_of,
    .flops = flops,
    .samples = "{ T{2, 3, 5, 4}, T{4, 3, 3, 3}, T{4}, { padding = 1 } } { T{1, 2, 7, 6}, T{3, 2, 3, 2}, { "
               "stride = 2 } } "
               "{ T{2, 4, 3, 3}, T{5, 4, 1, 1}, T{5} } "
               "{ T{1, 4, 6, 6}, T{6, 2, 3, 3}, { groups = 2, dilation = 2, padding = { 2, 1 } } } { T{0, 2, "
               "4, 4}, T{3, 2, 3, 3} }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
