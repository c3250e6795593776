/* norm_conv2d: y = conv2d(cat(skip, up(act(norm(x)))), weight) + bias in one node, and the moments of y for whoever
** normalises that next. Of normalisation, activation, enlarging and concatenation nothing is ever written: the
** convolution reads x through them.  x [N, C, H, W], skip [N, S, up H, up W], weight [Cout, (S + C) / groups, KH, KW]
** Backward: the gradient behind the convolution is masked, scaled and summed where it is written; where x takes part in
** the statistics, one pass adds the rest, an affine function of x. Source: Jung et al., arXiv 1807.01702. */
#include "ops/normalise.h"

#include "base/mem.h"
#include "base/threads.h"
#include "ops/window.h"

#include <string.h>

#define LOSSES_MAX 64 /* of one walk back */
#define BLOCK      32768

enum { X, MOMENTS, RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS, SLOPE, SKIP, CONV_WEIGHT, CONV_BIAS };
enum { TRAINING, MOMENTUM, EPS, NORM, ACT, UP, STRIDE, PADDING, DILATION, GROUPS, SKIP_LAST, WANT_MOMENTS };

static const rl_norm_row parts = {MOMENTS, RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS, SLOPE,
                                  -1,      TRAINING,     MOMENTUM,    EPS,    NORM, ACT};

/* ---- where things lie */

static int part_of_x(const rl_call *c) { return c->in[SKIP] != NULL && c->arg[SKIP_LAST].i == 0; }

static bool is_mapped(const rl_call *c) { return rl_norm_is_on(c, &parts) || c->arg[ACT].i != RL_ACT_NONE; }

static rl_conv geometry(const rl_call *c) {
  const int64_t *x = c->in[X]->shape.size, *w = c->in[CONV_WEIGHT]->shape.size, up = c->arg[UP].i;
  rl_conv s = {.dtype = c->dtype, .n = x[0], .h = x[2] * up, .w = x[3] * up, .cin = x[1], .cout = w[0]};
  s.kh = w[2], s.kw = w[3];
  rl_conv_window(&s, &c->arg[STRIDE]);
  s.ldy = s.cout;
  s.nparts = 1;
  s.part[part_of_x(c)] = (rl_conv_part){.channels = x[1], .ld = x[1], .up = (int)up};
  if (c->in[SKIP] == NULL) return s;
  int64_t more = c->in[SKIP]->shape.size[1];
  s.part[!part_of_x(c)] = (rl_conv_part){.channels = more, .ld = more, .up = 1};
  s.nparts = 2;
  s.cin += more;
  return s;
}

/* Where data is at hand: what was not saved has none. */
static void read_part(rl_conv_part *q, const rl_tensor *t) {
  if (t == NULL || t->storage == NULL) return;
  q->x = rl_data(t);
  q->ld = rl_pixel_step(t);
}

static void read_inputs(const rl_call *c, rl_conv *s) {
  read_part(&s->part[part_of_x(c)], c->in[X]);
  if (c->in[SKIP] != NULL) read_part(&s->part[!part_of_x(c)], c->in[SKIP]);
}

static void hang_map(const rl_call *c, rl_conv *s, const rl_norm_map *map) {
  rl_conv_part *q = &s->part[part_of_x(c)];
  if (!is_mapped(c)) return;
  q->px = (rl_prologue){.scale = map->scale, .shift = map->shift, .slope = map->slope, .act = map->act};
  q->mean = map->mean, q->rstd = rl_norm_rstd(c, map);
}

/* ---- shape */

static rl_status check_skip(const rl_call *c) {
  const rl_shape *x = &c->in[X]->shape;
  const rl_tensor *skip = c->in[SKIP];
  int64_t up = c->arg[UP].i, h = x->size[2] * up, w = x->size[3] * up;
  if (c->arg[GROUPS].i != 1 && (skip != NULL || up != 1))
    return rl_fail(RL_EARG, "norm_conv2d: groups = %lld with %s; these need groups = 1",
                   (long long)c->arg[GROUPS].i, skip != NULL ? "a skip" : "up = 2");
  if (skip == NULL) return RL_OK;
  const int64_t *s = skip->shape.size;
  if (skip->shape.rank == 4 && s[0] == x->size[0] && s[2] == h && s[3] == w) return RL_OK;
  return rl_fail(RL_ESHAPE, "norm_conv2d: skip is %s, x %s with up = %lld; skip must be %lldxCx%lldx%lld",
                 rl_shape_text(&skip->shape), rl_shape_text(x), (long long)up, (long long)x->size[0],
                 (long long)h, (long long)w);
}

