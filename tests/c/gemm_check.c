/* gemm_check: products against plain loops in double, over awkward sizes, on every rung, with 1 to 4 threads
** giving the same bytes and nothing written outside C. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "rungs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t draws;
static double draw(void) { return rl_normal(11, RL_STREAM_USER, 0, 0, draws++); }
static int64_t pick(int64_t n) {
  return (int64_t)(rl_uniform(12, RL_STREAM_USER, 0, 0, draws++) * (double)n);
}

static void set(void *p, rl_dtype t, int64_t i, double v) {
  if (t == RL_F64)
    ((double *)p)[i] = v;
  else
    ((float *)p)[i] = (float)v;
}
static double get(const void *p, rl_dtype t, int64_t i) {
  return t == RL_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}
static void *filled(rl_dtype t, int64_t n) {
  void *p = malloc((size_t)(n + 1) * 8);
  for (int64_t i = 0; i < n; i++) set(p, t, i, draw());
  return p;
}

static double rounded(rl_dtype t, double v) { return t == RL_F64 ? v : (double)(float)v; }

/* Column col of row `row`; the sum in two rounded steps, as the engine works it out. */
static double through(const rl_prologue *p, rl_dtype t, int64_t row, int64_t col, double x) {
  if (p->scale == NULL) return x;
  double z = rounded(t, rounded(t, x * get(p->scale, t, col)) + get(p->shift, t, col));
  if (p->other != NULL) return z + get(p->other, t, row * p->ldother + col) * get(p->by, t, col);
  if (z > 0 || p->act == RL_ACT_NONE) return z;
  return p->act == RL_ACT_RELU ? 0 : z * get(p->slope, t, col);
}

static double a_at(const rl_gemm *g, int64_t s, int64_t i, int64_t k, double *raw) {
  *raw = get(g->a, g->dtype, s * g->stride_a + (g->ta ? k * g->lda + i : i * g->lda + k));
  return through(&g->pa, g->dtype, g->ta ? k : i, g->ta ? i : k, *raw);
}

/* The largest |C - want| over its own rounding bound: 1 would be a plain sum's worst case. */
static double compare(const rl_gemm *g, const void *before) {
  double worst = 0, unit = g->dtype == RL_F64 ? 0x1p-53 : 0x1p-24;
  int64_t batches = g->batch == 0 ? 1 : g->batch;
  for (int64_t s = 0; s < batches; s++)
    for (int64_t i = 0; i < g->m; i++)
      for (int64_t j = 0; j < g->ldc; j++) {
        int64_t at = s * g->stride_c + i * g->ldc + j;
        double old = get(before, g->dtype, at), got = get(g->c, g->dtype, at);
        if (j >= g->n) {
          if (got != old) return INFINITY;
          continue;
        }
        double sum = (g->beta == 0 ? 0 : g->beta * old) + (g->bias == NULL ? 0 : get(g->bias, g->dtype, j)),
               size = fabs(sum);
        for (int64_t k = 0; k < g->k; k++) {
          double raw, a = a_at(g, s, i, k, &raw);
          double b = get(g->b, g->dtype, s * g->stride_b + (g->tb ? j * g->ldb + k : k * g->ldb + j));
          double fb = through(&g->pb, g->dtype, k, j, b);
          sum += a * fb;
          size += (fabs(a) + fabs(raw) + 1) * (fabs(b) + fabs(fb) + 1);
        }
        double e = fabs(got - sum) / ((size + 1e-30) * unit * (double)(g->k + 8));
        if (!(e <= worst)) worst = e;
      }
  return worst;
}

/* Of C's columns as they were written. */
static double compare_moments(const rl_gemm *g) {
  double worst = 0, unit = g->dtype == RL_F64 ? 0x1p-53 : 0x1p-24;
  for (int64_t j = 0; j < g->n && g->m > 0; j++) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < g->m; i++) mean += get(g->c, g->dtype, i * g->ldc + j) / (double)g->m;
    for (int64_t i = 0; i < g->m; i++)
      var += pow(get(g->c, g->dtype, i * g->ldc + j) - mean, 2) / (double)g->m;
    double e = fmax(fabs(g->moments[j] - mean) / sqrt(var + mean * mean + 1e-9),
                    fabs(g->moments[g->n + j] - var) / (var + 1e-9 + unit * mean * mean));
    if (!(e / (unit * 200) <= worst)) worst = e / (unit * 200);
  }
  return worst;
}

