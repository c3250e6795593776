/* vmath_check: the f32 mathematics of every rung against libm in double, with an asserted bound in units of
** the last place. Strides through all 2^32 floats; `vmath_check full` tries every one (minutes). */
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RUN 4096

typedef void (*kernel)(float *y, const float *x, size_t n);

typedef struct function {
  const char *name;
  size_t offset; /* of its row in rl_kernels */
  double (*reference)(double);
  double bound_ulp;
  double range; /* the bound holds for |x| up to here */
} function;

#define ROW(f) offsetof(rl_kernels, f##_f32)
static const function functions[] = {
    {"exp", ROW(exp), exp, 1.1, INFINITY},       {"log", ROW(log), log, 1.0, INFINITY},
    {"log1p", ROW(log1p), log1p, 1.5, INFINITY}, {"tanh", ROW(tanh), tanh, 2.6, INFINITY},
    {"erf", ROW(erf), erf, 1.5, INFINITY},       {"sin", ROW(sin), sin, 1.7, 0x1p28},
    {"cos", ROW(cos), cos, 1.7, 0x1p28},
};

static float float_of(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* The distance from `got` to the exact value, in steps between floats at that value. */
static double error_ulp(float got, double want) {
  float near = (float)want;
  if (isnan(want)) return isnan(got) ? 0 : INFINITY;
  if (isinf(near))
    return isinf(got) && (got > 0) == (near > 0)                          ? 0
           : fabs(want) > 3.4028236e38 && got == copysignf(FLT_MAX, near) ? 1
                                                                          : INFINITY;
  if (!isfinite(got)) return INFINITY;
  int e;
  frexp(want, &e);
  return fabs((double)got - want) / ldexp(1, e < -125 ? -149 : e - 24);
}

typedef struct worst {
  double ulp;
  float x, got;
} worst;

static void try_run(const function *f, kernel run, const float *x, size_t n, worst *w) {
  float y[RUN];
  run(y, x, n);
  for (size_t i = 0; i < n; i++) {
    if (fabsf(x[i]) > f->range && isfinite(x[i])) {
      if (!(fabsf(y[i]) <= 1)) *w = (worst){INFINITY, x[i], y[i]};
      continue;
    }
    double e = error_ulp(y[i], f->reference((double)x[i]));
    if (x[i] == 0 && y[i] == 0 && signbit(x[i]) != signbit(y[i])) e = INFINITY;
    if (e > w->ulp) *w = (worst){e, x[i], y[i]};
  }
}

static int check(const function *f, const rl_kernels *k, uint64_t stride) {
  static const float special[] = {0.0f,    -0.0f,    1.0f,      -1.0f,    0x1p-149f, -0x1p-149f,
                                  FLT_MIN, -FLT_MIN, FLT_MAX,   -FLT_MAX, INFINITY,  -INFINITY,
                                  NAN,     0x1p-24f, -0x1p-24f, 0.93f,    88.72284f};
  kernel run;
  memcpy(&run, (const char *)k + f->offset, sizeof run);
  worst w = {0, 0, 0};
  float x[RUN];
  size_t n = 0;
  try_run(f, run, special, sizeof special / sizeof special[0], &w);
  for (uint64_t u = 0; u < (uint64_t)1 << 32; u += stride) {
    x[n++] = float_of((uint32_t)u);
    if (n == RUN || (u + stride) >> 32 != 0) {
      try_run(f, run, x, n, &w);
      n = 0;
    }
  }
  int bad = !(w.ulp <= f->bound_ulp);
  printf("%-6s %-6s worst %.3f ulp at %a (got %a), allowed %.1f%s\n", k->isa, f->name, w.ulp, (double)w.x,
         (double)w.got, f->bound_ulp, bad ? "  FAILED" : "");
  return bad;
}

int main(int argc, char **argv) {
  uint64_t stride =
      argc > 1 && strcmp(argv[1], "full") == 0 ? 1 : 2003; /* a prime: all exponents, all low bits */
  static const char *const rung[] = {"scalar", "avx2", "avx512"};
  int bad = 0;
  for (int r = 0; r < 3; r++) {
    const rl_kernels *k = rl_kernels_rung(rung[r]);
    for (size_t i = 0; k != NULL && i < sizeof functions / sizeof functions[0]; i++)
      bad += check(&functions[i], k, stride);
  }
  return bad != 0;
}
