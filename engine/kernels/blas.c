/* OpenBLAS by dlopen. Its core type is read when it is loaded and cannot be changed later; old releases take new processors
** for ancient ones (Prescott: six times too slow). So it is asked what it took the CPU for, and if that is too little, and
** the user has not chosen, loaded again under a better name. */
#include "kernels/blas.h"

#include "base/status.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef void gemm_f64(const char *, const char *, const int *, const int *, const int *, const double *,
                      const double *, const int *, const double *, const int *, const double *, double *,
                      const int *);
typedef void gemm_f32(const char *, const char *, const int *, const int *, const int *, const float *,
                      const float *, const int *, const float *, const int *, const float *, float *,
                      const int *);

static struct {
  void *library;
  gemm_f32 *sgemm;
  gemm_f64 *dgemm;
  char core[64], version[64];
  bool usable;
  char text[320];
} blas = {.text = "none"};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- what the CPU allows, and what a core's name stands for: 2 AVX-512, 1 AVX2, 0 less */

static int cpu_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
  return 0;
}

static int core_level(const char *core) {
  static const char *const wide[] = {"SkylakeX", "Cooperlake", "Sapphirerapids"}, *const middle[] = {
                                                                                      "Haswell", "Zen",
                                                                                      "Excavator"};
  for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
    if (strcasecmp(core, wide[i]) == 0) return 2;
  for (size_t i = 0; i < sizeof middle / sizeof middle[0]; i++)
    if (strcasecmp(core, middle[i]) == 0) return 1;
  return 0;
}

/* ---- loading */

typedef union symbol { /* ISO C has no cast from an object's address to a function's */
  void *object;
  char *(*words)(void);
  void (*set)(int);
  gemm_f32 *f32;
  gemm_f64 *f64;
} symbol;

static symbol find(const char *name) {
  symbol s = {.object = blas.library == NULL ? NULL : dlsym(blas.library, name)};
  return s;
}

static bool load(void) {
  static const char *const name[] = {"libopenblas.so.0", "libopenblas.so"};
  for (size_t i = 0; i < 2 && blas.library == NULL; i++)
    blas.library = dlopen(name[i], RTLD_NOW | RTLD_LOCAL);
  if (blas.library == NULL) return false;
  symbol core = find("openblas_get_corename"), config = find("openblas_get_config"),
         threads = find("openblas_set_num_threads");
  blas.sgemm = find("sgemm_").f32;
  blas.dgemm = find("dgemm_").f64;
  if (threads.object != NULL) threads.set(1);
  snprintf(blas.core, sizeof blas.core, "%s", core.object == NULL ? "unknown" : core.words());
  const char *text = config.object == NULL ? "OpenBLAS ?" : config.words();
  if (sscanf(text, "OpenBLAS %63s", blas.version) != 1) snprintf(blas.version, sizeof blas.version, "?");
  return true;
}

/* The environment is put back as it was: it belongs to the user and to child processes. */
static void load_well(void) {
  bool chosen = getenv("OPENBLAS_CORETYPE") != NULL, counted = getenv("OPENBLAS_NUM_THREADS") != NULL;
  if (!counted) setenv("OPENBLAS_NUM_THREADS", "1", 1);
  if (load() && !chosen && core_level(blas.core) < cpu_level()) {
    dlclose(blas.library);
    blas.library = NULL;
    setenv("OPENBLAS_CORETYPE", cpu_level() == 2 ? "SkylakeX" : "Haswell", 1);
    load();
    unsetenv("OPENBLAS_CORETYPE");
  }
  if (!counted) unsetenv("OPENBLAS_NUM_THREADS");
}

/* ---- products: row-major C = op(A) op(B) is column-major C' = op(B)' op(A)' */

static void product(const rl_gemm *g) {
  const char *ta = g->ta ? "T" : "N", *tb = g->tb ? "T" : "N";
  int m = (int)g->m, n = (int)g->n, k = (int)g->k, lda = (int)g->lda, ldb = (int)g->ldb, ldc = (int)g->ldc;
  if (g->dtype == RL_F64) {
    double one = 1, beta = g->beta;
    blas.dgemm(tb, ta, &n, &m, &k, &one, g->b, &ldb, g->a, &lda, &beta, g->c, &ldc);
  } else {
    float one = 1, beta = (float)g->beta;
    blas.sgemm(tb, ta, &n, &m, &k, &one, g->b, &ldb, g->a, &lda, &beta, g->c, &ldc);
  }
}