static rl_status check_weight(const rl_call *c) {
  const rl_tensor *skip = c->in[SKIP], *bias = c->in[CONV_BIAS];
  const int64_t *w = c->in[CONV_WEIGHT]->shape.size, groups = c->arg[GROUPS].i;
  const char *xs = rl_shape_text(&c->in[X]->shape), *ws = rl_shape_text(&c->in[CONV_WEIGHT]->shape);
  int64_t more = skip == NULL ? 0 : skip->shape.size[1], channels = c->in[X]->shape.size[1] + more;
  if (channels != w[1] * groups)
    return rl_fail(RL_ESHAPE,
                   "norm_conv2d: x is %s and skip has %lld channels, conv_weight is %s with %lld groups; it "
                   "takes %lld channels, not %lld",
                   xs, (long long)more, ws, (long long)groups, (long long)(w[1] * groups),
                   (long long)channels);
  if (w[0] % groups != 0)
    return rl_fail(RL_ESHAPE,
                   "norm_conv2d: conv_weight is %s; its %lld outputs do not divide into %lld groups", ws,
                   (long long)w[0], (long long)groups);
  if (w[2] == 0 || w[3] == 0)
    return rl_fail(RL_ESHAPE, "norm_conv2d: conv_weight is %s; the kernel is empty", ws);
  if (bias != NULL && (bias->shape.rank != 1 || bias->shape.size[0] != w[0]))
    return rl_fail(RL_ESHAPE,
                   "norm_conv2d: conv_bias is %s, conv_weight %s; it has one number per output channel",
                   rl_shape_text(&bias->shape), ws);
  return RL_OK;
}

static rl_status shape(rl_call *c) {
  const char *xs = rl_shape_text(&c->in[X]->shape), *ws = rl_shape_text(&c->in[CONV_WEIGHT]->shape);
  if (c->in[X]->shape.rank != 4 || c->in[CONV_WEIGHT]->shape.rank != 4)
    return rl_fail(RL_ESHAPE,
                   "norm_conv2d: x is %s, conv_weight %s; both need four dims (N,C,H,W and out,in,KH,KW)", xs,
                   ws);
  RL_TRY(rl_norm_check(c, &parts));
  RL_TRY(check_skip(c));
  RL_TRY(check_weight(c));
  rl_conv s = geometry(c);
  if (s.oh <= 0 || s.ow <= 0)
    return rl_fail(RL_ESHAPE,
                   "norm_conv2d: x is %s with up = %lld, conv_weight %s; the kernel does not fit, use more "
                   "padding or larger images",
                   xs, (long long)c->arg[UP].i, ws);
  c->meta[0] = (rl_meta){.dtype = c->dtype, .layout = RL_NHWC, .shape = {4, {s.n, s.cout, s.oh, s.ow}}};
  if (c->arg[WANT_MOMENTS].i == 0) return RL_OK;
  c->meta[1] = (rl_meta){.dtype = RL_F64, .layout = RL_ROWMAJOR, .shape = {2, {2, s.cout}}};
  c->nout = 2;
  return RL_OK;
}

/* ---- forward */

static rl_status forward(rl_call *c) {
  rl_conv s = geometry(c);
  const rl_shape *x = &c->in[X]->shape;
  int64_t n = x->size[1], rows = rl_norm_values(x);
  RL_TRY(rl_keep(c, 0, RL_F64, &(rl_shape){.rank = 2, .size = {3, n}}));
  RL_TRY(rl_keep(c, 1, c->dtype, &(rl_shape){.rank = 2, .size = {RL_NORM_LISTS, n}}));
  double *stat = rl_data(c->keep[0]);
  rl_norm_map map = rl_norm_place(c, &parts, rl_data(c->keep[1]), n);
  read_inputs(c, &s);
  const rl_conv_part *q = &s.part[part_of_x(c)];
  RL_TRY(rl_norm_statistics(c, &parts, q->x, rows, q->ld, stat));
  rl_norm_numbers(c, &parts, stat, true, &map);
  hang_map(c, &s, &map);
  s.kept = rl_kept_of(c, c->in[CONV_WEIGHT]);
  RL_TRY(rl_conv_forward(&s, rl_data(c->in[CONV_WEIGHT]),
                         c->in[CONV_BIAS] == NULL ? NULL : rl_data(c->in[CONV_BIAS]), rl_data(c->out[0]),
                         c->nout == 2 ? rl_data(c->out[1]) : NULL));
  rl_norm_move(c, &parts, stat, rows);
  return RL_OK;
}

