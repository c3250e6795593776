/* conv_check: convolution and its gradients against plain loops in double, on every rung: inputs of one or two parts, through
** every prologue, doubled or not; moments and sums; several cotangents; 1 to 4 threads giving the same bytes, and nothing
** written between the channels. */
#include "base/rng.h"
#include "base/status.h"
#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "rungs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t draws;
static double draw(void) { return rl_normal(21, RL_STREAM_USER, 0, 0, draws++); }
static int64_t pick(int64_t lo, int64_t hi) {
  return lo + (int64_t)(rl_uniform(22, RL_STREAM_USER, 0, 0, draws++) * (double)(hi - lo + 1));
}

static rl_dtype type;
static size_t bytes_of(int64_t n) { return (size_t)n * (type == RL_F64 ? 8 : 4); }

static void *narrow(const double *v,
                    int64_t n) { /* as the engine's type; `v` keeps the rounded value's double */
  void *p = malloc(bytes_of(n) + 8);
  for (int64_t i = 0; i < n; i++)
    if (type == RL_F64)
      ((double *)p)[i] = v[i];
    else
      ((float *)p)[i] = (float)v[i];
  return p;
}
static double *filled(int64_t n) {
  double *v = malloc((size_t)(n + 1) * sizeof *v);
  for (int64_t i = 0; i < n; i++) v[i] = (double)(float)draw();
  return v;
}
static double get(const void *p, int64_t i) {
  return type == RL_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

/* ---- what plain loops give; `size` holds the sums of absolute values, which bound the rounding */

typedef struct numbers {
  int64_t n;
  double *is, *size;
} numbers;
static numbers zeros(int64_t n) {
  return (numbers){n, calloc((size_t)n + 1, sizeof(double)), calloc((size_t)n + 1, sizeof(double))};
}
static void add(numbers *q, int64_t at, double v) { q->is[at] += v, q->size[at] += fabs(v); }
static void drop(numbers *q) { free(q->is), free(q->size); }

typedef struct part {
  int64_t n; /* elements */
  double *x, *scale, *shift, *slope, *mean, *rstd, *before;
  numbers dx, sums;
} part;

typedef struct data {
  int64_t ny, nw;
  double *dy, *w, *bias, *dw0;
  part part[RL_CONV_PARTS];
  numbers seen, v, y, dw; /* seen: the input; v: the gradient behind it */
} data;

static double rounded(double v) { return type == RL_F64 ? v : (double)(float)v; }

/* z as the engine works it out: two rounded steps. */
static double z_of(const part *p, int64_t at, int64_t c) {
  return rounded(rounded(p->x[at] * p->scale[c]) + p->shift[c]);
}

static double through(const rl_conv_part *q, const part *p, int64_t at, int64_t c) {
  if (q->px.scale == NULL) return p->x[at];
  double z = z_of(p, at, c);
  return z > 0 || q->px.act == RL_ACT_NONE ? z : q->px.act == RL_ACT_RELU ? 0 : z * p->slope[c];
}

/* Element of part q that pixel (n, y, x) reads. */
static int64_t place(const rl_conv *s, const rl_conv_part *q, int64_t n, int64_t y, int64_t x, int64_t c) {
  return ((n * s->h / q->up + y / q->up) * (s->w / q->up) + x / q->up) * q->ld + c;
}

static void see(const rl_conv *s, data *d) {
  for (int64_t at = 0, i = 0; i < s->n * s->h * s->w; i++)
    for (int k = 0; k < s->nparts; k++)
      for (int64_t c = 0; c < s->part[k].channels; c++, at++) {
        int64_t from = place(s, &s->part[k], i / s->w / s->h, i / s->w % s->h, i % s->w, c);
        d->seen.is[at] = through(&s->part[k], &d->part[k], from, c);
      }
}

/* Every product of an output, an input and a weight, once. */
static void products(const rl_conv *s, data *d) {
  int64_t ci = s->cin / s->groups, co = s->cout / s->groups;
  for (int64_t p = 0; p < s->n * s->oh * s->ow; p++)
    for (int64_t o = 0; o < s->cout; o++) {
      int64_t n = p / s->ow / s->oh, oy = p / s->ow % s->oh, ox = p % s->ow, yat = p * s->ldy + o;
      add(&d->y, yat, d->bias[o]);
      for (int64_t k = 0; k < s->kh * s->kw; k++) {
        int64_t iy = oy * s->stride[0] - s->pad[0] + k / s->kw * s->dilation[0];
        int64_t ix = ox * s->stride[1] - s->pad[1] + k % s->kw * s->dilation[1];
        if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
        for (int64_t c = 0; c < ci; c++) {
          int64_t at = ((n * s->h + iy) * s->w + ix) * s->cin + o / co * ci + c,
                  wat = (o * ci + c) * s->kh * s->kw + k;
          add(&d->y, yat, d->seen.is[at] * d->w[wat]);
          add(&d->v, at, d->dy[yat] * d->w[wat]);
          add(&d->dw, wat, d->dy[yat] * d->seen.is[at]);
        }
      }
    }
}

/* One stored element of a part: v is the gradient behind it, of absolute size `size`. */
static void finish(const rl_conv_part *q, part *p, int64_t at, int64_t c, double v, double size) {
  double z = q->px.scale == NULL ? 1 : z_of(p, at, c), scale = q->px.scale == NULL ? 1 : p->scale[c];
  double by = z > 0 || q->px.act == RL_ACT_NONE ? 1 : q->px.act == RL_ACT_RELU ? 0 : p->slope[c];
  double xhat = (p->x[at] - p->mean[c]) * p->rstd[c], low = q->px.act == RL_ACT_PRELU && z <= 0 ? z : 0;
  p->dx.is[at] += v * by * scale, p->dx.size[at] += size * fabs(by * scale);
  const double of[3] = {by, by * xhat, low};
  for (int k = 0; k < 3; k++)
    p->sums.is[k * q->channels + c] += v * of[k], p->sums.size[k * q->channels + c] += size * fabs(of[k]);
}

static void into_parts(const rl_conv *s, data *d) {
  int64_t first = 0;
  for (int k = 0; k < s->nparts; first += s->part[k++].channels) {
    const rl_conv_part *q = &s->part[k];
    const int64_t h = s->h / q->up, w = s->w / q->up;
    for (int64_t i = 0; i < s->n * h * w; i++)
      for (int64_t c = 0; c < q->channels; c++) {
        double v = 0, size = 0;
        for (int64_t u = 0; u < q->up * q->up; u++) {
          int64_t y = i / w % h * q->up + u / q->up, x = i % w * q->up + u % q->up;
          int64_t at = ((i / w / h * s->h + y) * s->w + x) * s->cin + first + c;
          v += d->v.is[at], size += d->v.size[at];
        }
        finish(q, &d->part[k], i * q->ld + c, c, v, size);
      }
  }
}

/* ---- the engine beside it */

/* Largest difference over the tolerance. */
static double worst(const void *got, const numbers *want, const double *before, int64_t channels,
                    int64_t ld) {
  double w = 0, unit = type == RL_F64 ? 0x1p-53 : 0x1p-24;
  for (int64_t i = 0; i < want->n; i++) {
    double old = before == NULL ? 0 : before[i], bound = unit * 30 * (want->size[i] + fabs(old));
    double e = fabs(get(got, i) - old - want->is[i]) / (i % ld >= channels ? 1e-300 : bound + 1e-300);
    if (!(e <= w)) w = e;
  }
  return w;
}

static double worst_sums(const double *got, const numbers *want, bool prelu) {
  double w = 0, unit = type == RL_F64 ? 0x1p-53 : 0x1p-24;
  for (int64_t i = 0; i < (prelu ? want->n : want->n / 3 * 2); i++) {
    double e = fabs(got[i] - want->is[i]) / (unit * 30 * (want->size[i] + 1));
    if (!(e <= w)) w = e;
  }
  return w;
}

/* Against the columns of what was written. */
static double worst_moments(const rl_conv *s, const void *y, const double *got) {
  double worst = 0, unit = type == RL_F64 ? 0x1p-53 : 0x1p-24, n = (double)(s->n * s->oh * s->ow);
  for (int64_t c = 0; c < s->cout; c++) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < s->n * s->oh * s->ow; i++) mean += get(y, i * s->ldy + c) / n;
    for (int64_t i = 0; i < s->n * s->oh * s->ow; i++) var += pow(get(y, i * s->ldy + c) - mean, 2) / n;
    double e = fmax(fabs(got[c] - mean) / sqrt(var + mean * mean + 1e-9),
                    fabs(got[s->cout + c] - var) / (var + 1e-9 + unit * mean * mean)) /
               (unit * (200 + n));
    if (!(e <= worst)) worst = e;
  }
  return worst;
}

