/* prelu: y = x where x > 0, else weight x; one weight for all, or one per channel (dim 2 of Lua's count).
** [any shape], [1] or [C] -> [same]. Source: He et al., ICCV 2015. The weight's gradient is summed in double: each
** block of rows by itself, blocks in order. */
#include "base/mem.h"
#include "base/threads.h"
#include "ops/op.h"
#include "ops/real.h"

#include <string.h>

#define BLOCK  32768 /* elements of a block, at least */
#define TILE   2048  /* elements of a look: they stay in the first cache */
#define BLOCKS 64    /* partial sums at most */

typedef struct pass {
  const rl_call *c;
  int64_t rows, C, inner, block; /* x as rows x C x inner; rows of a block */
  double *sum;                   /* [blocks][C]; NULL: the weight wants no gradient */
} pass;

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
  int64_t C = x->rank > 1 ? x->size[1] : 1;
  if (w->rank != 1 || (w->size[0] != 1 && w->size[0] != C))
    return rl_fail(RL_ESHAPE,
                   "prelu: weight is %s, x is %s; give one number, or one for each of %lld channels",
                   rl_shape_text(w), rl_shape_text(x), (long long)C);
  return rl_shape_same(c);
}

static pass plan(const rl_call *c, const rl_shape *x, const rl_shape *weight) {
  pass p = {.c = c, .C = weight->size[0], .inner = 1};
  for (int d = 2; d < x->rank && x->rank != 4 && p.C > 1; d++) p.inner *= x->size[d];
  int64_t count = rl_shape_count(x), wide = p.C * p.inner;
  p.rows = count == 0 ? 0 : count / wide;
  int64_t least = (p.rows + BLOCKS - 1) / BLOCKS;
  p.block = wide > 0 && BLOCK / wide > least ? BLOCK / wide : least;
  if (p.block < 1) p.block = 1;
  return p;
}

static int64_t blocks_of(const pass *p) { return rl_blocks(p->rows, p->block); }

/* Rows [r, r + m) of a block: with one weight they are one run. */
typedef struct part {
  int64_t at;
  size_t rows, C, inner;
} part;

static part look(const pass *p, int64_t r, int64_t m) {
  bool run = p->C == 1;
  return (part){.at = r * p->C * p->inner,
                .rows = run ? 1 : (size_t)m,
                .C = (size_t)p->C,
                .inner = (size_t)(run ? m : p->inner)};
}

static void forward_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  const rl_call *c = p->c;
  (void)worker;
  int64_t from = b * p->block, m = p->rows - from < p->block ? p->rows - from : p->block;
  part k = look(p, from, m);
  RL_BY_TYPE(c, prelu, rl_at(c->out[0], k.at), rl_at(c->in[0], k.at), rl_data(c->in[1]), k.rows, k.C,
             k.inner);
}

static rl_status forward(rl_call *c) {
  pass p = plan(c, &c->in[0]->shape, &c->in[1]->shape);
  return rl_parallel(forward_block, &p, blocks_of(&p));
}

static void backward_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  const rl_call *c = p->c;
  (void)worker;
  int64_t stop = (b + 1) * p->block < p->rows ? (b + 1) * p->block : p->rows;
  int64_t wide = p->C * p->inner, tile = TILE / wide > 0 ? TILE / wide : 1;
  double *sum = p->sum == NULL ? NULL : p->sum + b * p->C;
  for (int64_t r = b * p->block; r < stop; r += tile) {
    part k = look(p, r, stop - r < tile ? stop - r : tile);
    void *dy = rl_at(c->dout[0], k.at), *x = rl_at(c->in[0], k.at);
    if (sum != NULL) RL_BY_TYPE(c, prelu_sums, sum, dy, x, k.rows, k.C, k.inner);
    if (c->din[0] != NULL)
      RL_BY_TYPE(c, prelu_grad, rl_at(c->din[0], k.at), dy, x, rl_data(c->in[1]), c->beta[0], k.rows, k.C,
                 k.inner);
  }
}

/* dL/dx = dL/dy times 1 or the weight; dL/dweight = sum of x dL/dy over the elements that it met */
static rl_status backward(rl_call *c) {
  pass p = plan(c, &c->in[0]->shape, &c->in[1]->shape);
  rl_tensor *dw = c->din[1];
  void *block = NULL;
  size_t bytes = (size_t)((blocks_of(&p) + 1) * p.C) * sizeof(double);
  if (dw != NULL) {
    RL_TRY(rl_mem_alloc(&block, bytes));
    memset(block, 0, bytes);
    p.sum = block;
  }
  rl_status s = rl_parallel(backward_block, &p, blocks_of(&p));
  for (int64_t j = 0; s == RL_OK && dw != NULL && j < p.C; j++) {
    double sum = c->beta[1] ? rl_real_get(dw->dtype, rl_data(dw), j) : 0;
    for (int64_t b = 0; b < blocks_of(&p); b++) sum += p.sum[b * p.C + j];
    rl_real_set(dw->dtype, rl_data(dw), j, sum);
  }
  if (block != NULL) rl_mem_free(block, bytes);
  return s;
}

const rl_op rl_op_prelu = {
    .name = "prelu",
    .doc = "x where x > 0, else weight x; weight: 1 number, or one per channel (dim 2); any shape",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}, {"weight"}},
    .layout = RL_NHWC,
    .saves = RL_SAVE_IN(0) | RL_SAVE_IN(1),
    .samples = "{ T{2, 3}, T{1} } { T{2, 3, 2, 2}, T{3} } { T{2, 17, 3, 1}, T{17} } { T{2, 3, 4}, T{3} } "
               "{ T{0}, T{1} } { T{}, T{1} }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