/* ---- backward */

static bool norm_learns(const rl_call *c) {
  return rl_norm_needs(c, WEIGHT) || rl_norm_needs(c, BIAS) || rl_norm_needs(c, SLOPE);
}

static bool wants_sums(const rl_call *c) {
  return norm_learns(c) || (c->need[X] && rl_norm_by_batch(c, &parts));
}

static bool wants_data(const rl_call *c) { return c->need[X] || norm_learns(c) || rl_norm_needs(c, SKIP); }

static double flops(const rl_call *c) { /* of the products alone; the gradient of x is that of skip, too */
  const int64_t *w = c->in[CONV_WEIGHT]->shape.size;
  int passes = c->ncot == 0;
  for (int k = 0; k < c->ncot; k++) {
    rl_tensor *const *din = c->din + k * c->nin;
    passes += (din[X] != NULL || din[SKIP] != NULL) + (din[CONV_WEIGHT] != NULL);
  }
  return 2.0 * (double)rl_count(c->out[0]) * (double)(w[1] * w[2] * w[3]) * passes;
}

static unsigned saves_of(const rl_call *c) {
  bool x = c->need[CONV_WEIGHT] || (is_mapped(c) && (c->need[X] || norm_learns(c)));
  return (x ? RL_SAVE_IN(X) : 0u) | (c->in[SKIP] != NULL && c->need[CONV_WEIGHT] ? RL_SAVE_IN(SKIP) : 0u) |
         (wants_data(c) ? RL_SAVE_IN(CONV_WEIGHT) : 0u);
}

typedef struct back {
  const rl_call *c;
  rl_conv s;
  rl_norm_map map;
  int64_t n, rows, block; /* x as rows of its channels */
  double *sums;           /* [ncot][3 n], or NULL */
  char *coef;             /* [ncot][2 n] of the dtype: a, b */
  char *aside;            /* [ncot] maps like x: where only sums are wanted of it */
  void *work;
  size_t bytes;
} back;

static void *aside_of(const back *p, int k) { return rl_real_at(p->c->dtype, p->aside, k * p->rows * p->n); }

static rl_status open_back(back *p) {
  const rl_call *c = p->c;
  size_t size = c->dtype == RL_F64 ? 8 : 4, n = (size_t)p->n, k = (size_t)c->ncot;
  size_t sums = wants_sums(c) ? k * 3 * n * sizeof(double) : 0, coef = k * 2 * n * size;
  size_t aside = wants_sums(c) && !c->need[X] ? k * (size_t)p->rows * n * size : 0;
  p->bytes = sums + coef + aside;
  RL_TRY(rl_mem_alloc(&p->work, p->bytes));
  p->sums = sums > 0 ? p->work : NULL;
  p->coef = (char *)p->work + sums;
  p->aside = aside > 0 ? p->coef + coef : NULL;
  return RL_OK;
}

/* The gradients of both parts of the input, all cotangents at once. */
static rl_status back_data(back *p, const void *const *dy) {
  const rl_call *c = p->c;
  rl_conv_dx dx[LOSSES_MAX * RL_CONV_PARTS];
  int at = part_of_x(c), np = p->s.nparts;
  for (int k = 0; k < c->ncot; k++) {
    rl_tensor *const *din = c->din + k * c->nin;
    const int *beta = c->beta + k * c->nin;
    rl_conv_dx *x = &dx[k * np + at], *skip = &dx[k * np + !at];
    *x = (rl_conv_dx){.ld = p->n, .beta = din[X] != NULL && beta[X]};
    x->dx = din[X] != NULL ? rl_data(din[X]) : p->aside != NULL ? aside_of(p, k) : NULL;
    x->sums = p->sums == NULL ? NULL : p->sums + (int64_t)k * 3 * p->n;
    if (np == 1) continue;
    *skip = (rl_conv_dx){.ld = p->s.part[!at].channels, .beta = beta[SKIP]};
    skip->dx = din[SKIP] == NULL ? NULL : rl_data(din[SKIP]);
  }
  return rl_conv_back_data(&p->s, c->ncot, dy, rl_data(c->in[CONV_WEIGHT]), dx);
}