static int judge(const char *what, double e, const void *got, void **first, size_t bytes, int threads) {
  if (threads == 1) {
    *first = malloc(bytes + 1);
    memcpy(*first, got, bytes);
    return e <= 1 ? 0 : printf("%s: error %.2f of the bound\n", what, e);
  }
  int differs = memcmp(*first, got, bytes) != 0;
  return differs ? printf("%s: differs with %d threads\n", what, threads) : 0;
}

typedef struct held { /* what one run has allocated */
  void *p[64];
  int n;
} held;
static void *hold(held *h, void *p) { return h->p[h->n++] = p; }

static rl_conv engine_side(const rl_conv *s, const data *d, held *h) {
  rl_conv t = *s;
  for (int k = 0; k < s->nparts; k++) {
    rl_conv_part *q = &t.part[k];
    const part *p = &d->part[k];
    q->x = hold(h, narrow(p->x, p->n));
    q->mean = hold(h, narrow(p->mean, q->channels)), q->rstd = hold(h, narrow(p->rstd, q->channels));
    if (q->px.scale == NULL) continue;
    q->px.scale = hold(h, narrow(p->scale, q->channels)),
    q->px.shift = hold(h, narrow(p->shift, q->channels));
    q->px.slope = hold(h, narrow(p->slope, q->channels));
  }
  return t;
}

