/* linear: y = x weight^T + bias.  [.., in], [out, in], [out]? -> [.., out] */
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "ops/op.h"

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
                                .bias = c->in[2] == NULL ? NULL : rl_data(c->in[2])});
}

/* dx = dy weight; dweight = dy^T x; dbias = the rows of dy, summed */
static rl_status back_one(rl_call *c, int k) {
  const rl_tensor *dy = c->dout[k];
  rl_tensor *const *din = c->din + k * c->nin;
  const int *beta = c->beta + k * c->nin;
  int64_t out = c->in[1]->shape.size[0], in = c->in[1]->shape.size[1], rows = rows_of(dy);
  rl_gemm g = {.dtype = c->dtype, .a = rl_data(dy), .lda = out, .n = in, .ldb = in, .ldc = in};
  if (din[0] != NULL) {
    g.m = rows, g.k = out, g.b = rl_data(c->in[1]), g.c = rl_data(din[0]), g.beta = beta[0];
    RL_TRY(rl_gemm_run(&g));
  }
  if (din[1] != NULL) {
    g.ta = true, g.m = out, g.k = rows, g.b = rl_data(c->in[0]), g.c = rl_data(din[1]), g.beta = beta[1];
    RL_TRY(rl_gemm_run(&g));
  }
  if (c->nin > 2 && din[2] != NULL)
    RL_TRY(rl_column_sums(c->dtype, rows, out, rl_data(dy), out, rl_data(din[2]), beta[2]));
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  for (int k = 0; k < c->ncot; k++) RL_TRY(back_one(c, k));
  return RL_OK;
}

static double flops(const rl_call *c) {
  return 2.0 * (double)rl_count(c->out[0]) * (double)c->in[1]->shape.size[1] * rl_passes(c, 0, 1);
}

static unsigned saves_of(const rl_call *c) {
  return (c->need[1] ? RL_SAVE_IN(0) : 0) | (c->need[0] ? RL_SAVE_IN(1) : 0);
}

const rl_op rl_op_linear = {
    .name = "linear",
    .doc = "y = x weight^T + bias; x [.., in], weight [out, in], bias [out] or none -> [.., out]",
    .batched = true,
    .dtypes = RL_FLOATS,
    .in = {{"x"}, {"weight"}, {"bias", .optional = true}},
    .layout = RL_ROWMAJOR,
    .saves_of = saves_of,
    .flops = flops,
    .samples =
        "{ T{3, 4}, T{2, 4}, T{2} } { T{2, 3, 5}, T{4, 5} } { T{6}, T{3, 6}, T{3} } { T{0, 4}, T{2, 4} }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