static void correct_block(void *ctx, int64_t b, int worker) {
  const back *p = ctx;
  const rl_call *c = p->c;
  const rl_conv_part *q = &p->s.part[part_of_x(c)];
  int64_t from = b * p->block, rows = p->rows - from < p->block ? p->rows - from : p->block;
  (void)worker;
  for (int k = 0; k < c->ncot; k++) {
    rl_tensor *dx = c->din[k * c->nin + X];
    if (dx == NULL) continue;
    const void *a = rl_real_at(c->dtype, p->coef, 2 * k * p->n);
    RL_BY_TYPE(c, norm_correct, rl_real_at(c->dtype, rl_data(dx), from * p->n),
               rl_real_at(c->dtype, q->x, from * q->ld), (size_t)q->ld, p->map.mean, a,
               rl_real_at(c->dtype, a, p->n), (size_t)rows, (size_t)p->n);
  }
}

/* What the sums say: the gradients of the norm's own numbers, and what dx still lacks. */
static rl_status close_norm(back *p) {
  const rl_call *c = p->c;
  const double *stat = rl_data(c->keep[0]);
  for (int k = 0; k < c->ncot; k++) {
    double *sums = p->sums + (int64_t)k * 3 * p->n;
    void *a = rl_real_at(c->dtype, p->coef, 2 * k * p->n);
    rl_norm_centre(c, stat, &p->map, sums);
    rl_norm_give(c, &parts, k, sums, p->n);
    rl_norm_correction(c, stat, sums, p->rows, &p->map, a, rl_real_at(c->dtype, a, p->n));
  }
  if (!c->need[X] || !rl_norm_by_batch(c, &parts)) return RL_OK;
  return rl_parallel(correct_block, p, rl_blocks(p->rows, p->block));
}

static rl_status back_weight(const back *p, const void *const *dy) {
  const rl_call *c = p->c;
  void *dweight[LOSSES_MAX];
  double beta[LOSSES_MAX];
  for (int k = 0; k < c->ncot; k++) {
    rl_tensor *d = c->din[k * c->nin + CONV_WEIGHT];
    dweight[k] = d == NULL ? NULL : rl_data(d);
    beta[k] = c->beta[k * c->nin + CONV_WEIGHT];
  }
  return rl_conv_back_weight(&p->s, c->ncot, dy, dweight, beta);
}

static rl_status all_grads(back *p) {
  const rl_call *c = p->c;
  const void *dy[LOSSES_MAX];
  for (int k = 0; k < c->ncot; k++) {
    dy[k] = rl_data(c->dout[k * c->nout]);
    rl_tensor *bias = c->din[k * c->nin + CONV_BIAS];
    if (bias != NULL)
      RL_TRY(rl_column_sums(c->dtype, p->s.n * p->s.oh * p->s.ow, p->s.cout, dy[k], p->s.cout, rl_data(bias),
                            c->beta[k * c->nin + CONV_BIAS]));
  }
  if (c->need[CONV_WEIGHT]) RL_TRY(back_weight(p, dy));
  if (!wants_data(c)) return RL_OK;
  RL_TRY(back_data(p, dy));
  return p->sums == NULL ? RL_OK : close_norm(p);
}

static rl_status backward(rl_call *c) {
  back p = {.c = c, .s = geometry(c), .n = c->in[X]->shape.size[1]};
  p.rows = rl_norm_values(&c->in[X]->shape);
  p.block = p.n < BLOCK && p.n > 0 ? BLOCK / p.n : 1;
  p.map = rl_norm_place(c, &parts, rl_data(c->keep[1]), p.n);
  read_inputs(c, &p.s);
  hang_map(c, &p.s, &p.map);
  RL_TRY(open_back(&p));
  rl_status s = all_grads(&p);
  rl_mem_free(p.work, p.bytes);
  return s;
}

/* ---- the row */

static const rl_param params[] = {
    {.name = "training", .kind = RL_BOOLEAN, .doc = "use the batch's statistics and move the running ones"},
    {.name = "momentum", .kind = RL_NUMBER, .preset = 0.1, .lo = 0, .hi = 1, .doc = "the batch's share"},
    {.name = "eps", .kind = RL_NUMBER, .preset = 1e-5, .lo = 0, .hi = 1e6},
    {.name = "norm", .kind = RL_BOOLEAN, .preset = 1, .doc = "false: x is read as it is"},
    {.name = "act", .kind = RL_ENUM, .words = "none relu prelu"},
    {.name = "up", .kind = RL_INTEGER, .preset = 1, .lo = 1, .hi = 2, .doc = "2: doubled, nearest neighbour"},
    {.name = "stride", .kind = RL_INTEGERS, .len = 2, .preset = 1, .lo = 1, .hi = 1 << 20},
    {.name = "padding", .kind = RL_INTEGERS, .len = 2, .preset = 0, .lo = 0, .hi = 1 << 20},
    {.name = "dilation", .kind = RL_INTEGERS, .len = 2, .preset = 1, .lo = 1, .hi = 1 << 20},
    {.name = "groups", .kind = RL_INTEGER, .preset = 1, .lo = 1, .hi = 1 << 20},
    {.name = "skip_last", .kind = RL_BOOLEAN, .doc = "skip's channels behind x's"},
    {.name = "want_moments", .kind = RL_BOOLEAN, .preset = 1, .doc = "false: only y"},
    {0}};

