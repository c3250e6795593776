/* winograd_check: all three directions against plain loops in double, on every rung: odd sizes, parts, doubled maps,
** prologues, gaps between channels, several cotangents, moments and sums; 1 to 4 threads give the same bytes. The rounding
** error is compared with that of a direct sum in float. */
#include "base/rng.h"
#include "base/status.h"
#include "kernels/kernels.h"
#include "kernels/winograd.h"
#include "rungs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COTANGENTS 3 /* the second is not wanted */
#define OUTPUTS    16

static uint64_t draws;
static double draw(void) { return rl_normal(31, RL_STREAM_USER, 0, 0, draws++); }
static int64_t pick(int64_t lo, int64_t hi) {
  return lo + (int64_t)(rl_uniform(32, RL_STREAM_USER, 0, 0, draws++) * (double)(hi - lo + 1));
}

static float *floats(int64_t n) { /* off the usual alignment */
  float *v = (float *)malloc((size_t)(n + 2) * sizeof *v) + 1;
  for (int64_t i = 0; i < n; i++) v[i] = (float)draw();
  return v;
}
static void drop(void *floats_at) { free((float *)floats_at - 1); }
static double *zeros(int64_t n) { return calloc((size_t)n + 1, sizeof(double)); }

typedef struct part { /* arrays of one part of the input, and what plain loops give for it */
  float *x, *scale, *shift, *slope, *mean, *rstd, *dx0;
  double *v[COTANGENTS], *dx[COTANGENTS], *sums[COTANGENTS];
  int64_t size, ld_dx;
} part;

typedef struct data {
  rl_conv s;
  part part[2];
  float *w, *bias, *dy[COTANGENTS], *dw0;
  double *y, *moments, *dw[COTANGENTS], *seen, *back;
  int64_t ny, nw;
  bool plain_bias;
} data;

static double act(const rl_conv_part *p, double z, int64_t c) {
  if (p->px.act == RL_ACT_NONE || z > 0) return z;
  return p->px.act == RL_ACT_RELU ? 0 : z * (double)((const float *)p->px.slope)[c];
}

static double z_of(const rl_conv_part *p, int64_t at, int64_t c) { /* in float, as the kernels */
  float x = ((const float *)p->x)[at];
  if (p->px.scale == NULL) return (double)x;
  volatile float product = x * ((const float *)p->px.scale)[c];
  return (double)(product + ((const float *)p->px.shift)[c]);
}

static int64_t stored(const rl_conv *s, const rl_conv_part *p, int64_t n, int64_t y, int64_t x, int64_t ld) {
  return ((n * (s->h / p->up) + y / p->up) * (s->w / p->up) + x / p->up) * ld;
}

/* The whole input as the convolution sees it: N x H x W x cin. */
static void see(data *d) {
  const rl_conv *s = &d->s;
  for (int64_t n = 0, at = 0; n < s->n; n++)
    for (int64_t i = 0; i < s->h * s->w; i++)
      for (int p = 0; p < s->nparts; p++)
        for (int64_t c = 0; c < s->part[p].channels; c++) {
          int64_t from = stored(s, &s->part[p], n, i / s->w, i % s->w, s->part[p].ld) + c;
          double z = z_of(&s->part[p], from, c);
          d->seen[at++] = s->part[p].px.scale == NULL ? z : act(&s->part[p], z, c);
        }
}

static void plain_products(data *d, int k) {
  const rl_conv *s = &d->s;
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t q = 0; q < s->oh * s->ow * 9; q++) {
      int64_t oy = q / 9 / s->ow, ox = q / 9 % s->ow, tap = q % 9;
      int64_t iy = oy - s->pad[0] + tap / 3, ix = ox - s->pad[1] + tap % 3;
      if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
      int64_t out = ((n * s->oh + oy) * s->ow + ox), in = ((n * s->h + iy) * s->w + ix) * s->cin;
      for (int64_t o = 0; o < s->cout; o++)
        for (int64_t c = 0; c < s->cin; c++) {
          int64_t w = (o * s->cin + c) * 9 + tap;
          double dy = (double)d->dy[k][out * s->ldy + o];
          if (k == 0) d->y[out * s->cout + o] += d->seen[in + c] * (double)d->w[w];
          d->back[in + c] += dy * (double)d->w[w];
          d->dw[k][w] += dy * d->seen[in + c];
        }
    }
}