static int run_forward(const rl_conv *t, const data *d, const void *w, int threads, void **first, held *h) {
  double *gap = hold(h, calloc((size_t)d->ny + 1, sizeof *gap)); /* y's gaps must stay as they are: 0 */
  void *y = hold(h, narrow(gap, d->ny)), *bias = hold(h, narrow(d->bias, t->cout));
  double *moments = hold(h, calloc((size_t)t->cout * 2 + 1, sizeof(double)));
  int bad = rl_conv_forward(t, w, bias, y, moments) != RL_OK;
  bad += judge("forward", worst(y, &d->y, NULL, t->cout, t->ldy), y, &first[0], bytes_of(d->ny), threads);
  return bad +
         judge("moments", worst_moments(t, y, moments), moments, &first[1], (size_t)t->cout * 16, threads);
}

static int run_data(const rl_conv *t, const data *d, const void *w, const void *dy, int threads, void **first,
                    held *h) {
  rl_conv_dx dx[3 * RL_CONV_PARTS] = {0};
  const void *dys[] = {dy, dy, dy};
  int np = t->nparts, bad = 0;
  for (int k = 0; k < 3 * np; k++) {
    const part *p = &d->part[k % np];
    size_t sums = (size_t)t->part[k % np].channels * 3;
    if (k / np == 1) continue;
    dx[k] = (rl_conv_dx){.dx = hold(h, narrow(p->before, p->n)), .ld = t->part[k % np].ld, .beta = 1};
    if (t->part[k % np].px.scale != NULL) dx[k].sums = hold(h, calloc(sums + 1, sizeof(double)));
  }
  bad += rl_conv_back_data(t, 3, dys, w, dx) != RL_OK;
  for (int k = 0; k < np; k++) {
    const part *p = &d->part[k];
    const rl_conv_part *q = &t->part[k];
    bad += judge("data", worst(dx[k].dx, &p->dx, p->before, q->channels, q->ld), dx[k].dx, &first[2 + 2 * k],
                 bytes_of(p->n), threads);
    if (dx[k].sums != NULL)
      bad += judge("sums", worst_sums(dx[k].sums, &p->sums, q->px.act == RL_ACT_PRELU), dx[k].sums,
                   &first[3 + 2 * k], (size_t)q->channels * 16, threads);
    if (memcmp(dx[k].dx, dx[2 * np + k].dx, bytes_of(p->n)) != 0)
      bad += printf("data: two equal cotangents differ\n");
  }
  return bad;
}

static int run(const rl_conv *s, data *d, int threads, void **first) {
  held h = {.n = 0};
  rl_conv t = engine_side(s, d, &h);
  void *w = hold(&h, narrow(d->w, d->nw)), *dy = hold(&h, narrow(d->dy, d->ny));
  void *dw = hold(&h, narrow(d->dw0, d->nw)), *dw2 = hold(&h, narrow(d->dw0, d->nw));
  int bad = run_forward(&t, d, w, threads, first, &h) + run_data(&t, d, w, dy, threads, first, &h);
  const void *dys[] = {dy, dy, dy};
  bad += rl_conv_back_weight(&t, 3, dys, (void *[]){dw, NULL, dw2}, (double[]){1, 1, 1}) != RL_OK;
  bad += judge("weight", worst(dw, &d->dw, d->dw0, 1, 1), dw, &first[6], bytes_of(d->nw), threads);
  if (memcmp(dw, dw2, bytes_of(d->nw)) != 0) bad += printf("weight: two equal cotangents differ\n");
  while (h.n > 0) free(h.p[--h.n]);
  return bad;
}

