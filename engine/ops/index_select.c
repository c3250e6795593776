/* index_select: the places `index` of a dim, in that order, repeats allowed.  [.., size, ..], [n] -> [.., n, ..] */
#include "base/threads.h"
#include "ops/along.h"
#include "tensor/index.h"

#include <string.h>

#define GRAIN 8192 /* elements of a parallel block */

static rl_status shape(rl_call *c) {
  const rl_tensor *x = c->in[0], *index = c->in[1];
  if (index->shape.rank != 1)
    return rl_fail(RL_ESHAPE, "index_select: index is %s; a list of positions has one dim",
                   rl_shape_text(&index->shape));
  rl_meta *m = &c->meta[0];
  *m = (rl_meta){.dtype = x->dtype, .shape = x->shape, .layout = rl_along_layout(x)};
  m->shape.size[c->arg[0].i] = index->shape.size[0];
  return RL_OK;
}

typedef struct picks {
  const int64_t *at; /* from 0 */
  int64_t n, chunk;  /* n places; elements of a piece of `inner` */
  rl_along a;        /* of x */
  size_t width;
  rl_dtype dtype;
  const rl_kernels *k;
  char *x, *y;
} picks;

static void pick_block(void *ctx, int64_t b, int worker) { /* some rows of the output */
  const picks *p = ctx;
  (void)worker;
  size_t row = (size_t)p->a.inner * p->width;
  for (int64_t r = b * p->chunk; r < (b + 1) * p->chunk && r < p->a.outer * p->n; r++) {
    int64_t from = r / p->n * p->a.size + p->at[r % p->n];
    memcpy(p->y + (size_t)r * row, p->x + (size_t)from * row, row);
  }
}

static void add_block(void *ctx, int64_t b,
                      int worker) { /* one outer place, some of inner, all picks in order */
  const picks *p = ctx;
  (void)worker;
  int64_t pieces = rl_blocks(p->a.inner, GRAIN), o = b / pieces, from = b % pieces * GRAIN;
  int64_t n = p->a.inner - from < GRAIN ? p->a.inner - from : GRAIN;
  for (int64_t j = 0; j < p->n; j++) {
    int64_t dst = (o * p->a.size + p->at[j]) * p->a.inner + from, src = (o * p->n + j) * p->a.inner + from;
    RL_KERNEL_CALL(p->k, p->dtype, axpy, (void *)(p->x + (size_t)dst * p->width),
                   (void *)(p->y + (size_t)src * p->width), 1, 1, (size_t)n);
  }
}

static rl_status forward(rl_call *c) {
  rl_tensor *x = NULL, *index = c->in[1];
  int d = (int)c->arg[0].i;
  rl_layout layout = rl_along_layout(c->in[0]);
  RL_TRY(rl_keep(c, 0, RL_I64, &index->shape));
  int64_t *at = rl_data(c->keep[0]);
  for (int64_t i = 0; i < rl_count(index); i++)
    RL_TRY(rl_index_get(index, i, c->in[0]->shape.size[d], RL_NO_IGNORE, "index_select", &at[i]));
  RL_TRY(rl_arrange(&x, c->in[0], c->in[0]->dtype, layout));
  picks p = {.at = at, .n = rl_count(index), .a = rl_along_of(&x->shape, layout, d)};
  p.width = rl_dtype_size(x->dtype), p.x = rl_data(x), p.y = rl_data(c->out[0]);
  p.chunk = p.a.inner >= GRAIN ? 1 : GRAIN / p.a.inner;
  rl_status s = rl_parallel(pick_block, &p, rl_blocks(p.a.outer * p.n, p.chunk));
  rl_tensor_drop(&x);
  return s;
}

static rl_status backward(rl_call *c) {
  rl_tensor *dx = c->din[0], *dy = NULL, *to = NULL;
  if (dx == NULL) return RL_OK;
  rl_layout layout = rl_along_layout(dx);
  rl_status s = rl_arrange(&dy, c->dout[0], dx->dtype, layout);
  if (s == RL_OK) s = rl_along_begin(c, layout, &to);
  if (s == RL_OK) {
    picks p = {.at = rl_data(c->keep[0]), .n = rl_count(c->keep[0])};
    p.a = rl_along_of(&dx->shape, layout, (int)c->arg[0].i);
    p.width = rl_dtype_size(dx->dtype), p.dtype = dx->dtype, p.k = c->k;
    p.x = rl_data(to), p.y = rl_data(dy);
    s = rl_parallel(add_block, &p, p.a.outer * rl_blocks(p.a.inner, GRAIN));
  }
  s = rl_along_end(c, &to, s);
  rl_tensor_drop(&dy);
  return s;
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true}, {0}};

const rl_op rl_op_index_select = {
    .name = "index_select",
    .doc = "the places `index` (i64 or i32, from 1) of `dim`, in that order, repeats allowed; a copy",
    .is_method = true,
    .dtypes = RL_ALL,
    .in = {{"x"}, {"index", .fixed = true, .layout = RL_ROWMAJOR, .dtypes = RL_INDEX}},
    .params = params,
    .samples = "{ T{3, 4}, I{5, max = 4}, 2 } { T{3, 4}, I{2, max = 3}, -2 } { T{4}, I{0, max = 4}, 1 } "
               "{ T{2, 3, 2, 2}, I{4, max = 3}, 2 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
