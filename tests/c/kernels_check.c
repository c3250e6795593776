/* kernels_check: every run-shaped row of kernels.def, each rung against scalar: n = 0..67, shifted pointers, special values,
** guard words around the output, inputs in blocks of their exact size (for the sanitizer). Rows join by themselves: the type of
** their arguments says how to call them. Rows of blocks (products, convolutions) have checks of their own. */
#include "base/rng.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 67
#define GUARD   64 /* bytes on each side */

typedef enum shape {
  OTHER,
  Y_X,
  Y_AB,
  Y_AB_D,
  Y_X_DI,
  Y_AB_I,
  Y_ABC_I,
  Y_ABCD_I,
  Y_X_DD,
  Y_AB_DDI,
  Y_UAB,
  Y_AU_II,
  U_AB,
  U_X,
  SUM,
  DOT
} shape;

typedef void (*any)(void);
typedef struct row {
  const char *name;
  size_t offset; /* of its pointer in rl_kernels */
  shape shape;
  bool wide; /* f64 */
} row;

/* clang-format off */
#define SHAPE(real, f) _Generic((f), \
  void (*)(real *, const real *, size_t): Y_X, \
  void (*)(real *, const real *, const real *, size_t): Y_AB, \
  void (*)(real *, const real *, const real *, double, size_t): Y_AB_D, \
  void (*)(real *, const real *, double, int, size_t): Y_X_DI, \
  void (*)(real *, const real *, const real *, int, size_t): Y_AB_I, \
  void (*)(real *, const real *, const real *, const real *, int, size_t): Y_ABC_I, \
  void (*)(real *, const real *, const real *, const real *, const real *, int, size_t): Y_ABCD_I, \
  void (*)(real *, const real *, double, double, size_t): Y_X_DD, \
  void (*)(real *, const real *, const real *, double, double, int, size_t): Y_AB_DDI, \
  void (*)(real *, const uint8_t *, const real *, const real *, size_t): Y_UAB, \
  void (*)(real *, const real *, const uint8_t *, int, int, size_t): Y_AU_II, \
  void (*)(uint8_t *, const real *, const real *, size_t): U_AB, \
  void (*)(uint8_t *, const real *, size_t): U_X, \
  default: OTHER)
#define SUM_SHAPE(real, f) _Generic((f), void (*)(double *, const real *, size_t): SUM, \
  void (*)(double *, const real *, const real *, size_t): DOT, default: OTHER)

#define CALLS(real, type) \
static void call_##type(shape s, any f, void *y, void *const *in, const uint8_t *u, int add, size_t n) { \
  const real *a = in[0], *b = in[1], *c = in[2], *d = in[3]; \
  switch (s) { \
  case Y_X: ((void (*)(real *, const real *, size_t))f)(y, a, n); break; \
  case Y_AB: ((void (*)(real *, const real *, const real *, size_t))f)(y, a, b, n); break; \
  case Y_AB_D: ((void (*)(real *, const real *, const real *, double, size_t))f)(y, a, b, 0.75, n); break; \
  case Y_X_DI: ((void (*)(real *, const real *, double, int, size_t))f)(y, a, 0.75, add, n); break; \
  case Y_AB_I: ((void (*)(real *, const real *, const real *, int, size_t))f)(y, a, b, add, n); break; \
  case Y_ABC_I: ((void (*)(real *, const real *, const real *, const real *, int, size_t))f)(y, a, b, c, add, n); break; \
  case Y_ABCD_I: ((void (*)(real *, const real *, const real *, const real *, const real *, int, size_t))f)(y, a, b, c, d, add, n); break; \
  case Y_X_DD: ((void (*)(real *, const real *, double, double, size_t))f)(y, a, -0.5, 0.5, n); break; \
  case Y_AB_DDI: ((void (*)(real *, const real *, const real *, double, double, int, size_t))f)(y, a, b, -0.5, 0.5, add, n); break; \
  case Y_UAB: ((void (*)(real *, const uint8_t *, const real *, const real *, size_t))f)(y, u, a, b, n); break; \
  case Y_AU_II: ((void (*)(real *, const real *, const uint8_t *, int, int, size_t))f)(y, a, u, 1, add, n); break; \
  case U_AB: ((void (*)(uint8_t *, const real *, const real *, size_t))f)(y, a, b, n); break; \
  case U_X: ((void (*)(uint8_t *, const real *, size_t))f)(y, a, n); break; \
  case SUM: ((void (*)(double *, const real *, size_t))f)(y, a, n); break; \
  case DOT: ((void (*)(double *, const real *, const real *, size_t))f)(y, a, b, n); break; \
  case OTHER: break; \
  } \
}
CALLS(float, f32)
CALLS(double, f64)
/* clang-format on */

#define MEMBER(name, type) (((const rl_kernels *)0)->name##_##type)
static const row rows[] = {
/* a sum is told by its f32 form: in f64 it looks like y from x */
#define SUMS(name) SUM_SHAPE(float, MEMBER(name, f32))
#define RL_KERNEL(name, args)                                                                                \
  {#name, offsetof(rl_kernels, name##_f32), SUMS(name) ? SUMS(name) : SHAPE(float, MEMBER(name, f32)),       \
   false},                                                                                                   \
      {#name, offsetof(rl_kernels, name##_f64), SUMS(name) ? SUMS(name) : SHAPE(double, MEMBER(name, f64)),  \
       true},
#include "kernels/kernels.def"
#undef RL_KERNEL
};

/* Of sums: `_into` rows add to n numbers, the others write one. */
static bool is_single(const row *r) {
  size_t len = strlen(r->name);
  return r->shape == DOT || (r->shape == SUM && !(len > 5 && strcmp(r->name + len - 5, "_into") == 0));
}

