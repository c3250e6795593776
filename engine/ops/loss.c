/* Losses that are a sum over elements. Blocks of GRAIN elements by shape; their sums are added in order. */
#include "ops/loss.h"
#include "base/mem.h"
#include "base/threads.h"

#define GRAIN 16384
#define CHUNK 1024

typedef struct pass {
  rl_call *c;
  rl_loss_kind kind;
  double *partial;
  double scale;
} pass;

static void each(const rl_call *c, rl_loss_kind kind, void *y, const void *x, const void *t, size_t n) {
  switch (kind) {
  case RL_LOSS_MSE: RL_BY_TYPE(c, mse, y, x, t, n); break;
  case RL_LOSS_L1: RL_BY_TYPE(c, l1, y, x, t, n); break;
  case RL_LOSS_BCE: RL_BY_TYPE(c, bce, y, x, t, n); break;
  case RL_LOSS_KL: RL_BY_TYPE(c, kl, y, x, t, n); break;
  }
}

static void slope(const rl_call *c, rl_loss_kind kind, void *y, const void *x, const void *t, size_t n) {
  switch (kind) {
  case RL_LOSS_MSE: RL_BY_TYPE(c, mse_slope, y, x, t, n); break;
  case RL_LOSS_L1: RL_BY_TYPE(c, l1_slope, y, x, t, n); break;
  case RL_LOSS_BCE: RL_BY_TYPE(c, bce_slope, y, x, t, n); break;
  case RL_LOSS_KL: RL_BY_TYPE(c, kl_slope, y, x, t, n); break;
  }
}

double rl_loss_number(const rl_tensor *t) {
  return t->dtype == RL_F64 ? *(double *)rl_data(t) : (double)*(float *)rl_data(t);
}

static int reduction(const rl_call *c) { return (int)c->arg[c->narg - 1].i; }

static double divisor(const rl_call *c) {
  const rl_shape *s = &c->in[0]->shape;
  if (reduction(c) == RL_REDUCE_MEAN) return (double)rl_shape_count(s);
  return reduction(c) == RL_REDUCE_BATCHMEAN && s->rank > 0 ? (double)s->size[0] : 1;
}

rl_status rl_loss_shape(rl_call *c) {
  if (!rl_shape_equal(&c->in[0]->shape, &c->in[1]->shape))
    return rl_fail(RL_ESHAPE, "%s: %s is %s, %s is %s; they must be alike", c->op->name, c->op->in[0].name,
                   rl_shape_text(&c->in[0]->shape), c->op->in[1].name, rl_shape_text(&c->in[1]->shape));
  return reduction(c) == RL_REDUCE_NONE ? rl_shape_same(c) : rl_shape_scalar(c);
}

static void forward_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  const rl_call *c = p->c;
  (void)worker;
  double buffer[CHUNK], total = 0;
  int64_t count = rl_count(c->in[0]), stop = (b + 1) * GRAIN < count ? (b + 1) * GRAIN : count;
  for (int64_t i = b * GRAIN; i < stop; i += CHUNK) {
    size_t n = (size_t)(stop - i < CHUNK ? stop - i : CHUNK);
    void *y = p->partial == NULL ? rl_at(c->out[0], i) : buffer;
    each(c, p->kind, y, rl_at(c->in[0], i), rl_at(c->in[1], i), n);
    double sum = 0;
    if (p->partial != NULL) RL_BY_TYPE(c, sum, &sum, y, n);
    total += sum;
  }
  if (p->partial != NULL) p->partial[b] = total;
}

rl_status rl_loss_forward(rl_call *c, rl_loss_kind kind) {
  int64_t blocks = rl_blocks(rl_count(c->in[0]), GRAIN);
  pass p = {.c = c, .kind = kind};
  if (reduction(c) == RL_REDUCE_NONE) return rl_parallel(forward_block, &p, blocks);
  void *block = NULL;
  size_t bytes = (size_t)(blocks + 1) * sizeof(double);
  RL_TRY(rl_mem_alloc(&block, bytes));
  p.partial = block;
  rl_status s = rl_parallel(forward_block, &p, blocks);
  double total = 0;
  for (int64_t b = 0; b < blocks && s == RL_OK; b++) total += p.partial[b];
  rl_mem_free(block, bytes);
  return s == RL_OK ? rl_fill(c->out[0], total / divisor(c)) : s;
}

static void backward_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  const rl_call *c = p->c;
  (void)worker;
  double buffer[CHUNK];
  void *d = buffer; /* of either type */
  int64_t count = rl_count(c->in[0]), stop = (b + 1) * GRAIN < count ? (b + 1) * GRAIN : count;
  bool one = reduction(c) != RL_REDUCE_NONE;
  for (int64_t i = b * GRAIN; i < stop; i += CHUNK) {
    size_t n = (size_t)(stop - i < CHUNK ? stop - i : CHUNK);
    slope(c, p->kind, d, rl_at(c->in[0], i), rl_at(c->in[1], i), n);
    if (!one) RL_BY_TYPE(c, mul, d, d, rl_at(c->dout[0], i), n);
    for (int k = 0; k < 2; k++) /* value(x, t) depends on x - t where t may have a gradient */
      if (c->din[k] != NULL)
        RL_BY_TYPE(c, axpy, rl_at(c->din[k], i), d, k == 0 ? p->scale : -p->scale, c->beta[k], n);
  }
}

rl_status rl_loss_backward(rl_call *c, rl_loss_kind kind) {
  pass p = {.c = c, .kind = kind, .scale = 1};
  if (reduction(c) != RL_REDUCE_NONE) p.scale = rl_loss_number(c->dout[0]) / divisor(c);
  return rl_parallel(backward_block, &p, rl_blocks(rl_count(c->in[0]), GRAIN));
}
