/* The way back through a dense block. For y = relu(gamma xhat + beta) followed by a linear map, let dz be the gradient behind the
** ReLU's mask. Batch norm gives dx = scale (dz - mean(dz) - xhat mean(dz xhat)), whose last two terms are an affine function of x:
** dx = scale dz + a + b x. The two numbers a, b per channel add up over all layers that read it and are applied once,
** when the channel's own layer is reached: no pass over M x Cin is made for them. (Jung et al., arXiv 1807.01702) */
#include "ops/fused/dense.h"

#include "base/mem.h"
#include "base/threads.h"

#include <string.h>

#define ROWS 256 /* pixels per block of the passes below */

#define LOSSES_MAX 64 /* of one walk back */

typedef struct lane {    /* one cotangent's way */
  char *grad;            /* [M][C]: what has arrived so far */
  char *made;            /* [M][growth]: the layer's own output's gradient */
  char *dz;              /* [M][mid] */
  double *sum_a, *sum_b; /* [C]: corrections collected */
  double *sums;          /* [3][max(C, mid)] */
  rl_tensor **din;
  const int *beta;
} lane;

typedef struct back {
  rl_dense d;
  char *a, *b; /* [max(C, mid)] of the dtype: corrections about to be applied */
  lane lane[LOSSES_MAX];
} back;

typedef struct pass { /* one of the loops over pixels */
  const back *k;
  const lane *q;
  const void *mean;
  const char *x;
  char *to;
  int64_t at, cols, ldx, ld_to;
  int add;
} pass;

static int64_t rows_of(const pass *p, int64_t from) {
  return p->k->d.pixels - from < ROWS ? p->k->d.pixels - from : ROWS;
}

static void start_body(void *ctx, int64_t block, int worker) {
  const pass *p = ctx;
  const rl_dense *d = &p->k->d;
  int64_t i = block * ROWS, at = i * d->channels * d->size;
  memcpy(p->q->grad + at, p->x + at, (size_t)(rows_of(p, i) * d->channels * d->size));
  (void)worker;
}

static void corrected_body(void *ctx, int64_t block, int worker) {
  const pass *p = ctx;
  const rl_dense *d = &p->k->d;
  int64_t i = block * ROWS, size = d->size;
  const void *g = p->q->grad + (i * d->channels + p->at) * size, *x = p->x + (i * p->ldx + p->at) * size;
  void *to = p->to + i * p->ld_to * size;
  RL_KERNEL_CALL(d->c->k, d->c->dtype, corrected, to, (size_t)p->ld_to, g, (size_t)d->channels, x,
                 (size_t)p->ldx, (void *)p->k->a, (void *)p->k->b, p->add, (size_t)rows_of(p, i),
                 (size_t)p->cols);
  (void)worker;
}

/* to = [to +] grad + a + b x for channels at..at+cols */
static rl_status apply_corrections(back *k, const lane *q, int64_t at, int64_t cols, char *to, int add) {
  for (int64_t j = 0; j < cols; j++) {
    rl_dense_set(&k->d, k->a, j, q->sum_a[at + j]);
    rl_dense_set(&k->d, k->b, j, q->sum_b[at + j]);
  }
  pass p = {.k = k, .q = q, .x = rl_data(k->d.c->out[0]), .to = to, .at = at, .cols = cols, .add = add};
  p.ldx = k->d.channels, p.ld_to = cols;
  return rl_parallel(corrected_body, &p, rl_blocks(k->d.pixels, ROWS));
}

static void correct_body(void *ctx, int64_t block, int worker) {
  const pass *p = ctx;
  const rl_dense *d = &p->k->d;
  int64_t i = block * ROWS, from = i * p->cols * d->size;
  const void *x = p->x + from;
  void *dz = p->q->dz + from;
  RL_KERNEL_CALL(d->c->k, d->c->dtype, norm_correct, dz, x, (size_t)p->cols, p->mean, (void *)p->k->a,
                 (void *)p->k->b, (size_t)rows_of(p, i), (size_t)p->cols);
  (void)worker;
}

