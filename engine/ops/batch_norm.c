/* batch_norm: y = (x - mean) / sqrt(var + eps) weight + bias, by channel (dim 2 of Lua's count).
** [N, C], [N, C, L] or [N, C, H, W] -> [same]. Source: Ioffe and Szegedy, ICML 2015; running statistics as in
** PyTorch. Statistics in double: each block of rows sums by itself, blocks are added in order. */
#include "base/mem.h"
#include "base/threads.h"
#include "ops/real.h"
#include "ops/rows.h"

#include <math.h>
#include <string.h>

enum { X, RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS };
enum { TRAINING, MOMENTUM, EPS };
#define BLOCK  32768 /* elements of a block, at least */
#define TILE   4096  /* elements that stay in the first cache between two looks */
#define BLOCKS 64    /* partial sums at most */

typedef struct pass { /* one sweep over the rows */
  const rl_call *c;
  int64_t rows, n, block, tile; /* M x C; rows of a block, of a tile */
  void *x, *y;
  rl_rows *dout, *din; /* backward: ncot of them */
  double *sum;         /* [blocks][ncot][2 C] */
  void *mean, *coef;   /* C; [ncot][3 C]: scale, slope, shift */
  void *work;
  size_t work_bytes;
} pass;

static int64_t blocks_of(const pass *p) { return rl_blocks(p->rows, p->block); }

/* Sizes by shape; `sets` of 2 C sums for each block, and of 3 C coefficients. */
static rl_status open_pass(pass *p, const rl_call *c, int64_t rows, int64_t n, int sets) {
  *p = (pass){.c = c, .rows = rows, .n = n};
  int64_t wide = n > 0 ? n : 1, least = (rows + BLOCKS - 1) / BLOCKS;
  p->block = BLOCK / wide > least ? BLOCK / wide : least;
  if (p->block < 1) p->block = 1;
  p->tile = TILE / wide > 1 ? TILE / wide : 1;
  size_t sums = (size_t)((blocks_of(p) + 1) * sets * 2 * n), coefs = (size_t)((sets * 3 + 1) * n);
  p->work_bytes = (sums + coefs) * sizeof(double);
  RL_TRY(rl_mem_alloc(&p->work, p->work_bytes));
  p->sum = p->work;
  p->mean = p->sum + sums;
  p->coef = rl_real_at(c->dtype, p->mean, n);
  memset(p->sum, 0, sums * sizeof(double));
  return RL_OK;
}

static void close_pass(pass *p) { rl_mem_free(p->work, p->work_bytes); }

/* Adds the blocks' sums of every set into the first block's, in order. */
static void fold(const pass *p, int sets) {
  int64_t width = sets * 2 * p->n;
  for (int64_t b = 1; b < blocks_of(p); b++)
    for (int64_t i = 0; i < width; i++) p->sum[i] += p->sum[b * width + i];
}

static void *row_of(const pass *p, void *base, int64_t row) {
  return rl_real_at(p->c->dtype, base, row * p->n);
}

static void *coef(const pass *p, int set, int which) {
  return rl_real_at(p->c->dtype, p->coef, (set * 3 + which) * p->n);
}

/* ---- forward */

static void sums_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  (void)worker;
  int64_t stop = (b + 1) * p->block < p->rows ? (b + 1) * p->block : p->rows;
  for (int64_t r = b * p->block; r < stop; r += p->tile) {
    int64_t m = stop - r < p->tile ? stop - r : p->tile;
    RL_BY_TYPE(p->c, bn_sums, p->sum + b * 2 * p->n, row_of(p, p->x, r), p->x, (size_t)m, (size_t)p->n);
  }
}

static void apply_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  (void)worker;
  int64_t from = b * p->block, m = p->rows - from < p->block ? p->rows - from : p->block;
  RL_BY_TYPE(p->c, bn_apply, row_of(p, p->y, from), row_of(p, p->x, from), p->mean, coef(p, 0, 0),
             coef(p, 0, 2), (size_t)m, (size_t)p->n);
}

static double element(const rl_tensor *t, int64_t i, double otherwise) {
  return t == NULL ? otherwise : rl_real_get(t->dtype, rl_at(t, i * t->stride[0]), 0);
}

