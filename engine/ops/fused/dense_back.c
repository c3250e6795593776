/* The way back through a dense block. For y = relu(gamma xhat + beta) followed by a linear map, let dz be the gradient behind the
** ReLU's mask. Batch norm gives dx = scale (dz - mean(dz) - xhat mean(dz xhat)), whose last two terms are an affine function of x:
** dx = scale dz + a + b x. The two numbers a, b per channel add up over all layers that read it and are applied once,
** when the channel's own layer is reached: no pass over M x Cin is made for them. (Jung et al., arXiv 1807.01702) */
#include "ops/fused/dense.h"

#include "base/mem.h"
#include "base/threads.h"

#include <string.h>

#define ROWS 256 /* pixels per block of the passes below */

typedef struct back {
  rl_dense d;
  char *grad;            /* [M][C]: what has arrived so far */
  char *made;            /* [M][growth]: the layer's own output's gradient */
  char *dz;              /* [M][mid] */
  char *a, *b;           /* [max(C, mid)] of the dtype: corrections about to be applied */
  double *sum_a, *sum_b; /* [C]: corrections collected */
  double *sums;          /* [3][max(C, mid)] */
} back;

typedef struct pass { /* one of the loops over pixels */
  const back *k;
  const char *x;
  char *to;
  int64_t at, cols, ldx, ld_to;
  int add;
} pass;

static void corrected_body(void *ctx, int64_t block, int worker) {
  const pass *p = ctx;
  const rl_dense *d = &p->k->d;
  int64_t i = block * ROWS, rows = d->pixels - i < ROWS ? d->pixels - i : ROWS, size = d->size;
  const void *g = p->k->grad + (i * d->channels + p->at) * size, *x = p->x + (i * p->ldx + p->at) * size;
  void *to = p->to + i * p->ld_to * size;
  RL_KERNEL_CALL(d->c->k, d->c->dtype, corrected, to, (size_t)p->ld_to, g, (size_t)d->channels, x,
                 (size_t)p->ldx, (void *)p->k->a, (void *)p->k->b, p->add, (size_t)rows, (size_t)p->cols);
  (void)worker;
}

/* to = [to +] grad + a + b x for channels at..at+cols */
static rl_status apply_corrections(back *k, int64_t at, int64_t cols, char *to, int64_t ld_to, int add) {
  for (int64_t j = 0; j < cols; j++) {
    rl_dense_set(&k->d, k->a, j, k->sum_a[at + j]);
    rl_dense_set(&k->d, k->b, j, k->sum_b[at + j]);
  }
  pass p = {.k = k,
            .x = rl_data(k->d.c->out[0]),
            .to = to,
            .at = at,
            .cols = cols,
            .ldx = k->d.channels,
            .ld_to = ld_to,
            .add = add};
  return rl_parallel(corrected_body, &p, rl_blocks(k->d.pixels, ROWS));
}

static void norm_body(void *ctx, int64_t block, int worker) {
  const pass *p = ctx;
  const rl_dense *d = &p->k->d;
  int64_t i = block * ROWS, rows = d->pixels - i < ROWS ? d->pixels - i : ROWS, from = i * p->cols * d->size;
  const void *x = p->x + from;
  void *dz = p->k->dz + from;
  RL_KERNEL_CALL(d->c->k, d->c->dtype, norm_back, dz, x, (void *)p->k->a, (void *)p->k->b, (size_t)rows,
                 (size_t)p->cols);
  (void)worker;
}

/* Writes or adds a gradient of n numbers. */
static void give(const back *k, int input, const double *v, int64_t n) {
  rl_tensor *din = k->d.c->din[input];
  if (din == NULL) return;
  void *p = rl_data(din);
  for (int64_t j = 0; j < n; j++)
    rl_dense_set(&k->d, p, j, (k->d.c->beta[input] ? rl_dense_get(&k->d, p, j) : 0) + v[j]);
}

/* a and b of one normalisation's channel from its sums; nothing to correct where the moments are constants. */
static void correction(const back *k, const rl_norm *q, int64_t j, double *a, double *b) {
  *a = *b = 0;
  if (!k->d.training) return;
  double scale = rl_dense_get(&k->d, q->scale, j), rstd = rl_dense_get(&k->d, q->rstd, j),
         per = 1 / (double)k->d.pixels;
  double c1 = k->sums[j] * per, c2 = k->sums[q->n + j] * per;
  *b = -scale * c2 * rstd;
  *a = -scale * c1 - *b * rl_dense_get(&k->d, q->mean, j);
}

/* scale dz [M][mid] becomes the gradient of y1, in place. */
static rl_status back_norm2(back *k, int64_t l, const rl_norm *q, const char *y1) {
  pass p = {.k = k, .x = y1, .cols = q->n};
  give(k, rl_dense_at(l, DENSE_NORM2_B), k->sums, q->n);
  give(k, rl_dense_at(l, DENSE_NORM2_W), k->sums + q->n, q->n);
  for (int64_t j = 0; j < q->n; j++) {
    double a, b;
    correction(k, q, j, &a, &b);
    rl_dense_set(&k->d, k->a, j, a);
    rl_dense_set(&k->d, k->b, j, b);
  }
  return rl_parallel(norm_body, &p, rl_blocks(k->d.pixels, ROWS));
}