static void give_prologue(rl_prologue *p, void *list, rl_dtype t, int64_t shift, void *other, int64_t ld) {
  size_t size = t == RL_F64 ? 8 : 4;
  if (p->scale == NULL) return;
  p->scale = list;
  p->shift = (char *)list + (size_t)shift * size;
  p->slope = p->by = (char *)list + 2 * (size_t)shift * size;
  if (p->other != NULL) p->other = other, p->ldother = ld;
}

static int try_product(rl_gemm g, int64_t pad) {
  rl_dtype t = g.dtype;
  int64_t batches = g.batch == 0 ? 1 : g.batch;
  g.lda = (g.ta ? g.m : g.k) + pad;
  g.ldb = (g.tb ? g.k : g.n) + 2 * pad;
  g.ldc = g.n + pad;
  g.stride_a = (g.ta ? g.k : g.m) * g.lda;
  g.stride_b = pad == 1 ? 0 : (g.tb ? g.n : g.k) * g.ldb;
  g.stride_c = g.m * g.ldc;
  int64_t na = batches * g.stride_a, nb = (g.stride_b == 0 ? 1 : batches) * (g.tb ? g.n : g.k) * g.ldb,
          nc = batches * g.stride_c;
  void *a = filled(t, na), *b = filled(t, nb), *before = filled(t, nc), *c = malloc((size_t)(nc + 1) * 8),
       *first = malloc((size_t)(nc + 1) * 8);
  int64_t wide = g.k + g.n + g.m;
  void *list = filled(t, 3 * wide), *bias = filled(t, g.n), *other = filled(t, na);
  double *moments = calloc((size_t)g.n * 2 + 1, sizeof *moments),
         *first_moments = calloc((size_t)g.n * 2 + 1, 8);
  if (g.moments != NULL) g.moments = moments;
  g.a = a;
  g.b = b;
  g.c = c;
  if (g.bias != NULL) g.bias = bias;
  give_prologue(&g.pa, list, t, wide, other, g.lda);
  give_prologue(&g.pb, list, t, wide, NULL, 0);
  if (g.beta == 0)
    for (int64_t i = 0; i < nc; i++)
      if (i % g.ldc < g.n) set(before, t, i, NAN);
  int bad = 0;
  for (int threads = 1; threads <= 4 && !bad; threads++) {
    rl_threads_set(threads);
    memcpy(c, before, (size_t)nc * (t == RL_F64 ? 8 : 4));
    if (rl_gemm_run(&g) != RL_OK) bad = 1;
    if (threads == 1) {
      memcpy(first, c, (size_t)nc * (t == RL_F64 ? 8 : 4));
      double e = compare(&g, before);
      if (!(e <= 1)) bad = printf("error %.2f of the bound\n", e);
      if (g.moments != NULL && !((e = compare_moments(&g)) <= 1)) bad = printf("moments: error %.2f\n", e);
      memcpy(first_moments, moments, (size_t)g.n * 16);
    } else if (memcmp(first_moments, moments, (size_t)g.n * 16) != 0) {
      bad = printf("moments differ with %d threads\n", threads);
    } else if (memcmp(first, c, (size_t)nc * (t == RL_F64 ? 8 : 4)) != 0) {
      bad = printf("differs with %d threads\n", threads);
    }
  }
  if (bad)
    printf("FAILED %s %s %lldx%lldx%lld ta %d tb %d beta %g pad %lld batch %lld bias %d pa %d pb %d moments "
           "%d\n",
           rl_isa_name(), t == RL_F64 ? "f64" : "f32", (long long)g.m, (long long)g.n, (long long)g.k, g.ta,
           g.tb, g.beta, (long long)pad, (long long)g.batch, g.bias != NULL, g.pa.scale != NULL,
           g.pb.scale != NULL, g.moments != NULL);
  free(a), free(b), free(before), free(c), free(first), free(list), free(bias), free(other);
  free(moments), free(first_moments);
  return bad != 0;
}