/* stat[0..C) = mean, stat[C..2C) = variance. The first row is the pivot of the sums: no cancellation. */
static rl_status batch_statistics(pass *p, double *stat) {
  RL_TRY(rl_parallel(sums_block, p, blocks_of(p)));
  fold(p, 1);
  for (int64_t j = 0; j < p->n; j++) {
    double m = (double)p->rows, off = p->sum[j] / m, var = p->sum[p->n + j] / m - off * off;
    stat[j] = rl_real_get(p->c->dtype, p->x, j) + off;
    stat[p->n + j] = var < 0 ? 0 : var;
  }
  return RL_OK;
}

static void fill_coefs(const pass *p, const double *stat) {
  const rl_call *c = p->c;
  for (int64_t j = 0; j < p->n; j++) {
    double scale = element(c->in[WEIGHT], j, 1) / sqrt(stat[p->n + j] + c->arg[EPS].num);
    rl_real_set(c->dtype, p->mean, j, stat[j]);
    double lost = stat[j] - rl_real_get(c->dtype, p->mean, j); /* by rounding the mean */
    rl_real_set(c->dtype, coef(p, 0, 0), j, scale);
    rl_real_set(c->dtype, coef(p, 0, 2), j, element(c->in[BIAS], j, 0) - lost * scale);
  }
}

static void move_running(const pass *p, const double *stat) {
  const rl_call *c = p->c;
  double f = c->arg[MOMENTUM].num, m = (double)p->rows;
  rl_tensor *mean = c->in[RUNNING_MEAN], *var = c->in[RUNNING_VAR];
  for (int64_t j = 0; j < p->n && mean != NULL; j++) {
    void *a = rl_at(mean, j * mean->stride[0]), *b = rl_at(var, j * var->stride[0]);
    rl_real_set(mean->dtype, a, 0, (1 - f) * rl_real_get(mean->dtype, a, 0) + f * stat[j]);
    rl_real_set(var->dtype, b, 0,
                (1 - f) * rl_real_get(var->dtype, b, 0) + f * stat[p->n + j] * (m / (m - 1)));
  }
}

static rl_status normalise(pass *p, double *stat) {
  const rl_call *c = p->c;
  bool training = c->arg[TRAINING].i != 0;
  if (training) RL_TRY(batch_statistics(p, stat));
  for (int64_t j = 0; j < p->n && !training; j++) {
    stat[j] = element(c->in[RUNNING_MEAN], j, 0);
    stat[p->n + j] = element(c->in[RUNNING_VAR], j, 1);
  }
  fill_coefs(p, stat);
  RL_TRY(rl_parallel(apply_block, p, blocks_of(p)));
  if (training) move_running(p, stat);
  for (int64_t j = 0; j < p->n; j++) /* backward wants 1 / deviation */
    stat[p->n + j] = 1 / sqrt(stat[p->n + j] + c->arg[EPS].num);
  return RL_OK;
}

static rl_status forward(rl_call *c) {
  rl_rows x = {0}, y = {0};
  pass p = {0};
  rl_status s = rl_keep(c, 0, RL_F64, &(rl_shape){.rank = 2, .size = {2, c->in[X]->shape.size[1]}});
  if (s == RL_OK) s = rl_rows_read(&x, c->in[X], 1);
  if (s == RL_OK) s = rl_rows_write(&y, c->out[0], 1, false);
  if (s == RL_OK) s = open_pass(&p, c, x.rows, x.n, 1);
  p.x = x.data, p.y = y.data;
  if (s == RL_OK) s = normalise(&p, rl_data(c->keep[0]));
  close_pass(&p);
  rl_rows_drop(&x);
  if (s == RL_OK) return rl_rows_finish(&y, false);
  rl_rows_drop(&y);
  return s;
}

/* ---- backward. With g = dy, s = weight rstd, xc = x - mean, over the M rows of a channel:
** dbias = sum g, dweight = rstd sum g xc, dx = s (g - mean(g) - xc rstd^2 mean(g xc)); s g if not training. */

static void grad_sums_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  (void)worker;
  int64_t stop = (b + 1) * p->block < p->rows ? (b + 1) * p->block : p->rows;
  for (int64_t r = b * p->block; r < stop; r += p->tile) {
    int64_t m = stop - r < p->tile ? stop - r : p->tile;
    for (int k = 0; k < p->c->ncot; k++)
      RL_BY_TYPE(p->c, bn_grad_sums, p->sum + (b * p->c->ncot + k) * 2 * p->n, row_of(p, p->dout[k].data, r),
                 row_of(p, p->x, r), p->mean, (size_t)m, (size_t)p->n);
  }
}