/* Writes or adds a gradient of n numbers. */
static void give(const back *k, const lane *q, int input, const double *v, int64_t n) {
  rl_tensor *din = q->din[input];
  if (din == NULL) return;
  void *p = rl_data(din);
  for (int64_t j = 0; j < n; j++)
    rl_dense_set(&k->d, p, j, (q->beta[input] ? rl_dense_get(&k->d, p, j) : 0) + v[j]);
}

/* One normalisation's channel, from its sums: dx lacks a + b (x - mean); nothing where the moments are constants. */
static void correction(const back *k, const lane *q, const rl_norm *norm, int64_t j, double *a, double *b) {
  *a = *b = 0;
  if (!k->d.training) return;
  double scale = rl_dense_get(&k->d, norm->scale, j), per = 1 / (double)k->d.pixels;
  *a = -scale * q->sums[j] * per;
  *b = -scale * q->sums[norm->n + j] * per * rl_dense_get(&k->d, norm->rstd, j);
}

/* scale dz [M][mid] becomes the gradient of y1, in place. */
static rl_status back_norm2(back *k, const lane *q, int64_t l, const rl_norm *norm, const char *y1) {
  pass p = {.k = k, .q = q, .x = y1, .mean = norm->mean, .cols = norm->n};
  give(k, q, rl_dense_at(l, DENSE_NORM2_B), q->sums, norm->n);
  give(k, q, rl_dense_at(l, DENSE_NORM2_W), q->sums + norm->n, norm->n);
  if (!k->d.training) return RL_OK;
  for (int64_t j = 0; j < norm->n; j++) {
    double a, b;
    correction(k, q, norm, j, &a, &b);
    rl_dense_set(&k->d, k->a, j, a);
    rl_dense_set(&k->d, k->b, j, b);
  }
  return rl_parallel(correct_body, &p, rl_blocks(k->d.pixels, ROWS));
}

/* From dz = dL/dy1: the gradients of conv1 and norm1; what reaches the block's buffer is added to `grad`. */
static rl_status back_conv1(back *k, const lane *q, int64_t l, const rl_norm *norm) {
  rl_call *c = k->d.c;
  const void *x = rl_data(c->out[0]), *weight = rl_data(c->in[rl_dense_at(l, DENSE_CONV1)]);
  int at = rl_dense_at(l, DENSE_CONV1);
  rl_prologue f = {.scale = norm->scale, .shift = norm->shift, .act = RL_ACT_RELU};
  rl_gemm g = {.dtype = c->dtype, .a = q->dz, .lda = k->d.mid, .n = norm->n};
  if (q->din[at] != NULL) {
    rl_gemm dw = g;
    dw.ta = true, dw.m = k->d.mid, dw.k = k->d.pixels, dw.b = x, dw.ldb = k->d.channels;
    dw.c = rl_data(q->din[at]), dw.ldc = norm->n, dw.beta = q->beta[at];
    dw.pb = f;
    RL_TRY(rl_gemm_run(&dw));
  }
  rl_gemm_back e = {.f = f, .x = x, .mean = norm->mean, .rstd = norm->rstd, .ldx = k->d.channels};
  e.grad = q->grad, e.ldg = k->d.channels, e.add = true, e.sums = q->sums;
  g.m = k->d.pixels, g.k = k->d.mid, g.b = weight, g.ldb = norm->n, g.back = &e;
  RL_TRY(rl_gemm_run(&g));
  give(k, q, rl_dense_at(l, DENSE_NORM1_B), q->sums, norm->n);
  give(k, q, rl_dense_at(l, DENSE_NORM1_W), q->sums + norm->n, norm->n);
  for (int64_t j = 0; j < norm->n; j++) {
    double a, b;
    correction(k, q, norm, j, &a, &b);
    q->sum_a[j] += a - b * rl_dense_get(&k->d, norm->mean, j);
    q->sum_b[j] += b;
  }
  return RL_OK;
}