static uint64_t draws;

static double draw(void) { /* mostly of size about 1; now and then what kernels stumble over */
  static const double special[] = {0.0,      -0.0, INFINITY, -INFINITY, NAN, 1,   -1,
                                   0x1p-149, 3e38, -3e38,    1e-38,     100, -100};
  double u = rl_uniform(41, RL_STREAM_USER, 0, 0, draws++);
  if (u < 0.15) return special[(size_t)(u / 0.15 * (sizeof special / sizeof special[0]))];
  return rl_normal(42, RL_STREAM_USER, 0, 0, draws++) * (u < 0.3 ? 30 : 1);
}

static void set(void *p, bool wide, size_t i, double v) {
  if (wide)
    ((double *)p)[i] = v;
  else
    ((float *)p)[i] = (float)v;
}
static double get(const void *p, bool wide, size_t i) {
  return wide ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

typedef struct args { /* inputs end where their blocks end */
  char *block[4];
  void *in[4];
  uint8_t *u;
} args;

static args make_args(bool wide, size_t n, size_t shift) {
  args a;
  size_t width = wide ? 8 : 4;
  for (int k = 0; k < 4; k++) {
    a.block[k] = malloc((n + shift) * width + 1);
    a.in[k] = a.block[k] + shift * width;
    for (size_t i = 0; i < n; i++) set(a.in[k], wide, i, draw());
  }
  a.u = malloc(n + 1);
  for (size_t i = 0; i < n; i++) a.u[i] = rl_uniform(43, RL_STREAM_USER, 0, 0, draws++) < 0.5;
  return a;
}

static void drop_args(args *a) {
  for (int k = 0; k < 4; k++) free(a->block[k]);
  free(a->u);
}

/* Rungs differ by fused steps only: a few roundings, relative to the result and to what it was added to. */
static bool near(double got, double want, double before, bool wide) {
  if (isnan(want)) return isnan(got);
  double size = isfinite(before) ? fmax(fabs(want), fabs(before)) : fabs(want);
  return got == want || fabs(got - want) <= size * (wide ? 1e-13 : 1e-5) + (wide ? 1e-300 : 1e-43);
}

static bool guards_hold(const unsigned char *block, size_t from, size_t to, size_t all) {
  for (size_t i = 0; i < all; i++)
    if ((i < from || i >= to) && block[i] != 0xa5) return false;
  return true;
}

static void run(const row *r, const rl_kernels *k, void *y, const args *a, int add, size_t n) {
  any f;
  memcpy(&f, (const char *)k + r->offset, sizeof f);
  (r->wide ? call_f64 : call_f32)(r->shape, f, y, a->in, a->u, add, n);
}

static size_t width_of(const row *r) { /* of an output element */
  if (r->shape == U_AB || r->shape == U_X) return 1;
  return r->wide || r->shape == SUM || r->shape == DOT ? 8 : 4;
}

static int try_once(const row *r, const rl_kernels *plain, const rl_kernels *k, size_t n, size_t shift,
                    int add) {
  unsigned char want[2 * GUARD + (LONGEST + 8) * 8], got[sizeof want], before[sizeof want];
  bool bytes = r->shape == U_AB || r->shape == U_X, number = is_single(r);
  size_t width = width_of(r), from = GUARD + (number ? 0 : shift * width), count = number ? 1 : n;
  args a = make_args(r->wide, n, shift);
  memset(want, 0xa5, sizeof want);
  for (size_t i = 0; i < count && !bytes; i++) set(want + from, width == 8, i, draw());
  memcpy(got, want, sizeof want);
  memcpy(before, want, sizeof want);
  run(r, plain, want + from, &a, add, n);
  run(r, k, got + from, &a, add, n);
  int bad = 0;
  if (!guards_hold(got, from, from + count * width, sizeof got))
    bad = printf("%s: writes outside its run\n", r->name);
  for (size_t i = 0; i < count && bad == 0; i++) {
    double w = bytes ? want[from + i] : get(want + from, width == 8, i),
           g = bytes ? got[from + i] : get(got + from, width == 8, i);
    if (!near(g, w, bytes ? 0 : get(before + from, width == 8, i), r->wide))
      bad = printf("%s: element %zu of %zu is %.9g, scalar gives %.9g (a %.9g b %.9g)\n", r->name, i, n, g, w,
                   get(a.in[0], r->wide, i), get(a.in[1], r->wide, i));
  }
  if (bad)
    printf("FAILED %s_%s on %s, shift %zu, add %d\n", r->name, r->wide ? "f64" : "f32", k->isa, shift, add);
  drop_args(&a);
  return bad != 0;
}

static int try_row(const row *r, const rl_kernels *plain, const rl_kernels *k) {
  for (size_t n = 0; n <= LONGEST; n++)
    for (size_t shift = 0; shift < 4; shift++)
      for (int add = 0; add < 2; add++)
        if (try_once(r, plain, k, n, shift, add)) return 1;
  return 0;
}

int main(void) {
  static const char *const rung[] = {"avx2", "avx512"};
  const rl_kernels *plain = rl_kernels_rung("scalar");
  int bad = 0, tried = 0;
  for (int q = 0; q < 2; q++) {
    const rl_kernels *k = rl_kernels_rung(rung[q]);
    for (size_t i = 0; k != NULL && i < sizeof rows / sizeof rows[0]; i++) {
      if (rows[i].shape == OTHER) continue;
      bad += try_row(&rows[i], plain, k);
      tried++;
    }
  }
  printf("%d rows tried, %d wrong\n", tried, bad);
  return bad != 0;
}