const rl_op rl_op_norm_conv2d = {
    .name = "norm_conv2d",
    .doc = "conv2d(cat(skip, up(act(batch_norm(x))))) + conv_bias, and y's moments 2 x Cout in f64 (mean, "
           "biased "
           "variance); x N x C x H x W; moments: x's own, where they are known; slope: PReLU's, of 1 or C "
           "numbers; "
           "skip N x S x up H x up W; conv_weight Cout x (S + C) / groups x KH x KW",
    .dtypes = RL_FLOATS,
    .batched = true,
    .several = true,
    .first_only = true,
    .in = {{"x", .layout = RL_STRIDED},
           {"moments", .optional = true, .fixed = true, .dtypes = RL_DT(RL_F64)},
           {"running_mean", .optional = true, .fixed = true, .in_place = true},
           {"running_var", .optional = true, .fixed = true, .in_place = true},
           {"weight", .optional = true},
           {"bias", .optional = true},
           {"slope", .optional = true},
           {"skip", .optional = true, .layout = RL_STRIDED},
           {"conv_weight"},
           {"conv_bias", .optional = true}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves_of = saves_of,
    .flops = flops,
    .samples =
        "{ T{2, 3, 4, 3}, NIL, NIL, NIL, T{3}, T{3}, NIL, NIL, T{4, 3, 3, 3}, T{4}, { training = true, eps = "
        "0.1, "
        "act = 'relu', padding = 1 } } "
        "{ T{2, 3, 3, 2}, NIL, T{3}, T{3, lo = 0.5, hi = 1.5}, T{3}, T{3, lo = 0.1, hi = 0.3}, T{1}, T{2, 2, "
        "6, 4}, "
        "T{4, 5, 3, 3}, NIL, { training = true, eps = 0.1, act = 'prelu', up = 2, padding = 1 } } "
        "{ T{2, 3, 3, 4}, NIL, T{3}, T{3, lo = 0.5, hi = 1.5}, T{3}, NIL, NIL, T{2, 2, 3, 4}, T{4, 5, 1, 1}, "
        "T{4}, { "
        "act = 'relu', skip_last = true } } "
        "{ T{2, 4, 3, 5}, NIL, NIL, NIL, NIL, T{4, lo = 0.1, hi = 0.3}, T{4}, NIL, T{6, 2, 3, 3}, NIL, { "
        "training = "
        "true, eps = 0.1, act = 'prelu', stride = 2, padding = 1, groups = 2, want_moments = false } } "
        "{ T{2, 3, 4, 4}, NIL, NIL, NIL, NIL, NIL, NIL, T{2, 2, 4, 4}, T{2, 5, 3, 3}, NIL, { norm = false } "
        "} "
        "{ T{2, 3, 4, 4}, NIL, NIL, NIL, NIL, NIL, T{3}, NIL, T{2, 3, 1, 1}, T{2}, { norm = false, act = "
        "'prelu' } }",
    .plain =
        "function(x, moments, mean, var, weight, bias, slope, skip, conv_weight, conv_bias, o) "
        "local v = rl.norm_act(x, nil, mean, var, weight, bias, slope, nil, { training = o.training, "
        "momentum = "
        "o.momentum, eps = o.eps, norm = o.norm, act = o.act }) "
        "if o.up == 2 then v = rl.interpolate(v, { scale_factor = 2, mode = 'nearest' }) end "
        "if skip then v = rl.cat(o.skip_last and { v, skip } or { skip, v }, { dim = 2 }) end "
        "local y = rl.conv2d(v, conv_weight, conv_bias, { stride = o.stride, padding = o.padding, dilation = "
        "o.dilation, groups = o.groups }) "
        "if o.want_moments == false then return y end "
        "local rows = y:detach():double():permute { 1, 3, 4, 2 }:reshape { -1, y.shape[2] } "
        "local off = rows - rows:mean(1) "
        "return y, rl.stack({ rows:mean(1), (off * off):mean(1) }, { dim = 1 }) end",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