static void plain_back(data *d, int k) { /* what rl_conv_dx says, from d->back */
  const rl_conv *s = &d->s;
  for (int64_t i = 0; i < s->n * s->h * s->w; i++)
    for (int64_t p = 0, at = 0; p < s->nparts; at += s->part[p++].channels)
      for (int64_t c = 0; c < s->part[p].channels; c++) {
        const rl_conv_part *q = &s->part[p];
        int64_t to = stored(s, q, i / s->h / s->w, i / s->w % s->h, i % s->w, q->channels) + c;
        d->part[p].v[k][to] += d->back[i * s->cin + at + c];
      }
  for (int p = 0; p < s->nparts; p++)
    for (int64_t i = 0; i < d->part[p].size; i++) {
      const rl_conv_part *q = &s->part[p];
      int64_t c = i % q->channels, n = q->channels, in = i / n * q->ld + c;
      double v = d->part[p].v[k][i], z = z_of(q, in, c), dz = v, *sums = d->part[p].sums[k];
      if (q->px.scale != NULL) {
        if (q->px.act != RL_ACT_NONE && !(z > 0)) {
          dz = q->px.act == RL_ACT_RELU ? 0 : v * (double)d->part[p].slope[c];
          sums[2 * n + c] += v * z;
        }
        sums[c] += dz;
        sums[n + c] +=
            dz * ((double)d->part[p].x[in] - (double)d->part[p].mean[c]) * (double)d->part[p].rstd[c];
        dz *= (double)d->part[p].scale[c];
      }
      d->part[p].dx[k][i] += dz;
    }
}

static void plain_moments(data *d) {
  int64_t cout = d->s.cout, rows = d->ny / cout;
  for (int64_t i = 0; i < d->ny; i++) d->moments[i % cout] += d->y[i] / (double)rows;
  for (int64_t i = 0; i < d->ny; i++) {
    double off = d->y[i] - d->moments[i % cout];
    d->moments[cout + i % cout] += off * off / (double)rows;
  }
}

/* Largest difference over the tolerance; got has gaps of ld - channels, which must be as they were: 0. */
static double worst(const float *got, const double *want, int64_t rows, int64_t channels, int64_t ld,
                    double terms) {
  double w = 0;
  for (int64_t i = 0; i < rows * ld; i++) {
    double e = i % ld < channels
                   ? fabs((double)got[i] - want[i / ld * channels + i % ld]) / (0x1p-24 * 40 * (terms + 10))
                   : fabs((double)got[i]) * 1e30;
    if (!(e <= w)) w = e;
  }
  return w;
}

static double worst_sums(const double *got, const double *want, int64_t n, double tolerance) {
  double w = 0;
  for (int64_t i = 0; i < n; i++)
    if (!(fabs(got[i] - want[i]) / tolerance <= w)) w = fabs(got[i] - want[i]) / tolerance;
  return w;
}

static int judge(const char *what, double e, const void *got, size_t bytes, int threads, void **first) {
  if (threads == 1) {
    *first = malloc(bytes + 1);
    memcpy(*first, got, bytes);
    return e <= 1 ? 0 : printf("%s: error %.2f of the bound\n", what, e);
  }
  return memcmp(*first, got, bytes) != 0 ? printf("%s: differs with %d threads\n", what, threads) : 0;
}

static int check_forward(data *d, int threads, void **first) {
  const rl_conv *s = &d->s;
  int64_t rows = d->ny / s->cout;
  float *y = calloc((size_t)(rows * s->ldy) + 1, sizeof *y);
  double *moments = zeros(2 * s->cout), terms = 9 * (double)s->cin;
  int bad = rl_winograd_forward(s, d->w, d->bias, y, moments) != RL_OK;
  bad += judge("forward", worst(y, d->y, rows, s->cout, s->ldy, terms), y, (size_t)(rows * s->ldy) * 4,
               threads, &first[0]);
  bad += judge("moments", worst_sums(moments, d->moments, 2 * s->cout, 1e-5 * terms), moments,
               (size_t)(2 * s->cout) * 8, threads, &first[1]);
  free(y);
  free(moments);
  return bad;
}