#define SIDE 24 /* of the trial's matrices, padding included */

static double value(const void *p, rl_dtype t, int64_t i) {
  return t == RL_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void fill(void *p, rl_dtype t, bool nan) {
  for (int i = 0; i < SIDE * SIDE; i++) {
    double v = nan ? NAN : (double)((i * 37) % 19 - 9) / 8;
    if (t == RL_F64)
      ((double *)p)[i] = v;
    else
      ((float *)p)[i] = (float)v;
  }
}

/* One product of small eighths: every sum is exact in both types, so it must be met exactly. */
static bool right(rl_gemm g) {
  double a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE], before[SIDE * SIDE];
  fill(a, g.dtype, false), fill(b, g.dtype, false), fill(c, g.dtype, g.beta == 0),
      fill(before, g.dtype, g.beta == 0);
  g.a = a, g.b = b, g.c = c, g.lda = g.ldb = g.ldc = SIDE;
  product(&g);
  for (int64_t i = 0; i < g.m; i++)
    for (int64_t j = 0; j < g.n; j++) {
      double sum = g.beta == 0 ? 0 : g.beta * value(before, g.dtype, i * SIDE + j);
      for (int64_t k = 0; k < g.k; k++)
        sum += value(a, g.dtype, g.ta ? k * SIDE + i : i * SIDE + k) *
               value(b, g.dtype, g.tb ? j * SIDE + k : k * SIDE + j);
      if (!(value(c, g.dtype, i * SIDE + j) == sum)) return false;
    }
  return true;
}

static int wrong_products(int *tried) {
  static const int64_t shape[][3] = {{5, 7, 0},    {1, 1, 1},    {1, 17, 3}, {17, 1, 5},
                                     {23, 19, 21}, {16, 16, 16}, {8, 24, 1}};
  int wrong = 0;
  *tried = 0;
  for (size_t s = 0; s < sizeof shape / sizeof shape[0]; s++)
    for (int way = 0; way < 16; way++, ++*tried) {
      rl_gemm g = {
          .dtype = way & 4 ? RL_F64 : RL_F32, .ta = way & 1, .tb = way & 2, .beta = way & 8 ? 0.5 : 0};
      g.m = shape[s][0], g.n = shape[s][1], g.k = shape[s][2];
      wrong += !right(g);
    }
  return wrong;
}

static void open_once(void) {
  load_well();
  if (blas.library == NULL || blas.sgemm == NULL || blas.dgemm == NULL) {
    snprintf(blas.text, sizeof blas.text, "OpenBLAS is not installed (Debian: apt-get install libopenblas0)");
    return;
  }
  int tried, wrong = wrong_products(&tried);
  if (wrong > 0) {
    snprintf(blas.text, sizeof blas.text,
             "OpenBLAS %s kernel \"%s\" multiplies wrongly on this processor (%d of %d checks); start with "
             "OPENBLAS_CORETYPE=Haswell",
             blas.version, blas.core, wrong, tried);
    return;
  }
  blas.usable = true;
  snprintf(blas.text, sizeof blas.text, "OpenBLAS %s, core %s%s", blas.version, blas.core,
           core_level(blas.core) < cpu_level() ? ", poor: the CPU allows more; unset OPENBLAS_CORETYPE" : "");
}

rl_status rl_blas_open(void) {
  pthread_once(&once, open_once);
  return blas.usable ? RL_OK : rl_fail(RL_ESTATE, "blas: %s", blas.text);
}

const char *rl_blas_describe(void) {
  pthread_once(&once, open_once);
  return blas.text;
}

void *rl_blas_symbol(const char *name) { return blas.usable ? find(name).object : NULL; }

rl_status rl_blas_gemm(const rl_gemm *g) {
  RL_TRY(rl_blas_open());
  if (g->m > INT32_MAX || g->n > INT32_MAX || g->k > INT32_MAX || g->lda > INT32_MAX || g->ldb > INT32_MAX ||
      g->ldc > INT32_MAX)
    return rl_fail(RL_ESHAPE, "blas: a product of %lld x %lld x %lld is beyond its 32-bit sizes",
                   (long long)g->m, (long long)g->k, (long long)g->n);
  if (g->m > 0 && g->n > 0) product(g);
  return RL_OK;
}