static void grad_tile(const pass *p, int k, int64_t r, int64_t rows) {
  const rl_call *c = p->c;
  void *dx = row_of(p, p->din[k].data, r), *dy = row_of(p, p->dout[k].data, r);
  int add = c->beta[k * c->nin + X] != 0 && p->din[k].made == NULL;
  if (c->arg[TRAINING].i != 0)
    RL_BY_TYPE(c, bn_grad, dx, dy, row_of(p, p->x, r), p->mean, coef(p, k, 0), coef(p, k, 1), coef(p, k, 2),
               add, (size_t)rows, (size_t)p->n);
  else
    RL_BY_TYPE(c, channel_scale, dx, dy, coef(p, k, 0), add, (size_t)rows, (size_t)p->n);
}

static void grad_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  (void)worker;
  int64_t stop = (b + 1) * p->block < p->rows ? (b + 1) * p->block : p->rows;
  for (int64_t r = b * p->block; r < stop; r += p->tile)
    for (int k = 0; k < p->c->ncot; k++)
      if (p->c->din[k * p->c->nin + X] != NULL) grad_tile(p, k, r, stop - r < p->tile ? stop - r : p->tile);
}

static void grad_coefs(const pass *p, const double *stat) {
  const rl_call *c = p->c;
  double m = (double)p->rows;
  for (int k = 0; k < c->ncot; k++)
    for (int64_t j = 0; j < p->n; j++) {
      const double *sum = p->sum + (int64_t)k * 2 * p->n;
      double rstd = stat[p->n + j], s = element(c->in[WEIGHT], j, 1) * rstd;
      double slope = -s * rstd * rstd * (sum[p->n + j] / m);
      double lost = stat[j] - rl_real_get(c->dtype, p->mean, j);
      rl_real_set(c->dtype, coef(p, k, 0), j, s);
      rl_real_set(c->dtype, coef(p, k, 1), j, slope);
      rl_real_set(c->dtype, coef(p, k, 2), j, -s * (sum[j] / m) - slope * lost);
    }
}

static void put(rl_tensor *d, int64_t j, double v, int add) {
  if (d != NULL) rl_real_set(d->dtype, rl_data(d), j, v + (add ? rl_real_get(d->dtype, rl_data(d), j) : 0));
}

static void affine_grads(const pass *p, const double *stat) {
  const rl_call *c = p->c;
  for (int k = 0; k < c->ncot; k++)
    for (int64_t j = 0; j < p->n; j++) {
      double *sum = p->sum + (int64_t)k * 2 * p->n;
      double lost = stat[j] - rl_real_get(c->dtype, p->mean, j);
      sum[p->n + j] -= lost * sum[j]; /* the sums were about the rounded mean */
      put(c->din[k * c->nin + WEIGHT], j, sum[p->n + j] * stat[p->n + j], c->beta[k * c->nin + WEIGHT]);
      put(c->din[k * c->nin + BIAS], j, sum[j], c->beta[k * c->nin + BIAS]);
    }
}

static bool wants_sums(const rl_call *c) { /* the batch's statistics, or the affine pair's gradients */
  return c->arg[TRAINING].i != 0 || c->need[WEIGHT] || c->need[BIAS];
}

static rl_status all_grads(pass *p) {
  const double *stat = rl_data(p->c->keep[0]);
  for (int64_t j = 0; j < p->n; j++) rl_real_set(p->c->dtype, p->mean, j, stat[j]);
  if (wants_sums(p->c)) RL_TRY(rl_parallel(grad_sums_block, p, blocks_of(p)));
  fold(p, p->c->ncot);
  affine_grads(p, stat);
  grad_coefs(p, stat);
  return p->c->need[X] ? rl_parallel(grad_block, p, blocks_of(p)) : RL_OK;
}