/* ---- cases */

static void make_part(const rl_conv *s, const rl_conv_part *q, part *p) {
  p->n = s->n * (s->h / q->up) * (s->w / q->up) * q->ld;
  p->x = filled(p->n), p->before = filled(p->n);
  p->scale = filled(q->channels), p->shift = filled(q->channels), p->slope = filled(q->channels);
  p->mean = filled(q->channels), p->rstd = filled(q->channels);
  p->dx = zeros(p->n), p->sums = zeros(3 * q->channels);
}

static void drop_part(part *p) {
  double *const all[] = {p->x, p->before, p->scale, p->shift, p->slope, p->mean, p->rstd};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
  drop(&p->dx), drop(&p->sums);
}

static void tell(const rl_conv *s) {
  printf("FAILED %s f%d: %ldx%ldx%ldx%ld to %ld, kernel %ldx%ld stride %ld,%ld pad %ld,%ld dilation %ld,%ld "
         "groups %ld ldy %ld",
         rl_isa_name(), type == RL_F64 ? 64 : 32, (long)s->n, (long)s->h, (long)s->w, (long)s->cin,
         (long)s->cout, (long)s->kh, (long)s->kw, (long)s->stride[0], (long)s->stride[1], (long)s->pad[0],
         (long)s->pad[1], (long)s->dilation[0], (long)s->dilation[1], (long)s->groups, (long)s->ldy);
  for (int k = 0; k < s->nparts; k++)
    printf("; part of %ld ld %ld up %d px %d act %d", (long)s->part[k].channels, (long)s->part[k].ld,
           s->part[k].up, s->part[k].px.scale != NULL, (int)s->part[k].px.act);
  printf("\n");
}

static int try_conv(rl_conv s) {
  type = s.dtype;
  s.oh = rl_conv_size(s.h, s.kh, s.stride[0], s.pad[0], s.dilation[0]);
  s.ow = rl_conv_size(s.w, s.kw, s.stride[1], s.pad[1], s.dilation[1]);
  if (s.oh <= 0 || s.ow <= 0) return 0;
  data d = {.ny = s.n * s.oh * s.ow * s.ldy, .nw = s.cout * s.cin / s.groups * s.kh * s.kw};
  d.dy = filled(d.ny), d.w = filled(d.nw), d.bias = filled(s.cout), d.dw0 = filled(d.nw);
  for (int k = 0; k < s.nparts; k++) make_part(&s, &s.part[k], &d.part[k]);
  d.seen = zeros(s.n * s.h * s.w * s.cin), d.v = zeros(s.n * s.h * s.w * s.cin);
  d.y = zeros(d.ny), d.dw = zeros(d.nw);
  see(&s, &d);
  products(&s, &d);
  into_parts(&s, &d);
  void *first[7] = {0};
  int bad = 0;
  for (int threads = 1; threads <= 4 && bad == 0; threads++) {
    rl_threads_set(threads);
    bad = run(&s, &d, threads, first);
  }
  if (bad != 0) tell(&s);
  for (int k = 0; k < s.nparts; k++) drop_part(&d.part[k]);
  for (int k = 0; k < 7; k++) free(first[k]);
  drop(&d.seen), drop(&d.v), drop(&d.y), drop(&d.dw);
  free(d.dy), free(d.w), free(d.bias), free(d.dw0);
  return bad != 0;
}

static rl_conv_part a_part(int64_t channels, bool gap, int up) {
  static int some;
  rl_conv_part q = {.channels = channels, .ld = channels + (gap ? pick(1, 9) : 0), .up = up};
  if (pick(0, 1)) q.px = (rl_prologue){.scale = &some, .act = (rl_act)pick(0, 2)};
  return q;
}

static rl_conv a_square(const int64_t *v) {
  rl_conv s = {.n = v[0], .h = v[1], .w = v[2], .cin = v[3], .cout = v[4], .kh = v[5], .kw = v[5]};
  for (int a = 0; a < 2; a++) s.stride[a] = v[6], s.pad[a] = v[7], s.dilation[a] = 1;
  s.groups = 1, s.ldy = s.cout, s.dtype = (rl_dtype)v[8];
  s.nparts = 1, s.part[0] = a_part(s.cin, false, 1);
  return s;
}