static int check_data(data *d, int threads, void **first) {
  const rl_conv *s = &d->s;
  rl_conv_dx dx[COTANGENTS * 2] = {0};
  const void *dy[COTANGENTS];
  int bad = 0, at = 2;
  for (int k = 0; k < COTANGENTS; k++) {
    dy[k] = d->dy[k];
    for (int p = 0; p < s->nparts; p++) {
      part *q = &d->part[p];
      int64_t n = s->part[p].channels, size = q->size / n * q->ld_dx;
      float *to = calloc((size_t)size + 1, sizeof *to);
      for (int64_t i = 0; i < q->size; i++) to[i / n * q->ld_dx + i % n] = q->dx0[i];
      dx[k * s->nparts + p] = (rl_conv_dx){k == 1 ? NULL : to, q->ld_dx, 0.5, zeros(3 * n)};
      if (k == 1) free(to);
    }
  }
  bad += rl_winograd_back_data(s, COTANGENTS, dy, d->w, dx) != RL_OK;
  for (int k = 0; k < COTANGENTS; k++)
    for (int p = 0; p < s->nparts; p++) {
      rl_conv_dx *to = &dx[k * s->nparts + p];
      part *q = &d->part[p];
      int64_t n = s->part[p].channels, rows = q->size / n;
      double terms = 9 * (double)(s->cout * s->part[p].up);
      if (k != 1) {
        bad += judge("data", worst(to->dx, q->dx[k], rows, n, to->ld, terms), to->dx,
                     (size_t)(rows * to->ld) * 4, threads, &first[at++]);
        bad +=
            judge("data's sums", worst_sums(to->sums, q->sums[k], 3 * n, 1e-5 * terms * sqrt((double)rows)),
                  to->sums, (size_t)(3 * n) * 8, threads, &first[at++]);
      }
      free(to->dx);
      free(to->sums);
    }
  return bad;
}

static int check_weight(data *d, int threads, void **first) {
  const rl_conv *s = &d->s;
  void *dw[COTANGENTS];
  const void *dy[COTANGENTS];
  double beta[COTANGENTS];
  for (int k = 0; k < COTANGENTS; k++) {
    dw[k] = k == 1 ? NULL : malloc((size_t)(d->nw + 1) * sizeof(float));
    if (k != 1) memcpy(dw[k], d->dw0, (size_t)d->nw * sizeof(float));
    dy[k] = d->dy[k];
    beta[k] = -2;
  }
  int bad = rl_winograd_back_weight(s, COTANGENTS, dy, dw, beta) != RL_OK;
  for (int k = 0; k < COTANGENTS; k++) {
    if (k != 1)
      bad += judge("weight", worst(dw[k], d->dw[k], d->nw, 1, 1, (double)(d->ny / s->cout)), dw[k],
                   (size_t)d->nw * 4, threads, &first[14 + k / 2]);
    free(dw[k]);
  }
  return bad;
}

