/* dense_block: all layers of a DenseNet block as one node: BN, ReLU, 1x1, BN, ReLU, 3x3 each, its maps appended behind its
** input.  [N, C0, H, W] -> [N, C0 + layers growth, H, W]
** Concatenation does not exist here: layers write into one buffer; each channel's statistics are taken once, when it is written;
** BN and ReLU ride on the packing of the convolutions. Source: Huang et al., arXiv 1608.06993; shared storage: Pleiss et al.,
** arXiv 1707.06990. */
#include "ops/fused/dense.h"

#include "base/mem.h"
#include "base/threads.h"

#include <math.h>

/* ---- where things lie */

double rl_dense_get(const rl_dense *d, const void *p, int64_t i) {
  return d->size == 8 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

void rl_dense_set(const rl_dense *d, void *p, int64_t i, double v) {
  if (d->size == 8)
    ((double *)p)[i] = v;
  else
    ((float *)p)[i] = (float)v;
}

rl_dense rl_dense_of(rl_call *c) {
  const int64_t *x = c->in[0]->shape.size;
  rl_dense d = {.c = c, .size = c->dtype == RL_F64 ? 8 : 4, .n = x[0], .c0 = x[1], .h = x[2], .w = x[3]};
  d.layers = (c->nin - 1) / DENSE_INPUTS;
  d.mid = c->in[rl_dense_at(0, DENSE_CONV1)]->shape.size[0];
  d.growth = c->in[rl_dense_at(0, DENSE_CONV2)]->shape.size[0];
  d.pixels = d.n * d.h * d.w;
  d.channels = d.c0 + d.layers * d.growth;
  d.training = c->arg[DENSE_TRAINING].i != 0;
  return d;
}

/* Elements before layer `layer` of the kept tensor: four lists for each of a layer's two normalisations. */
static int64_t norms_size(const rl_dense *d, int64_t layer) {
  return 4 * layer * (d->c0 + d->mid) + 2 * layer * (layer - 1) * d->growth;
}

rl_norm rl_dense_norm(const rl_dense *d, const rl_tensor *kept, int64_t layer, int which) {
  int64_t cin = rl_dense_cin(d, layer);
  rl_norm q = {.n = which == 0 ? cin : d->mid};
  q.scale = (char *)rl_data(kept) + (norms_size(d, layer) + (which == 0 ? 0 : 4 * cin)) * d->size;
  q.shift = q.scale + q.n * d->size;
  q.mean = q.shift + q.n * d->size;
  q.rstd = q.mean + q.n * d->size;
  return q;
}

rl_conv rl_dense_conv2(const rl_dense *d, const rl_norm *norm2, const void *y1) {
  return (rl_conv){.dtype = d->c->dtype,
                   .n = d->n,
                   .h = d->h,
                   .w = d->w,
                   .oh = d->h,
                   .ow = d->w,
                   .cin = d->mid,
                   .cout = d->growth,
                   .kh = 3,
                   .kw = 3,
                   .stride = {1, 1},
                   .pad = {1, 1},
                   .dilation = {1, 1},
                   .groups = 1,
                   .ldy = d->channels,
                   .nparts = 1,
                   .part = {{.x = y1,
                             .channels = d->mid,
                             .ld = d->mid,
                             .px = {.scale = norm2->scale, .shift = norm2->shift, .act = RL_ACT_RELU},
                             .mean = norm2->mean,
                             .rstd = norm2->rstd,
                             .up = 1}}};
}

/* ---- shape */

static const rl_input layer_inputs[DENSE_INPUTS] = {{"norm1.weight", .unsaved = true},
                                                    {"norm1.bias", .unsaved = true},
                                                    {.name = "conv1.weight"},
                                                    {"norm2.weight", .unsaved = true},
                                                    {"norm2.bias", .unsaved = true},
                                                    {.name = "conv2.weight"},
                                                    {"norm1.running_mean", .fixed = true, .in_place = true},
                                                    {"norm1.running_var", .fixed = true, .in_place = true},
                                                    {"norm2.running_mean", .fixed = true, .in_place = true},
                                                    {"norm2.running_var", .fixed = true, .in_place = true}};

static rl_status check_layer(const rl_dense *d, int64_t l) {
  const int64_t cin = rl_dense_cin(d, l), mid = d->mid, growth = d->growth;
  const rl_shape want[DENSE_INPUTS] = {{1, {cin}}, {1, {cin}}, {4, {mid, cin, 1, 1}},
                                       {1, {mid}}, {1, {mid}}, {4, {growth, mid, 3, 3}},
                                       {1, {cin}}, {1, {cin}}, {1, {mid}},
                                       {1, {mid}}};
  for (int i = 0; i < DENSE_INPUTS; i++) {
    const rl_tensor *t = d->c->in[rl_dense_at(l, i)];
    if (t == NULL || !rl_shape_equal(&t->shape, &want[i]))
      return rl_fail(RL_ESHAPE, "dense_block: %s of layer %lld is %s, must be %s for x %s",
                     layer_inputs[i].name, (long long)l + 1, t == NULL ? "missing" : rl_shape_text(&t->shape),
                     rl_shape_text(&want[i]), rl_shape_text(&d->c->in[0]->shape));
  }
  return RL_OK;
}

static rl_status shape(rl_call *c) {
  if (c->in[0]->shape.rank != 4)
    return rl_fail(RL_ESHAPE, "dense_block: x is %s; it needs four dims N,C,H,W",
                   rl_shape_text(&c->in[0]->shape));
  if (c->nin < 1 + DENSE_INPUTS || (c->nin - 1) % DENSE_INPUTS != 0)
    return rl_fail(RL_EARG,
                   "dense_block: %d layer tensors; each layer has %d: norm1 weight, bias, conv1 weight, "
                   "norm2 weight, bias, "
                   "conv2 weight, then the running mean and variance of norm1 and norm2",
                   c->nin - 1, DENSE_INPUTS);
  for (int i = 1; i < c->nin; i++)
    if (c->in[i] == NULL ||
        ((i - 1) % DENSE_INPUTS % 3 == 2 && (i - 1) % DENSE_INPUTS < 6 && c->in[i]->shape.rank != 4))
      return rl_fail(RL_ESHAPE, "dense_block: tensor %d of the layers must be a convolution's weight", i);
  rl_dense d = rl_dense_of(c);
  for (int64_t l = 0; l < d.layers; l++) RL_TRY(check_layer(&d, l));
  if (d.training && d.pixels == 1)
    return rl_fail(RL_ESHAPE,
                   "dense_block: x is %s; one value per channel has no variance, use training = false",
                   rl_shape_text(&c->in[0]->shape));
  c->meta[0] = (rl_meta){.dtype = c->dtype, .layout = RL_NHWC, .shape = {4, {d.n, d.channels, d.h, d.w}}};
  return RL_OK;
}

/* ---- statistics */

/* Fills a normalisation from given moments, or in evaluation from the running ones. */
static void prepare(const rl_dense *d, const rl_norm *q, int64_t layer, int which, const double *mean,
                    const double *var) {
  rl_tensor **in = d->c->in + rl_dense_at(layer, 0);
  const void *weight = rl_data(in[which == 0 ? DENSE_NORM1_W : DENSE_NORM2_W]),
             *bias = rl_data(in[which == 0 ? DENSE_NORM1_B : DENSE_NORM2_B]);
  const rl_tensor *kept_mean = in[which == 0 ? DENSE_MEAN1 : DENSE_MEAN2],
                  *kept_var = in[which == 0 ? DENSE_VAR1 : DENSE_VAR2];
  double eps = d->c->arg[DENSE_EPS].num;
  for (int64_t j = 0; j < q->n; j++) {
    double m = d->training ? mean[j] : rl_dense_get(d, rl_at(kept_mean, j * kept_mean->stride[0]), 0),
           v = d->training ? var[j] : rl_dense_get(d, rl_at(kept_var, j * kept_var->stride[0]), 0);
    double rstd = 1 / sqrt(v + eps), scale = rl_dense_get(d, weight, j) * rstd;
    rl_dense_set(d, q->mean, j, m);
    rl_dense_set(d, q->rstd, j, rstd);
    rl_dense_set(d, q->scale, j, scale);
    rl_dense_set(d, q->shift, j, rl_dense_get(d, bias, j) - m * scale);
  }
}

/* running = (1 - momentum) running + momentum new; the variance unbiased, as in PyTorch. */
static void update_running(const rl_dense *d, rl_tensor *mean, rl_tensor *var, const double *m,
                           const double *v, int64_t n) {
  double momentum = d->c->arg[DENSE_MOMENTUM].num, unbiased = (double)d->pixels / (double)(d->pixels - 1);
  for (int64_t j = 0; j < n; j++) {
    void *pm = rl_at(mean, j * mean->stride[0]), *pv = rl_at(var, j * var->stride[0]);
    rl_dense_set(d, pm, 0, (1 - momentum) * rl_dense_get(d, pm, 0) + momentum * m[j]);
    rl_dense_set(d, pv, 0, (1 - momentum) * rl_dense_get(d, pv, 0) + momentum * v[j] * unbiased);
  }
}

/* ---- forward */

typedef struct
    room { /* doubles: moments of the buffer's columns, of every layer's middle, and of what was just written */
  double *mean, *var, *middle, *made;
} room;

/* Moments of n columns as the kernels give them, to their place among the buffer's. */
static void note_moments(const room *r, int64_t at, int64_t n) {
  for (int64_t j = 0; j < n; j++) r->mean[at + j] = r->made[j], r->var[at + j] = r->made[n + j];
}

/* In evaluation all normalisations are known beforehand. */
static void prepare_layer(void *ctx, int64_t l, int worker) {
  const rl_dense *d = ctx;
  (void)worker;
  for (int which = 0; which < 2; which++) {
    rl_norm q = rl_dense_norm(d, d->c->keep[1], l, which);
    prepare(d, &q, l, which, NULL, NULL);
  }
}

static rl_status layer_forward(const rl_dense *d, const room *r, int64_t l, char *y1) {
  rl_tensor **in = d->c->in + rl_dense_at(l, 0);
  int64_t cin = rl_dense_cin(d, l);
  char *x = rl_data(d->c->out[0]);
  rl_norm norm1 = rl_dense_norm(d, d->c->keep[1], l, 0), norm2 = rl_dense_norm(d, d->c->keep[1], l, 1);
  double *middle = r->middle + 2 * l * d->mid;
  if (d->training) prepare(d, &norm1, l, 0, r->mean, r->var);
  rl_gemm g = {.dtype = d->c->dtype, .tb = true, .m = d->pixels, .n = d->mid, .k = cin};
  g.a = x, g.lda = d->channels;
  g.b = rl_data(in[DENSE_CONV1]), g.ldb = cin;
  g.c = y1, g.ldc = d->mid;
  g.pa = (rl_prologue){.scale = norm1.scale, .shift = norm1.shift, .act = RL_ACT_RELU};
  g.moments = d->training ? middle : NULL;
  g.kept = rl_kept_of(d->c, in[DENSE_CONV1]);
  RL_TRY(rl_gemm_run(&g));
  if (d->training) prepare(d, &norm2, l, 1, middle, middle + d->mid);
  rl_conv conv2 = rl_dense_conv2(d, &norm2, y1);
  conv2.kept = rl_kept_of(d->c, in[DENSE_CONV2]);
  bool wanted = d->training && l + 1 < d->layers;
  RL_TRY(rl_conv_forward(&conv2, rl_data(in[DENSE_CONV2]), NULL, x + cin * d->size, wanted ? r->made : NULL));
  if (wanted) note_moments(r, cin, d->growth);
  return RL_OK;
}

static rl_status all_layers(const rl_dense *d, const room *r) {
  rl_tensor first = *d->c->out[0];
  first.shape.size[1] = d->c0;
  RL_TRY(rl_copy(&first, d->c->in[0], false));
  if (d->pixels == 0) return RL_OK;
  if (d->training) {
    RL_TRY(rl_column_moments(d->c->dtype, d->pixels, d->c0, rl_data(d->c->out[0]), d->channels, r->made));
    note_moments(r, 0, d->c0);
  } else
    RL_TRY(rl_parallel(prepare_layer, (void *)d, d->layers));
  for (int64_t l = 0; l < d->layers; l++)
    RL_TRY(layer_forward(
        d, r, l, (char *)rl_data(d->c->keep[0]) + (d->c->grad ? l * d->pixels * d->mid * d->size : 0)));
  for (int64_t l = 0; l < d->layers && d->training; l++) {
    rl_tensor **in = d->c->in + rl_dense_at(l, 0);
    update_running(d, in[DENSE_MEAN1], in[DENSE_VAR1], r->mean, r->var, rl_dense_cin(d, l));
    const double *middle = r->middle + 2 * l * d->mid;
    update_running(d, in[DENSE_MEAN2], in[DENSE_VAR2], middle, middle + d->mid, d->mid);
  }
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  rl_dense d = rl_dense_of(c);
  rl_shape middle = {3, {c->grad ? d.layers : 1, d.pixels, d.mid}}, norms = {1, {norms_size(&d, d.layers)}};
  RL_TRY(rl_keep(c, 0, c->dtype, &middle));
  RL_TRY(rl_keep(c, 1, c->dtype, &norms));
  int64_t made = d.c0 > d.growth ? d.c0 : d.growth;
  size_t bytes = (size_t)(2 * (d.channels + d.layers * d.mid + made)) * sizeof(double);
  void *memory = NULL;
  RL_TRY(rl_mem_alloc(&memory, bytes));
  room r = {.mean = memory};
  r.var = r.mean + d.channels;
  r.middle = r.var + d.channels;
  r.made = r.middle + 2 * d.layers * d.mid;
  rl_status s = all_layers(&d, &r);
  rl_mem_free(memory, bytes);
  return s;
}

static const rl_param params[] = {{.name = "eps", .kind = RL_NUMBER, .preset = 1e-5, .lo = 0, .hi = 1},
                                  {.name = "momentum", .kind = RL_NUMBER, .preset = 0.1, .lo = 0, .hi = 1},
                                  {.name = "training", .kind = RL_BOOLEAN, .preset = 0},
                                  {0}};

static double flops(const rl_call *c) { /* of the products alone */
  const int64_t *x = c->in[0]->shape.size;
  int64_t weights = 0;
  for (int l = 0; rl_dense_at(l, DENSE_CONV2) < c->nin; l++)
    weights += rl_count(c->in[rl_dense_at(l, DENSE_CONV1)]) + rl_count(c->in[rl_dense_at(l, DENSE_CONV2)]);
  return 2.0 * (double)(x[0] * x[2] * x[3]) * (double)weights * (c->ncot == 0 ? 1 : 2 * c->ncot);
}

const rl_op rl_op_dense_block = {
    .name = "dense_block",
    .doc = "a DenseNet block; x [N, C0, H, W], then per layer norm1 weight, bias [Cin], conv1 weight [mid, "
           "Cin, 1, 1], norm2 weight, "
           "bias [mid], conv2 weight [growth, mid, 3, 3] and the running mean and variance of norm1 and "
           "norm2, which training updates",
    .dtypes = RL_FLOATS,
    .in = {{"x", .layout = RL_STRIDED},
           {"layers", .variadic = true, .cycle = layer_inputs, .round = DENSE_INPUTS}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .samples = "{ T{2, 3, 3, 2}, { T{3}, T{3}, T{4, 3, 1, 1}, T{4}, T{4}, T{2, 4, 3, 3}, T{3}, T{3, lo = "
               "0.5, hi = 1.5}, "
               "T{4}, T{4, lo = 0.5, hi = 1.5} }, { training = true } } "
               "{ T{2, 3, 2, 3}, { T{3, lo = 0.2, hi = 0.4}, T{3, lo = 2, hi = 3}, T{4, 3, 1, 1, lo = -0.4, "
               "hi = 0.5}, "
               "T{4, lo = 0.1, hi = 0.2}, T{4, lo = 2.5, hi = 3}, T{2, 4, 3, 3, lo = -0.4, hi = 0.5}, "
               "T{3}, T{3, lo = 0.5, hi = 1.5}, T{4}, T{4, lo = 0.5, hi = 1.5}, "
               "T{5, lo = 0.2, hi = 0.4}, T{5, lo = 3, hi = 4}, T{4, 5, 1, 1, lo = -0.4, hi = 0.5}, "
               "T{4, lo = 0.1, hi = 0.2}, T{4, lo = 3, hi = 4}, T{2, 4, 3, 3, lo = -0.4, hi = 0.5}, "
               "T{5}, T{5, lo = 0.5, hi = 1.5}, T{4}, T{4, lo = 0.5, hi = 1.5} } }",
    .plain = "function(x, layers, o) o = o or {} "
             "local function norm(v, i, at) return rl.batch_norm(v, layers[at], layers[at + 1], layers[i], "
             "layers[i + "
             "1], { training = o.training, momentum = o.momentum, eps = o.eps }):relu() end "
             "for i = 1, #layers, 10 do "
             "local middle = rl.conv2d(norm(x, i, i + 6), layers[i + 2]) "
             "x = rl.cat({ x, rl.conv2d(norm(middle, i + 3, i + 8), layers[i + 5], { padding = 1 }) }, { dim "
             "= 2 }) "
             "end return x end",
    .batched = true,
    .saves = RL_SAVE_ALL_IN | RL_SAVE_OUT(0),
    .flops = flops,
    .shape = shape,
    .forward = forward,
    .backward = rl_dense_backward,
};