static rl_status backward(rl_call *c) {
  rl_rows x = {0}, *rows = NULL;
  pass p = {0};
  size_t bytes = (size_t)c->ncot * 2 * sizeof *rows;
  RL_TRY(rl_mem_alloc((void **)&rows, bytes));
  memset(rows, 0, bytes);
  rl_status s = wants_sums(c) ? rl_rows_read(&x, c->in[X], 1) : RL_OK;
  for (int k = 0; k < c->ncot && s == RL_OK; k++) {
    rl_tensor *din = c->din[k * c->nin + X];
    s = rl_rows_read(&rows[k], c->dout[k], 1);
    if (s == RL_OK && din != NULL) s = rl_rows_write(&rows[c->ncot + k], din, 1, false);
  }
  if (s == RL_OK) s = open_pass(&p, c, rows[0].rows, rows[0].n, c->ncot);
  p.x = x.data, p.dout = rows, p.din = rows + c->ncot;
  if (s == RL_OK) s = all_grads(&p);
  close_pass(&p);
  rl_rows_drop(&x);
  for (int k = 0; k < c->ncot; k++) {
    rl_rows_drop(&rows[k]);
    if (s == RL_OK)
      s = rl_rows_finish(&rows[c->ncot + k], c->beta[k * c->nin + X] != 0);
    else
      rl_rows_drop(&rows[c->ncot + k]);
  }
  rl_mem_free(rows, bytes);
  return s;
}

/* ---- what it takes */

static rl_status check_vector(const rl_call *c, int i) {
  const rl_tensor *t = c->in[i];
  int64_t n = c->in[X]->shape.size[1];
  if (t == NULL || (t->shape.rank == 1 && t->shape.size[0] == n)) return RL_OK;
  return rl_fail(RL_ESHAPE,
                 "batch_norm: %s is %s for %lld channels (x is %s); give it one number per channel",
                 c->op->in[i].name, rl_shape_text(&t->shape), (long long)n, rl_shape_text(&c->in[X]->shape));
}

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[X]->shape;
  if (x->rank < 2 || x->rank > 4)
    return rl_fail(RL_ESHAPE, "batch_norm: x is %s; it takes N x C, N x C x L or N x C x H x W",
                   rl_shape_text(x));
  for (int i = RUNNING_MEAN; i <= BIAS; i++) RL_TRY(check_vector(c, i));
  bool mean = c->in[RUNNING_MEAN] != NULL, var = c->in[RUNNING_VAR] != NULL,
       training = c->arg[TRAINING].i != 0;
  if (mean != var)
    return rl_fail(RL_EARG, "batch_norm: running_mean and running_var come together; give both or none");
  if (!training && !mean)
    return rl_fail(RL_EARG, "batch_norm: without running statistics there is only { training = true }");
  int64_t values = x->size[1] == 0 ? 2 : rl_shape_count(x) / x->size[1];
  if (training && values < 2)
    return rl_fail(RL_ESHAPE,
                   "batch_norm: x is %s, %s value per channel; statistics need two: use a larger batch or "
                   "m:eval()",
                   rl_shape_text(x), values == 1 ? "one" : "no");
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = *x, .layout = RL_NHWC};
  return RL_OK;
}

static unsigned saves_of(const rl_call *c) {
  return (wants_sums(c) ? RL_SAVE_IN(X) : 0u) |
         (c->in[WEIGHT] != NULL && c->need[X] ? RL_SAVE_IN(WEIGHT) : 0u);
}

static const rl_param params[] = {
    {.name = "training", .kind = RL_BOOLEAN, .doc = "use the batch's statistics and move the running ones"},
    {.name = "momentum", .kind = RL_NUMBER, .preset = 0.1, .lo = 0, .hi = 1, .doc = "the batch's share"},
    {.name = "eps", .kind = RL_NUMBER, .preset = 1e-5, .lo = 0, .hi = 1e6},
    {0}};

const rl_op rl_op_batch_norm = {
    .name = "batch_norm",
    .doc = "(x - mean) / sqrt(var + eps) weight + bias by channel; x N x C, N x C x L or N x C x H x W; mean "
           "and var are the batch's in training, else the running ones",
    .dtypes = RL_FLOATS,
    .batched = true,
    .in = {{"x"},
           {"running_mean", .optional = true, .fixed = true, .in_place = true},
           {"running_var", .optional = true, .fixed = true, .in_place = true},
           {"weight", .optional = true},
           {"bias", .optional = true}},
    .params = params,
    .layout = RL_NHWC,
    .saves_of = saves_of,
    .samples =
        "{ T{3, 2, 2, 3}, T{2}, T{2, lo = 0.5, hi = 1.5}, T{2}, T{2} } { T{4, 3}, { training = true } } "
        "{ T{2, 2, 3}, { training = true } } { T{2, 17, 2, 2}, { training = true } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