/* From dz = dL/dy1: the gradients of conv1 and norm1; what reaches the block's buffer is added to `grad`. */
static rl_status back_conv1(back *k, int64_t l, const rl_norm *q) {
  rl_call *c = k->d.c;
  const void *x = rl_data(c->out[0]), *weight = rl_data(c->in[rl_dense_at(l, DENSE_CONV1)]);
  int at = rl_dense_at(l, DENSE_CONV1);
  rl_prologue f = {.scale = q->scale, .shift = q->shift, .act = RL_ACT_RELU};
  rl_gemm g = {.dtype = c->dtype, .a = k->dz, .lda = k->d.mid, .n = q->n};
  if (c->din[at] != NULL) {
    rl_gemm dw = g;
    dw.ta = true, dw.m = k->d.mid, dw.k = k->d.pixels, dw.b = x, dw.ldb = k->d.channels;
    dw.c = rl_data(c->din[at]), dw.ldc = q->n, dw.beta = c->beta[at];
    dw.pb = f;
    RL_TRY(rl_gemm_run(&dw));
  }
  rl_gemm_back e = {.f = f,
                    .x = x,
                    .mean = q->mean,
                    .rstd = q->rstd,
                    .ldx = k->d.channels,
                    .grad = k->grad,
                    .ldg = k->d.channels,
                    .add = true,
                    .sums = k->sums};
  g.m = k->d.pixels, g.k = k->d.mid, g.b = weight, g.ldb = q->n, g.back = &e;
  RL_TRY(rl_gemm_run(&g));
  give(k, rl_dense_at(l, DENSE_NORM1_B), k->sums, q->n);
  give(k, rl_dense_at(l, DENSE_NORM1_W), k->sums + q->n, q->n);
  for (int64_t j = 0; j < q->n; j++) {
    double a, b;
    correction(k, q, j, &a, &b);
    k->sum_a[j] += a;
    k->sum_b[j] += b;
  }
  return RL_OK;
}

static rl_status back_layer(back *k, int64_t l) {
  rl_call *c = k->d.c;
  const rl_dense *d = &k->d;
  rl_norm norm1 = rl_dense_norm(d, c->keep[1], l, 0), norm2 = rl_dense_norm(d, c->keep[1], l, 1);
  const char *y1 = (const char *)rl_data(c->keep[0]) + l * d->pixels * d->mid * d->size;
  int at = rl_dense_at(l, DENSE_CONV2);
  RL_TRY(apply_corrections(k, norm1.n, d->growth, k->made, d->growth, 0));
  rl_conv s = rl_dense_conv2(d, &norm2, y1);
  s.ldy = d->growth;
  const void *dy = k->made;
  if (c->din[at] != NULL)
    RL_TRY(rl_conv_back_weight(&s, 1, &dy, &(void *){rl_data(c->din[at])}, &(double){c->beta[at]}));
  RL_TRY(rl_conv_back_data(&s, 1, &dy, rl_data(c->in[at]),
                           &(rl_conv_dx){.dx = k->dz, .ld = d->mid, .sums = k->sums}));
  RL_TRY(back_norm2(k, l, &norm2, y1));
  return back_conv1(k, l, &norm1);
}

/* Running moments are constants here: their gradient is 0 (exactly so in training). */
static rl_status back_constants(const back *k) {
  const rl_call *c = k->d.c;
  for (int64_t l = 0; l < k->d.layers; l++)
    for (int i = DENSE_MEAN1; i < DENSE_INPUTS; i++) {
      int at = rl_dense_at(l, i);
      if (c->din[at] != NULL && c->beta[at] == 0) RL_TRY(rl_fill(c->din[at], 0));
    }
  return RL_OK;
}

static rl_status back_all(back *k) {
  rl_call *c = k->d.c;
  RL_TRY(back_constants(k));
  memcpy(k->grad, rl_data(c->dout[0]), (size_t)(k->d.pixels * k->d.channels * k->d.size));
  for (int64_t l = k->d.layers - 1; l >= 0; l--) RL_TRY(back_layer(k, l));
  if (c->din[0] == NULL) return RL_OK;
  return apply_corrections(k, 0, k->d.c0, rl_data(c->din[0]), k->d.c0, c->beta[0]);
}

static int64_t lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

rl_status rl_dense_backward(rl_call *c) {
  back k = {.d = rl_dense_of(c)};
  const rl_dense *d = &k.d;
  int64_t widest = d->channels > d->mid ? d->channels : d->mid;
  int64_t grad = lines(d->pixels * d->channels * d->size), made = lines(d->pixels * d->growth * d->size);
  int64_t dz = lines(d->pixels * d->mid * d->size), list = lines(widest * 8);
  int64_t bytes = grad + made + dz + 7 * list;
  void *memory = NULL;
  RL_TRY(rl_mem_alloc(&memory, (size_t)bytes));
  k.grad = memory;
  k.made = k.grad + grad;
  k.dz = k.made + made;
  k.a = k.dz + dz;
  k.b = k.a + list;
  k.sum_a = (double *)(void *)(k.b + list);
  k.sum_b = k.sum_a + list / 8;
  k.sums = k.sum_b + list / 8;
  memset(k.sum_a, 0, (size_t)(2 * list));
  rl_status s = back_all(&k);
  rl_mem_free(memory, (size_t)bytes);
  return s;
}