/* ---- the gradient through a mask */

typedef struct mask {
  rl_gemm g;
  rl_gemm_back e;
  void *product; /* the plain product, by the engine: the mask is what is tested */
  double *grad, *sums, *size;
  int64_t pad;
} mask;

static void plain_back(mask *q, const void *before) {
  const rl_gemm *g = &q->g;
  const rl_gemm_back *e = &q->e;
  rl_dtype t = g->dtype;
  for (int64_t i = 0; i < g->m; i++)
    for (int64_t j = 0; j < g->n; j++) {
      double x = get(e->x, t, i * e->ldx + j), v = get(q->product, t, i * g->n + j);
      double z = rounded(t, rounded(t, x * get(e->f.scale, t, j)) + get(e->f.shift, t, j));
      double by = z > 0 || e->f.act == RL_ACT_NONE ? 1 : e->f.act == RL_ACT_RELU ? 0 : get(e->f.slope, t, j);
      double xhat = e->mean == NULL ? 0 : (x - get(e->mean, t, j)) * get(e->rstd, t, j);
      q->grad[i * e->ldg + j] =
          (e->add ? get(before, t, i * e->ldg + j) : 0) + get(e->f.scale, t, j) * v * by;
      const double of[3] = {v * by, v * by * xhat, e->f.act == RL_ACT_PRELU && z <= 0 ? v * z : 0};
      for (int k = 0; k < 3; k++)
        q->sums[k * g->n + j] += of[k], q->size[k * g->n + j] += fabs(of[k]) + fabs(v);
    }
}

