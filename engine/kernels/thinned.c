/* 1x1 convolution with a stride, as the shortcuts of residual networks have it. */
#include "kernels/thinned.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"

#include <string.h>

typedef struct job {
  const rl_conv *s;
  int64_t size; /* of an element */
  void *rows;   /* [n oh ow][cin] */
  size_t bytes;
  const rl_conv_dx *to;
} job;

bool rl_thinned_fits(const rl_conv *s) {
  return s->kh == 1 && s->kw == 1 && s->stride[0] * s->stride[1] > 1 && s->pad[0] == 0 && s->pad[1] == 0 &&
         s->groups == 1 && s->nparts == 1 && s->part[0].up == 1;
}

static rl_status job_open(job *j, const rl_conv *s) {
  *j = (job){.s = s, .size = s->dtype == RL_F64 ? 8 : 4};
  j->bytes = (size_t)(s->n * s->oh * s->ow * s->cin * j->size);
  return rl_mem_alloc(&j->rows, j->bytes);
}

/* One row of outputs: block counts images and their rows. */
static void gather_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  const rl_conv *s = j->s;
  const rl_conv_part *q = &s->part[0];
  int64_t row = block / s->oh * s->h + block % s->oh * s->stride[0], bytes = s->cin * j->size;
  const char *x = (const char *)q->x + row * s->w * q->ld * j->size;
  char *to = (char *)j->rows + block * s->ow * bytes;
  for (int64_t i = 0; i < s->ow; i++)
    memcpy(to + i * bytes, x + i * s->stride[1] * q->ld * j->size, (size_t)bytes);
  (void)worker;
}

static void add_to(rl_dtype dtype, void *y, const void *x, double beta, int64_t n) {
  float *fy = y;
  const float *fx = x;
  double *dy = y;
  const double *dx = x;
  if (dtype == RL_F64)
    for (int64_t i = 0; i < n; i++) dy[i] = (beta == 0 ? 0 : beta * dy[i]) + dx[i];
  else
    for (int64_t i = 0; i < n; i++) fy[i] = (beta == 0 ? 0 : (float)beta * fy[i]) + fx[i];
}

static void scale(rl_dtype dtype, void *y, double beta, int64_t n) {
  if (beta == 0) {
    memset(y, 0, (size_t)(n * (dtype == RL_F64 ? 8 : 4)));
    return;
  }
  for (int64_t i = 0; i < n && beta != 1; i++)
    if (dtype == RL_F64)
      ((double *)y)[i] *= beta;
    else
      ((float *)y)[i] *= (float)beta;
}

/* One row of inputs: pixels that no output reads get nothing. */
static void scatter_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  const rl_conv *s = j->s;
  int64_t image = block / s->h, y = block % s->h, bytes = s->cin * j->size;
  bool is_read = y % s->stride[0] == 0 && y / s->stride[0] < s->oh;
  const char *from = (const char *)j->rows + (image * s->oh + y / s->stride[0]) * s->ow * bytes;
  char *to = (char *)j->to->dx + block * s->w * j->to->ld * j->size;
  for (int64_t x = 0; x < s->w; x++, to += j->to->ld * j->size)
    if (is_read && x % s->stride[1] == 0 && x / s->stride[1] < s->ow)
      add_to(s->dtype, to, from + x / s->stride[1] * bytes, j->to->beta, s->cin);
    else
      scale(s->dtype, to, j->to->beta, s->cin);
  (void)worker;
}

static rl_gemm product(const job *j) {
  return (rl_gemm){.dtype = j->s->dtype, .m = j->s->n * j->s->oh * j->s->ow};
}

rl_status rl_thinned_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                             double *moments) {
  job j;
  RL_TRY(job_open(&j, s));
  rl_gemm g = product(&j);
  g.tb = true, g.n = s->cout, g.k = s->cin;
  g.a = j.rows, g.lda = s->cin, g.pa = s->part[0].px;
  g.b = weight, g.ldb = s->cin;
  g.c = y, g.ldc = s->ldy;
  g.bias = bias, g.moments = moments;
  rl_status status = rl_parallel(gather_body, &j, s->n * s->oh);
  if (status == RL_OK) status = rl_gemm_run(&g);
  rl_mem_free(j.rows, j.bytes);
  return status;
}

rl_status rl_thinned_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                               const rl_conv_dx *dx) {
  job j;
  RL_TRY(job_open(&j, s));
  rl_status status = RL_OK;
  for (int k = 0; k < count && status == RL_OK; k++) {
    if (dx[k].dx == NULL) continue;
    rl_gemm g = product(&j);
    g.n = s->cin, g.k = s->cout;
    g.a = dy[k], g.lda = s->ldy;
    g.b = weight, g.ldb = s->cin;
    g.c = j.rows, g.ldc = s->cin;
    j.to = &dx[k];
    status = rl_gemm_run(&g);
    if (status == RL_OK) status = rl_parallel(scatter_body, &j, s->n * s->h);
  }
  rl_mem_free(j.rows, j.bytes);
  return status;
}

rl_status rl_thinned_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                 const double *beta) {
  job j;
  RL_TRY(job_open(&j, s));
  rl_status status = rl_parallel(gather_body, &j, s->n * s->oh);
  for (int k = 0; k < count && status == RL_OK; k++) {
    if (dweight[k] == NULL) continue;
    rl_gemm g = product(&j);
    g.k = g.m, g.ta = true, g.m = s->cout, g.n = s->cin;
    g.a = dy[k], g.lda = s->ldy;
    g.b = j.rows, g.ldb = s->cin, g.pb = s->part[0].px;
    g.c = dweight[k], g.ldc = s->cin, g.beta = beta[k];
    status = rl_gemm_run(&g);
  }
  rl_mem_free(j.rows, j.bytes);
  return status;
}
