/* linear: y = act(x weight^T + bias).  [.., in], [out, in], [out]? -> [.., out] */
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "ops/op.h"
#include "ops/real.h"

#define GRAIN 16384 /* elements of a block */

static bool is_rectified(const rl_call *c) { return c->arg[0].i == RL_ACT_RELU; }

static rl_status shape(rl_call *c) {
  const rl_tensor *x = c->in[0], *weight = c->in[1], *bias = c->in[2];
  int last = x->shape.rank - 1;
  if (last < 0 || weight->shape.rank != 2 || x->shape.size[last] != weight->shape.size[1])
    return rl_fail(RL_ESHAPE,
                   "linear: x is %s, weight %s; the last dim of x must be weight's second (out x in)",
                   rl_shape_text(&x->shape), rl_shape_text(&weight->shape));
  if (bias != NULL && (bias->shape.rank != 1 || bias->shape.size[0] != weight->shape.size[0]))
    return rl_fail(RL_ESHAPE, "linear: bias is %s, weight %s; bias has one number per row of weight",
                   rl_shape_text(&bias->shape), rl_shape_text(&weight->shape));
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = x->shape, .layout = RL_ROWMAJOR};
  c->meta[0].shape.size[last] = weight->shape.size[0];
  return RL_OK;
}

/* All leading dims of x are rows. */
static int64_t rows_of(const rl_tensor *x) {
  int64_t n = 1;
  for (int d = 0; d + 1 < x->shape.rank; d++) n *= x->shape.size[d];
  return n;
}

static rl_status forward(rl_call *c) {
  const rl_tensor *weight = c->in[1];
  int64_t out = weight->shape.size[0], in = weight->shape.size[1];
  return rl_gemm_run(&(rl_gemm){.dtype = c->dtype,
                                .tb = true,
                                .m = rows_of(c->in[0]),
                                .n = out,
                                .k = in,
                                .a = rl_data(c->in[0]),
                                .lda = in,
                                .b = rl_data(weight),
                                .ldb = in,
                                .c = rl_data(c->out[0]),
                                .ldc = out,
                                .kept = rl_kept_of(c, weight),
                                .act = (rl_act)c->arg[0].i,
                                .bias = c->in[2] == NULL ? NULL : rl_data(c->in[2])});
}

/* dx = dy weight; dweight = dy^T x; dbias = the rows of dy, summed; dy behind the activation */
static rl_status back_one(rl_call *c, int k, const void *dy) {
  rl_tensor *const *din = c->din + k * c->nin;
  const int *beta = c->beta + k * c->nin;
  int64_t out = c->in[1]->shape.size[0], in = c->in[1]->shape.size[1], rows = rows_of(c->dout[k]);
  rl_gemm g = {.dtype = c->dtype, .a = dy, .lda = out, .n = in, .ldb = in, .ldc = in};
  if (din[0] != NULL) {
    g.m = rows, g.k = out, g.b = rl_data(c->in[1]), g.c = rl_data(din[0]), g.beta = beta[0];
    RL_TRY(rl_gemm_run(&g));
  }
  if (din[1] != NULL) {
    g.ta = true, g.m = out, g.k = rows, g.b = rl_data(c->in[0]), g.c = rl_data(din[1]), g.beta = beta[1];
    RL_TRY(rl_gemm_run(&g));
  }
  if (c->nin > 2 && din[2] != NULL)
    RL_TRY(rl_column_sums(c->dtype, rows, out, dy, out, rl_data(din[2]), beta[2]));
  return RL_OK;
}

typedef struct gate { /* a cotangent of y, and of what y is the relu of */
  const rl_call *c;
  const void *dy;
  void *dz;
  int64_t n;
} gate;

static void gate_block(void *ctx, int64_t b, int worker) {
  const gate *g = ctx;
  int64_t at = b * GRAIN, n = g->n - at < GRAIN ? g->n - at : GRAIN;
  RL_BY_TYPE(g->c, relu_grad, rl_real_at(g->c->dtype, g->dz, at), rl_real_at(g->c->dtype, g->dy, at),
             rl_real_at(g->c->dtype, rl_data(g->c->out[0]), at), 0, (size_t)n);
  (void)worker;
}

static rl_status backward(rl_call *c) {
  gate g = {.c = c, .n = rl_count(c->out[0])};
  size_t bytes = (size_t)g.n * rl_dtype_size(c->dtype);
  if (is_rectified(c)) RL_TRY(rl_mem_alloc(&g.dz, bytes));
  rl_status s = RL_OK;
  for (int k = 0; k < c->ncot && s == RL_OK; k++) {
    g.dy = rl_data(c->dout[k]);
    if (g.dz != NULL) s = rl_parallel_work(gate_block, &g, rl_blocks(g.n, GRAIN), g.n);
    if (s == RL_OK) s = back_one(c, k, g.dz != NULL ? g.dz : g.dy);
  }
  rl_mem_free(g.dz, bytes);
  return s;
}

static double flops(const rl_call *c) {
  return 2.0 * (double)rl_count(c->out[0]) * (double)c->in[1]->shape.size[1] * rl_passes(c, 0, 1);
}

static unsigned saves_of(const rl_call *c) {
  return (c->need[1] ? RL_SAVE_IN(0) : 0) | (c->need[0] ? RL_SAVE_IN(1) : 0) |
         (is_rectified(c) ? RL_SAVE_OUT(0) : 0);
}

static const rl_param params[] = {{.name = "act", .kind = RL_ENUM, .words = "none relu"}, {0}};

const rl_op rl_op_linear = {
    .name = "linear",
    .doc = "y = act(x weight^T + bias), act none or relu; x [.., in], weight [out, in], bias [out] or none "
           "-> [.., out]",
    .batched = true,
    .dtypes = RL_FLOATS,
    .in = {{"x"}, {"weight"}, {"bias", .optional = true}},
    .params = params,
    .layout = RL_ROWMAJOR,
    .saves_of = saves_of,
    .flops = flops,
    .samples =
        "{ T{3, 4}, T{2, 4}, T{2} } { T{2, 3, 5}, T{4, 5} } { T{6}, T{3, 6}, T{3} } { T{0, 4}, T{2, 4} } "
        "{ T{3, 4}, T{2, 4}, T{2}, { act = \"relu\" } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