static void prepare(data *d) {
  rl_conv *s = &d->s;
  s->kh = s->kw = 3;
  s->groups = s->stride[0] = s->stride[1] = s->dilation[0] = s->dilation[1] = 1;
  s->oh = s->h + 2 * s->pad[0] - 2;
  s->ow = s->w + 2 * s->pad[1] - 2;
  d->ny = s->n * s->oh * s->ow * s->cout;
  d->nw = s->cout * s->cin * 9;
  for (int p = 0; p < s->nparts; p++) {
    part *q = &d->part[p];
    rl_conv_part *to = &s->part[p];
    int64_t n = to->channels, pixels = s->n * (s->h / to->up) * (s->w / to->up);
    *q = (part){.x = floats(pixels * to->ld), .scale = floats(n), .shift = floats(n), .slope = floats(n)};
    q->mean = floats(n), q->rstd = floats(n), q->dx0 = floats(pixels * n);
    q->size = pixels * n;
    q->ld_dx = n + (pick(0, 1) ? pick(1, 5) : 0);
    to->x = q->x, to->mean = q->mean, to->rstd = q->rstd;
    if (to->px.scale != NULL)
      to->px = (rl_prologue){.scale = q->scale, .shift = q->shift, .slope = q->slope, .act = to->px.act};
    for (int k = 0; k < COTANGENTS; k++) {
      q->v[k] = zeros(q->size), q->dx[k] = zeros(q->size), q->sums[k] = zeros(3 * n);
      for (int64_t i = 0; i < q->size; i++) q->dx[k][i] = 0.5 * (double)q->dx0[i];
    }
  }
  d->w = floats(d->nw), d->bias = floats(s->cout), d->dw0 = floats(d->nw);
  d->y = zeros(d->ny), d->moments = zeros(2 * s->cout);
  d->seen = zeros(s->n * s->h * s->w * s->cin);
  for (int64_t i = 0; i < d->ny; i++) d->y[i] = (double)d->bias[i % s->cout];
  see(d);
  for (int k = 0; k < COTANGENTS; k++) {
    d->dy[k] = floats(d->ny / s->cout * s->ldy);
    d->dw[k] = zeros(d->nw);
    for (int64_t i = 0; i < d->nw; i++) d->dw[k][i] = -2 * (double)d->dw0[i];
    d->back = zeros(s->n * s->h * s->w * s->cin);
    plain_products(d, k);
    plain_back(d, k);
    free(d->back);
  }
  plain_moments(d);
}

static void release(data *d) {
  for (int p = 0; p < d->s.nparts; p++) {
    part *q = &d->part[p];
    float *const all[] = {q->x, q->scale, q->shift, q->slope, q->mean, q->rstd, q->dx0};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) drop(all[i]);
    for (int k = 0; k < COTANGENTS; k++) free(q->v[k]), free(q->dx[k]), free(q->sums[k]);
  }
  for (int k = 0; k < COTANGENTS; k++) drop(d->dy[k]), free(d->dw[k]);
  drop(d->w), drop(d->bias), drop(d->dw0);
  free(d->y), free(d->moments), free(d->seen);
}

static int try_conv(rl_conv s) {
  data d = {.s = s};
  for (int p = 0; p < s.nparts; p++) d.s.cin += s.part[p].channels;
  if (s.h + 2 * s.pad[0] < 3 || s.w + 2 * s.pad[1] < 3) return 0;
  prepare(&d);
  void *first[OUTPUTS] = {0};
  int bad = 0;
  for (int threads = 1; threads <= 4 && bad == 0; threads++) {
    rl_threads_set(threads);
    bad =
        check_forward(&d, threads, first) + check_data(&d, threads, first) + check_weight(&d, threads, first);
  }
  if (bad != 0) {
    printf("FAILED %s: %ldx%ldx%ldx%ld to %ld, pad %ld,%ld ldy %ld", rl_isa_name(), (long)s.n, (long)s.h,
           (long)s.w, (long)d.s.cin, (long)s.cout, (long)s.pad[0], (long)s.pad[1], (long)s.ldy);
    for (int p = 0; p < s.nparts; p++)
      printf("; %ld channels, ld %ld, up %d, px %d act %d", (long)s.part[p].channels, (long)s.part[p].ld,
             s.part[p].up, s.part[p].px.scale != NULL, (int)s.part[p].px.act);
    printf("\n");
  }
  for (int i = 0; i < OUTPUTS; i++) free(first[i]);
  release(&d);
  return bad != 0;
}

