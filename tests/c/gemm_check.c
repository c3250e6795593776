/* gemm_check: products against plain loops in double, over awkward sizes, on every rung, with 1 to 4 threads
** giving the same bytes and nothing written outside C. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static double through(const rl_prologue *p, rl_dtype t, int64_t col, double x) {
  if (p->scale == NULL) return x;
  double y = x * get(p->scale, t, col) + get(p->shift, t, col);
  return p->relu && y < 0 ? 0 : y;
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
          double a = get(g->a, g->dtype, s * g->stride_a + (g->ta ? k * g->lda + i : i * g->lda + k));
          double b = get(g->b, g->dtype, s * g->stride_b + (g->tb ? j * g->ldb + k : k * g->ldb + j));
          double ab = through(&g->pa, g->dtype, k, a) * through(&g->pb, g->dtype, j, b);
          sum += ab;
          size += (fabs(a) + fabs(through(&g->pa, g->dtype, k, a)) + 1) *
                  (fabs(b) + fabs(through(&g->pb, g->dtype, j, b)) + 1);
        }
        double e = fabs(got - sum) / ((size + 1e-30) * unit * (double)(g->k + 8));
        if (!(e <= worst)) worst = e;
      }
  return worst;
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
  void *scale = filled(t, g.k + g.n), *bias = filled(t, g.n);
  g.a = a;
  g.b = b;
  g.c = c;
  if (g.bias != NULL) g.bias = bias;
  if (g.pa.scale != NULL) g.pa.scale = scale, g.pa.shift = scale;
  if (g.pb.scale != NULL) g.pb.scale = scale, g.pb.shift = scale;
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
    } else if (memcmp(first, c, (size_t)nc * (t == RL_F64 ? 8 : 4)) != 0) {
      bad = printf("differs with %d threads\n", threads);
    }
  }
  if (bad)
    printf("FAILED %s %s %lldx%lldx%lld ta %d tb %d beta %g pad %lld batch %lld bias %d pa %d pb %d\n",
           rl_isa_name(), t == RL_F64 ? "f64" : "f32", (long long)g.m, (long long)g.n, (long long)g.k, g.ta,
           g.tb, g.beta, (long long)pad, (long long)g.batch, g.bias != NULL, g.pa.scale != NULL,
           g.pb.scale != NULL);
  free(a), free(b), free(before), free(c), free(first), free(scale), free(bias);
  return bad != 0;
}

static int try_all(void) {
  static const int64_t shape[][3] = {{0, 5, 3},      {5, 0, 3},     {5, 7, 0},       {1, 1, 1},
                                     {1, 300, 40},   {300, 1, 40},  {8, 32, 32},     {3, 1000, 70},
                                     {14, 32, 256},  {15, 33, 257}, {100, 100, 100}, {30, 600, 513},
                                     {1200, 20, 10}, {8, 24, 9000}, {64, 512, 20},   {15, 17, 4200}};
  int bad = 0, some;
  for (size_t s = 0; s < sizeof shape / sizeof shape[0]; s++)
    for (int way = 0; way < 4; way++) {
      rl_gemm g = {.m = shape[s][0], .n = shape[s][1], .k = shape[s][2], .ta = way & 1, .tb = way >> 1};
      g.dtype = (s + (size_t)way) % 3 == 0 ? RL_F64 : RL_F32;
      g.beta = way == 1 ? 0 : way == 2 ? 1 : 0.5;
      if (!g.ta && way == 2) g.pa = (rl_prologue){&some, &some, true};
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
    if (!g.ta && pick(2)) g.pa = (rl_prologue){&some, &some, pick(2)};
    if (!g.tb && pick(2)) g.pb = (rl_prologue){&some, &some, pick(2)};
    bad += try_product(g, pick(4));
  }
  return bad;
}

int main(void) {
  static const char *const rung[] = {"scalar", "avx2", "avx512"};
  int bad = 0;
  for (int r = 0; r < 3; r++) {
    fflush(stdout);
    pid_t child = fork(); /* a rung is chosen once per process */
    if (child == 0) {
      setenv("RILLE_ISA", rung[r], 1);
      int wrong = try_all();
      printf("gemm on %s: %d wrong\n", rl_isa_name(), wrong);
      fflush(stdout);
      _exit(wrong != 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    bad += status != 0;
  }
  return bad != 0;
}