static double compare_back(const mask *q, const void *before) {
  const rl_gemm_back *e = &q->e;
  double worst = 0, unit = q->g.dtype == RL_F64 ? 0x1p-53 : 0x1p-24;
  int64_t sums = e->f.act == RL_ACT_PRELU ? 3 : 2;
  for (int64_t i = 0; i < q->g.m * e->ldg; i++) {
    double got = get(e->grad, q->g.dtype, i);
    if (i % e->ldg >= q->g.n && got != get(before, q->g.dtype, i)) return INFINITY;
    double error =
        i % e->ldg >= q->g.n ? 0 : fabs(got - q->grad[i]) / (unit * 20 * (fabs(q->grad[i]) + (double)q->g.k));
    if (!(error <= worst)) worst = error;
  }
  for (int64_t i = 0; i < sums * q->g.n; i++) {
    double error = fabs(e->sums[i] - q->sums[i]) / (unit * 20 * (q->size[i] + (double)(q->g.k * 4)));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

static int run_back(mask *q, const void *before) {
  rl_gemm plain = q->g;
  plain.c = q->product, plain.ldc = q->g.n;
  rl_threads_set(1);
  int bad = rl_gemm_run(&plain) != RL_OK;
  plain_back(q, before);
  size_t bytes = (size_t)(q->g.m * q->e.ldg) * (q->g.dtype == RL_F64 ? 8 : 4);
  void *first = malloc(bytes + 1), *first_sums = malloc((size_t)q->g.n * 24 + 1);
  for (int threads = 1; threads <= 4 && !bad; threads++) {
    rl_threads_set(threads);
    memcpy(q->e.grad, before, bytes);
    rl_gemm g = q->g;
    g.back = &q->e;
    bad = rl_gemm_run(&g) != RL_OK;
    double error = compare_back(q, before);
    if (!(error <= 1)) bad = printf("mask: error %.2f of the bound\n", error);
    if (threads > 1 &&
        (memcmp(first, q->e.grad, bytes) || memcmp(first_sums, q->e.sums, (size_t)q->g.n * 24)))
      bad = printf("mask: differs with %d threads\n", threads);
    memcpy(first, q->e.grad, bytes);
    memcpy(first_sums, q->e.sums, (size_t)q->g.n * 24);
  }
  free(first), free(first_sums);
  return bad;
}

static int try_back(rl_gemm g, rl_act act, bool add, bool mean, int64_t pad) {
  rl_dtype t = g.dtype;
  g.lda = g.k + pad, g.ldb = (g.tb ? g.k : g.n) + pad;
  mask q = {.g = g, .e = {.f = {.act = act}, .add = add, .ldx = g.n + pad, .ldg = g.n + 2 * pad}, .pad = pad};
  void *before = filled(t, g.m * q.e.ldg);
  void *const own[] = {filled(t, g.m * g.lda),
                       filled(t, (g.tb ? g.n : g.k) * g.ldb),
                       filled(t, g.m * q.e.ldx),
                       filled(t, g.n),
                       filled(t, g.n),
                       filled(t, g.n),
                       filled(t, g.n),
                       filled(t, g.n),
                       filled(t, g.m * q.e.ldg),
                       filled(t, g.m * g.n),
                       calloc((size_t)g.n * 3 + 1, 8),
                       calloc((size_t)(g.m * q.e.ldg) + 1, 8),
                       calloc((size_t)g.n * 3 + 1, 8),
                       calloc((size_t)g.n * 3 + 1, 8)};
  q.g.a = own[0], q.g.b = own[1], q.e.x = own[2];
  q.e.f.scale = own[3], q.e.f.shift = own[4], q.e.f.slope = own[5], q.e.rstd = own[7];
  q.e.mean = mean ? own[6] : NULL;
  q.e.grad = own[8], q.product = own[9], q.e.sums = own[10], q.grad = own[11], q.sums = own[12],
  q.size = own[13];
  int bad = run_back(&q, before);
  if (bad)
    printf("FAILED mask %s %s %lldx%lldx%lld tb %d act %d add %d mean %d pad %lld\n", rl_isa_name(),
           t == RL_F64 ? "f64" : "f32", (long long)g.m, (long long)g.n, (long long)g.k, g.tb, (int)act, add,
           mean, (long long)pad);
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) free(own[i]);
  free(before);
  return bad != 0;
}

static int try_all(void) {
  static const int64_t shape[][3] = {{0, 5, 3},      {5, 0, 3},     {5, 7, 0},       {1, 1, 1},
                                     {1, 300, 40},   {300, 1, 40},  {8, 32, 32},     {3, 1000, 70},
                                     {14, 32, 256},  {15, 33, 257}, {100, 100, 100}, {30, 600, 513},
                                     {1200, 20, 10}, {8, 24, 9000}, {64, 512, 20},   {15, 17, 4200}};
  int bad = 0, some;
  double moments;
  for (size_t s = 0; s < sizeof shape / sizeof shape[0]; s++)
    for (int way = 0; way < 4; way++) {
      rl_gemm g = {.m = shape[s][0], .n = shape[s][1], .k = shape[s][2], .ta = way & 1, .tb = way >> 1};
      g.dtype = (s + (size_t)way) % 3 == 0 ? RL_F64 : RL_F32;
      g.beta = way == 1 ? 0 : way == 2 ? 1 : 0.5;
      if (way == 2) g.pa = (rl_prologue){.scale = &some, .act = RL_ACT_RELU};
      if (way >= 2) g.moments = &moments;
      bad += try_product(g, way);
    }
  for (int i = 0; i < 40; i++) {
    rl_gemm g = {.m = pick(70),
                 .n = pick(90),
                 .k = pick(300),
                 .ta = pick(2),
                 .tb = pick(2),
                 .dtype = pick(2) ? RL_F64 : RL_F32};
    g.beta = (double)pick(3);
    g.batch = pick(7);
    if (pick(2)) g.bias = &some;
    if (pick(2)) g.pa = (rl_prologue){.scale = &some, .act = (rl_act)pick(3)};
    if (pick(3) == 0) g.pa = (rl_prologue){.scale = &some, .other = &some};
    if (!g.tb && pick(2)) g.pb = (rl_prologue){.scale = &some, .act = (rl_act)pick(3)};
    if (g.batch < 2 && pick(2)) g.moments = &moments;
    bad += try_product(g, pick(4));
    rl_gemm back = {
        .m = 1 + pick(150), .n = 1 + pick(90), .k = 1 + pick(300), .tb = pick(2), .dtype = g.dtype};
    bad += try_back(back, (rl_act)pick(3), pick(2), pick(2), pick(3));
  }
  return bad;
}

int main(void) { return on_every_rung("gemm", try_all); }