static int try_random(void) {
  int some;
  rl_conv s = {.dtype = RL_F32, .n = pick(1, 3), .h = pick(1, 14), .w = pick(1, 18), .cout = pick(1, 40)};
  s.ldy = s.cout + (pick(0, 1) ? pick(1, 9) : 0);
  s.pad[0] = pick(0, 3);
  s.pad[1] = pick(0, 3);
  s.nparts = (int)pick(1, 2);
  for (int p = 0; p < s.nparts; p++) {
    rl_conv_part *q = &s.part[p];
    q->channels = pick(0, 2) == 0 ? 16 : pick(1, 40);
    q->ld = q->channels + (pick(0, 1) ? pick(1, 9) : 0);
    q->up = s.h % 2 == 0 && s.w % 2 == 0 ? (int)pick(1, 2) : 1;
    if (pick(0, 2) > 0) q->px = (rl_prologue){.scale = &some, .act = (rl_act)pick(0, 2)};
  }
  return try_conv(s);
}

/* One output as the plain direct method has it: one chain of fused steps in float. */
static double chain(const data *d, int64_t at) {
  const rl_conv *s = &d->s;
  int64_t o = at % s->cout, ox = at / s->cout % s->ow, oy = at / s->cout / s->ow;
  float sum = d->bias[o];
  for (int64_t tap = 0; tap < 9; tap++) {
    int64_t iy = oy - s->pad[0] + tap / 3, ix = ox - s->pad[1] + tap % 3;
    if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
    for (int64_t c = 0; c < s->cin; c++)
      sum = fmaf((float)d->seen[(iy * s->w + ix) * s->cin + c], d->w[(o * s->cin + c) * 9 + tap], sum);
  }
  return (double)sum;
}

/* Root mean square error of a forward pass against double, over the same of direct float sums. */
static double error_ratio(int64_t channels, int64_t side) {
  data d = {.s = {.dtype = RL_F32, .n = 1, .h = side, .w = side, .cin = channels, .cout = 32, .ldy = 32}};
  d.s.pad[0] = d.s.pad[1] = d.s.nparts = 1;
  d.s.part[0] = (rl_conv_part){.channels = channels, .ld = channels, .up = 1};
  prepare(&d);
  float *y = malloc((size_t)d.ny * sizeof *y);
  rl_winograd_forward(&d.s, d.w, d.bias, y, NULL);
  double ours = 0, direct = 0;
  for (int64_t i = 0; i < d.ny; i++) {
    ours += pow((double)y[i] - d.y[i], 2);
    direct += pow(chain(&d, i) - d.y[i], 2);
  }
  release(&d);
  free(y);
  return sqrt(ours / direct);
}

static int try_all(void) {
  int bad = 0;
  for (int i = 0; i < 60; i++) bad += try_random();
  rl_conv many = {
      .dtype = RL_F32, .n = 2, .h = 7, .w = 7, .cout = 130, .ldy = 130, .pad = {1, 1}, .nparts = 2};
  many.part[0] = (rl_conv_part){.channels = 260, .ld = 260, .up = 1};
  many.part[1] = (rl_conv_part){.channels = 24, .ld = 30, .up = 1, .px = {.scale = &bad, .act = RL_ACT_RELU}};
  bad += try_conv(many); /* in stages, panels that share two parts */
  rl_conv few = {
      .dtype = RL_F32, .n = 1, .h = 14, .w = 13, .cout = 40, .ldy = 43, .pad = {1, 1}, .nparts = 1};
  few.part[0] =
      (rl_conv_part){.channels = 192, .ld = 200, .up = 1, .px = {.scale = &bad, .act = RL_ACT_RELU}};
  bad += try_conv(few);             /* workers share the inner lanes */
  for (int64_t i = 0; i < 8; i++) { /* whole tiles, and cut to two points (14 pixels) */
    int64_t c = 32 << i / 2, side = i % 2 == 0 ? 16 : 14;
    double ratio = error_ratio(c, side);
    printf("%s, %ld channels, %ld pixels: %.2f times the direct sum's error\n", rl_isa_name(), (long)c,
           (long)side, ratio);
    bad += !(ratio <= (strcmp(rl_isa_name(), "scalar") == 0 ? 2 : 1.75)); /* no fused steps there */
  }
  return bad;
}

int main(void) { return on_every_rung("winograd", try_all); }
