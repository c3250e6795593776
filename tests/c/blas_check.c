/* blas_check: where OpenBLAS is installed, it loads, passes its trial, and agrees with our own products; where it is not, the
** answer is a status with a text. */
#include "base/rng.h"
#include "kernels/blas.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 160

static int compare(rl_dtype t, bool ta, bool tb) {
  static double a[N * N], b[N * N], c[N * N], d[N * N];
  for (int i = 0; i < N * N; i++) {
    double u = rl_normal(31, RL_STREAM_USER, 0, 0, (uint64_t)i),
           v = rl_normal(32, RL_STREAM_USER, 0, 0, (uint64_t)i);
    if (t == RL_F64)
      a[i] = u, b[i] = v;
    else
      ((float *)a)[i] = (float)u, ((float *)b)[i] = (float)v;
  }
  rl_gemm g = {.dtype = t,
               .ta = ta,
               .tb = tb,
               .m = 131,
               .n = 97,
               .k = 155,
               .a = a,
               .b = b,
               .c = c,
               .lda = N,
               .ldb = N,
               .ldc = N};
  if (rl_gemm_run(&g) != RL_OK) return 1;
  g.c = d;
  if (rl_blas_gemm(&g) != RL_OK) return 1;
  double worst = 0;
  for (int i = 0; i < 131; i++)
    for (int j = 0; j < 97; j++) {
      double e = t == RL_F64 ? fabs(c[i * N + j] - d[i * N + j])
                             : fabs((double)((float *)c)[i * N + j] - (double)((float *)d)[i * N + j]);
      if (!(e <= worst)) worst = e;
    }
  double allowed =
      (t == RL_F64 ? 0x1p-52 : 0x1p-23) * 155 * 10; /* two roundings of 155 products of size at most 10 */
  if (worst > allowed)
    printf("%s ta %d tb %d: own and OpenBLAS differ by %g, allowed %g\n", t == RL_F64 ? "f64" : "f32", ta, tb,
           worst, allowed);
  return worst > allowed;
}

int main(void) {
  printf("%s\n", rl_blas_describe());
  if (rl_blas_open() != RL_OK) return strncmp(rl_error_text(), "blas: OpenBLAS is not installed", 31) != 0;
  int bad = strstr(rl_blas_describe(), "poor") != NULL && getenv("OPENBLAS_CORETYPE") == NULL;
  for (int way = 0; way < 4; way++)
    bad += compare(RL_F32, way & 1, way & 2) + compare(RL_F64, way & 1, way & 2);
  bad += rl_blas_symbol("dgesdd_") == NULL;
  return bad != 0;
}