static rl_conv a_random_one(void) {
  rl_conv s = {
      .n = pick(1, 3), .h = pick(1, 11), .w = pick(1, 16), .groups = pick(0, 3) == 0 ? pick(2, 3) : 1};
  s.cin = s.groups * pick(1, 20);
  s.cout = s.groups * pick(1, 20);
  s.ldy = s.cout + (pick(0, 1) ? pick(1, 9) : 0);
  s.kh = pick(1, 4);
  s.kw = pick(1, 4);
  for (int a = 0; a < 2; a++) s.stride[a] = pick(1, 3), s.pad[a] = pick(0, 3), s.dilation[a] = pick(1, 2);
  s.dtype = pick(0, 1) ? RL_F64 : RL_F32;
  s.nparts = 1;
  s.part[0] = a_part(s.cin, pick(0, 1), 1);
  if (s.groups > 1 || pick(0, 1)) return s;
  s.h *= 2, s.w *= 2;
  s.nparts = 2;
  s.part[1] = a_part(pick(1, 40), pick(0, 1), (int)pick(1, 2));
  s.cin += s.part[1].channels;
  if (pick(0, 1)) s.part[0].up = 2;
  return s;
}

static rl_conv a_small_and_deep_one(void) { /* gathered */
  rl_conv s = {.n = pick(1, 9), .h = pick(2, 9), .w = pick(2, 9), .groups = 1, .nparts = 1};
  s.cin = pick(16, 50), s.cout = pick(16, 40);
  s.ldy = s.cout + pick(0, 3);
  s.kh = pick(1, 5), s.kw = pick(2, 5);
  for (int a = 0; a < 2; a++) s.stride[a] = pick(1, 3), s.pad[a] = pick(0, 2), s.dilation[a] = pick(1, 2);
  s.dtype = pick(0, 1) ? RL_F64 : RL_F32;
  s.part[0] = a_part(s.cin, pick(0, 1), 1);
  return s;
}

static rl_conv a_depthwise_one(void) {
  rl_conv s = {.n = pick(1, 2),
               .h = pick(3, 9),
               .w = pick(3, 16),
               .cin = pick(2, 70),
               .dtype = pick(0, 1) ? RL_F64 : RL_F32};
  s.groups = s.cout = s.cin;
  s.ldy = s.cout + pick(0, 3);
  s.kh = pick(1, 3), s.kw = pick(1, 5);
  for (int a = 0; a < 2; a++) s.stride[a] = pick(1, 2), s.pad[a] = pick(0, 2), s.dilation[a] = pick(1, 2);
  s.nparts = 1, s.part[0] = a_part(s.cin, pick(0, 1), 1);
  return s;
}

static int try_all(void) {
  static const int64_t known[][9] = {
      /* n h w cin cout k stride pad dtype */
      {2, 9, 11, 3, 16, 7, 2, 3, RL_F32},  {1, 8, 8, 128, 32, 3, 1, 1, RL_F32},
      {3, 7, 7, 40, 70, 3, 1, 1, RL_F32},  {2, 12, 10, 64, 3, 9, 1, 4, RL_F32},
      {2, 6, 6, 20, 24, 1, 2, 0, RL_F64},  {2, 9, 7, 24, 40, 1, 2, 0, RL_F32},
      {4, 5, 5, 16, 33, 1, 1, 0, RL_F32},  {1, 30, 17, 1, 5, 3, 1, 0, RL_F64},
      {1, 3, 3, 600, 40, 3, 1, 1, RL_F32}, {2, 16, 16, 3, 8, 3, 1, 1, RL_F64},
      {2, 14, 13, 3, 40, 9, 1, 4, RL_F32}, {2, 20, 18, 36, 40, 3, 1, 1, RL_F32},
      {2, 15, 17, 3, 40, 7, 2, 3, RL_F32}, {2, 9, 30, 24, 4, 5, 1, 2, RL_F64},
      {2, 70, 66, 3, 64, 7, 2, 3, RL_F32}};
  int bad = 0;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) bad += try_conv(a_square(known[i]));
  for (int i = 0; i < 80; i++) bad += try_conv(a_random_one());
  for (int i = 0; i < 40; i++) bad += try_conv(a_small_and_deep_one());
  for (int i = 0; i < 20; i++) bad += try_conv(a_depthwise_one());
  return bad;
}

int main(void) {
  setenv("RILLE_WINOGRAD", "0", 1); /* winograd_check has its own bounds: not by each element's terms */
  return on_every_rung("conv", try_all);
}