/* conv2's gradients, all cotangents at once: they share its transformed input and weight. */
static rl_status back_conv2(back *k, int64_t l, const rl_norm *norm, const char *y1) {
  rl_call *c = k->d.c;
  int at = rl_dense_at(l, DENSE_CONV2);
  rl_conv s = rl_dense_conv2(&k->d, norm, y1);
  const void *dy[LOSSES_MAX];
  void *dweight[LOSSES_MAX];
  double beta[LOSSES_MAX];
  rl_conv_dx dx[LOSSES_MAX];
  bool learns = false;
  s.ldy = k->d.growth;
  for (int i = 0; i < c->ncot; i++) {
    const lane *q = &k->lane[i];
    dy[i] = q->made;
    dweight[i] = q->din[at] == NULL ? NULL : rl_data(q->din[at]);
    beta[i] = q->beta[at];
    dx[i] = (rl_conv_dx){.dx = q->dz, .ld = k->d.mid, .sums = q->sums};
    learns = learns || dweight[i] != NULL;
  }
  if (learns) RL_TRY(rl_conv_back_weight(&s, c->ncot, dy, dweight, beta));
  return rl_conv_back_data(&s, c->ncot, dy, rl_data(c->in[at]), dx);
}

static rl_status back_layer(back *k, int64_t l) {
  rl_call *c = k->d.c;
  const rl_dense *d = &k->d;
  rl_norm norm1 = rl_dense_norm(d, c->keep[1], l, 0), norm2 = rl_dense_norm(d, c->keep[1], l, 1);
  const char *y1 = (const char *)rl_data(c->keep[0]) + l * d->pixels * d->mid * d->size;
  for (int i = 0; i < c->ncot; i++)
    RL_TRY(apply_corrections(k, &k->lane[i], norm1.n, d->growth, k->lane[i].made, 0));
  RL_TRY(back_conv2(k, l, &norm2, y1));
  for (int i = 0; i < c->ncot; i++) {
    RL_TRY(back_norm2(k, &k->lane[i], l, &norm2, y1));
    RL_TRY(back_conv1(k, &k->lane[i], l, &norm1));
  }
  return RL_OK;
}

static rl_status back_all(back *k) {
  rl_call *c = k->d.c;
  for (int i = 0; i < c->ncot; i++) {
    pass p = {.k = k, .q = &k->lane[i], .x = rl_data(c->dout[i])};
    RL_TRY(rl_parallel(start_body, &p, rl_blocks(k->d.pixels, ROWS)));
  }
  for (int64_t l = k->d.layers - 1; l >= 0; l--) RL_TRY(back_layer(k, l));
  for (int i = 0; i < c->ncot; i++) {
    const lane *q = &k->lane[i];
    if (q->din[0] != NULL) RL_TRY(apply_corrections(k, q, 0, k->d.c0, rl_data(q->din[0]), q->beta[0]));
  }
  return RL_OK;
}

static int64_t lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/* All of a walk's memory, taken before anything is written. */
static rl_status open_back(back *k, void **memory, size_t *bytes) {
  const rl_dense *d = &k->d;
  rl_call *c = d->c;
  int64_t widest = d->channels > d->mid ? d->channels : d->mid, list = lines(widest * 8);
  int64_t grad = lines(d->pixels * d->channels * d->size), made = lines(d->pixels * d->growth * d->size);
  int64_t dz = lines(d->pixels * d->mid * d->size), each = grad + made + dz + 5 * list;
  *bytes = (size_t)(c->ncot * each + 2 * list);
  RL_TRY(rl_mem_alloc(memory, *bytes));
  k->a = *memory;
  k->b = k->a + list;
  for (int i = 0; i < c->ncot; i++) {
    lane *q = &k->lane[i];
    q->grad = k->b + list + i * each;
    q->made = q->grad + grad;
    q->dz = q->made + made;
    q->sum_a = (double *)(void *)(q->dz + dz);
    q->sum_b = q->sum_a + list / 8;
    q->sums = q->sum_b + list / 8;
    memset(q->sum_a, 0, (size_t)(2 * list));
    q->din = c->din + i * c->nin;
    q->beta = c->beta + i * c->nin;
  }
  return RL_OK;
}

rl_status rl_dense_backward(rl_call *c) {
  back k;
  void *memory = NULL;
  size_t bytes = 0;
  k.d = rl_dense_of(c);
  RL_TRY(open_back(&k, &memory, &bytes));
  rl_status s = back_all(&k);
  rl_mem_free(memory, bytes);
  return s;
}
