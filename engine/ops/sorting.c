/* Rows put in order, with places. */
#include "ops/sorting.h"
#include "base/mem.h"
#include "base/threads.h"
#include "ops/along.h"
#include "tensor/index.h"

#include <stdlib.h>

typedef struct entry {
  double v;
  int64_t at;
} entry;

static int rising(const void *a, const void *b) {
  const entry *x = a, *y = b;
  bool nx = x->v != x->v, ny = y->v != y->v;
  if (nx != ny) return nx ? 1 : -1;
  if (!nx && x->v != y->v) return x->v < y->v ? -1 : 1;
  return x->at < y->at ? -1 : 1;
}

static int falling_first(const void *a, const void *b) {
  const entry *x = a, *y = b;
  bool nx = x->v != x->v, ny = y->v != y->v;
  if (nx != ny) return nx ? -1 : 1;
  if (!nx && x->v != y->v) return x->v > y->v ? -1 : 1;
  return x->at < y->at ? -1 : 1;
}

typedef struct rows {
  const rl_call *c;
  rl_along a;
  int64_t n;
  entry *all;
  bool falling;
} rows;

static void row_block(void *ctx, int64_t b, int worker) { /* one row */
  const rows *r = ctx;
  (void)worker;
  const rl_tensor *x = r->c->in[0], *y = r->c->out[0];
  int64_t o = b / r->a.inner, i = b % r->a.inner;
  entry *e = r->all + b * r->a.size;
  for (int64_t k = 0; k < r->a.size; k++) {
    size_t from = (size_t)((o * r->a.size + k) * r->a.inner + i);
    e[k] = (entry){.v = rl_load(rl_data(x), x->dtype, from), .at = k};
  }
  qsort(e, (size_t)r->a.size, sizeof *e, r->falling ? falling_first : rising);
  for (int64_t k = 0; k < r->n; k++) {
    int64_t to = (o * r->n + k) * r->a.inner + i;
    rl_save(rl_data(y), y->dtype, (size_t)to, e[k].v);
    rl_index_set(r->c->out[1], to, e[k].at);
    ((int64_t *)rl_data(r->c->keep[0]))[to] = e[k].at;
  }
}

rl_status rl_sorting_forward(rl_call *c, int dim, int64_t n, bool falling) {
  void *all = NULL;
  size_t bytes;
  rows r = {.c = c, .a = rl_along_of(&c->in[0]->shape, RL_ROWMAJOR, dim), .n = n, .falling = falling};
  RL_TRY(rl_keep(c, 0, RL_I64, &c->out[0]->shape));
  if (!rl_size_mul((size_t)rl_count(c->in[0]), sizeof(entry), &bytes))
    return rl_fail(RL_ENOMEM, "%s: %s is too large", c->op->name, rl_shape_text(&c->in[0]->shape));
  RL_TRY(rl_mem_alloc(&all, bytes));
  r.all = all;
  rl_status s = rl_parallel(row_block, &r, r.a.outer * r.a.inner);
  rl_mem_free(all, bytes);
  return s;
}

rl_status rl_sorting_backward(rl_call *c, int dim) {
  rl_tensor *dx = c->din[0], *dy = c->dout[0];
  if (dx == NULL) return RL_OK;
  const int64_t *at = rl_data(c->keep[0]);
  rl_along a = rl_along_of(&dx->shape, RL_ROWMAJOR, dim),
           b = rl_along_of(&c->out[0]->shape, RL_ROWMAJOR, dim);
  if (c->beta[0] == 0) RL_TRY(rl_fill(dx, 0));
  for (int64_t i = 0; dy != NULL && i < rl_count(dy); i++) {
    int64_t o = i / (b.size * b.inner), j = i % b.inner;
    size_t to = (size_t)((o * a.size + at[i]) * a.inner + j);
    double was = rl_load(rl_data(dx), dx->dtype, to);
    rl_save(rl_data(dx), dx->dtype, to, was + rl_load(rl_data(dy), dy->dtype, (size_t)i));
  }
  return RL_OK;
}
