/* matmul: the matrix product as in PyTorch: vectors, matrices, and stacks of matrices whose leading dims broadcast.
** [.., m, k], [.., k, n] -> [.., m, n]; a vector stands for one row (left) or one column (right), which then drops out. */
#include "kernels/gemm.h"
#include "ops/op.h"

typedef struct sides { /* the product with its vectors made matrices */
  int64_t m, n, k;
  rl_shape batch; /* of the result */
  int64_t step_a[RL_MAXRANK],
      step_b[RL_MAXRANK]; /* elements from matrix to matrix per batch dim; 0 where stretched */
} sides;

static rl_shape leading(const rl_tensor *t) {
  rl_shape s = t->shape;
  s.rank = s.rank > 2 ? s.rank - 2 : 0;
  return s;
}

static void steps(const rl_shape *own, const rl_shape *batch, int64_t matrix, int64_t *step) {
  for (int d = batch->rank - 1, o = own->rank - 1; d >= 0; d--, o--) {
    step[d] = o < 0 || own->size[o] == 1 ? 0 : matrix;
    if (o >= 0) matrix *= own->size[o];
  }
}

static rl_status sides_of(const rl_tensor *a, const rl_tensor *b, sides *s) {
  int ra = a->shape.rank, rb = b->shape.rank;
  if (ra == 0 || rb == 0)
    return rl_fail(RL_ESHAPE, "matmul: a is %s, b is %s; a number is multiplied with *",
                   rl_shape_text(&a->shape), rl_shape_text(&b->shape));
  s->m = ra == 1 ? 1 : a->shape.size[ra - 2];
  s->k = a->shape.size[ra - 1];
  s->n = rb == 1 ? 1 : b->shape.size[rb - 1];
  if (s->k != b->shape.size[rb == 1 ? 0 : rb - 2])
    return rl_fail(RL_ESHAPE, "matmul: inner sizes differ, a is %s, b is %s; transpose one of them",
                   rl_shape_text(&a->shape), rl_shape_text(&b->shape));
  rl_shape la = leading(a), lb = leading(b);
  RL_TRY(rl_shape_broadcast("matmul", &la, &lb, &s->batch));
  steps(&la, &s->batch, s->m * s->k, s->step_a);
  steps(&lb, &s->batch, s->k * s->n, s->step_b);
  return RL_OK;
}

static rl_status shape(rl_call *c) {
  sides s;
  RL_TRY(sides_of(c->in[0], c->in[1], &s));
  rl_shape *out = &c->meta[0].shape;
  *out = s.batch;
  if (out->rank + 2 > RL_MAXRANK)
    return rl_fail(RL_ESHAPE, "matmul: a is %s, b is %s; at most %d dims", rl_shape_text(&c->in[0]->shape),
                   rl_shape_text(&c->in[1]->shape), RL_MAXRANK);
  if (c->in[0]->shape.rank > 1) out->size[out->rank++] = s.m;
  if (c->in[1]->shape.rank > 1) out->size[out->rank++] = s.n;
  c->meta[0].dtype = c->dtype;
  c->meta[0].layout = RL_ROWMAJOR;
  return RL_OK;
}

/* One product over all batch members. step[operand][dim]: elements per batch dim of A, B and C. Where C is stretched (the
** gradient of a shared operand) its members are added one after the other. */
typedef struct stack {
  rl_gemm g;
  const rl_shape *batch;
  const int64_t *step[3];
  int width;
} stack;

static rl_status run_stack(const stack *s) {
  const rl_shape *batch = s->batch;
  int last = batch->rank - 1;
  rl_gemm g = s->g;
  int64_t members = rl_shape_count(batch), inner = 1;
  if (last >= 0 && s->step[2][last] != 0) { /* the last batch dim in one call */
    inner = batch->size[last];
    g.batch = inner;
    g.stride_a = s->step[0][last], g.stride_b = s->step[1][last], g.stride_c = s->step[2][last];
  }
  for (int64_t i = 0; i < members; i += inner) {
    int64_t at[3] = {0}, left = i;
    bool again = false; /* this C has been written for an earlier member */
    for (int d = last; d >= 0; left /= batch->size[d], d--) {
      int64_t place = left % batch->size[d];
      for (int o = 0; o < 3; o++) at[o] += place * s->step[o][d];
      again = again || (place > 0 && s->step[2][d] == 0);
    }
    g.a = (const char *)s->g.a + at[0] * s->width;
    g.b = (const char *)s->g.b + at[1] * s->width;
    g.c = (char *)s->g.c + at[2] * s->width;
    g.beta = again ? 1 : s->g.beta;
    RL_TRY(rl_gemm_run(&g));
  }
  return RL_OK;
}

static void steps_out(const sides *s, int64_t *step) { steps(&s->batch, &s->batch, s->m * s->n, step); }

static rl_status forward(rl_call *c) {
  sides s;
  int64_t step_c[RL_MAXRANK];
  RL_TRY(sides_of(c->in[0], c->in[1], &s));
  steps_out(&s, step_c);
  for (int d = 0; d < s.batch.rank; d++)
    if (s.batch.size[d] == 1) step_c[d] = s.m * s.n;
  stack t = {.batch = &s.batch, .step = {s.step_a, s.step_b, step_c}, .width = c->dtype == RL_F64 ? 8 : 4};
  t.g = (rl_gemm){.dtype = c->dtype,
                  .m = s.m,
                  .n = s.n,
                  .k = s.k,
                  .a = rl_data(c->in[0]),
                  .lda = s.k,
                  .b = rl_data(c->in[1]),
                  .ldb = s.n,
                  .c = rl_data(c->out[0]),
                  .ldc = s.n};
  return run_stack(&t);
}

/* da = dy b^T, db = a^T dy, summed over the members that shared an operand */
static rl_status backward(rl_call *c) {
  sides s;
  int64_t step_c[RL_MAXRANK];
  RL_TRY(sides_of(c->in[0], c->in[1], &s));
  steps_out(&s, step_c);
  int width = c->dtype == RL_F64 ? 8 : 4;
  if (c->din[0] != NULL) {
    if (rl_shape_count(&s.batch) == 0 && c->beta[0] == 0) RL_TRY(rl_fill(c->din[0], 0));
    stack t = {.batch = &s.batch, .step = {step_c, s.step_b, s.step_a}, .width = width};
    t.g = (rl_gemm){.dtype = c->dtype,
                    .tb = true,
                    .m = s.m,
                    .n = s.k,
                    .k = s.n,
                    .a = rl_data(c->dout[0]),
                    .lda = s.n,
                    .b = rl_data(c->in[1]),
                    .ldb = s.n,
                    .c = rl_data(c->din[0]),
                    .ldc = s.k,
                    .beta = c->beta[0]};
    RL_TRY(run_stack(&t));
  }
  if (c->din[1] != NULL) {
    if (rl_shape_count(&s.batch) == 0 && c->beta[1] == 0) RL_TRY(rl_fill(c->din[1], 0));
    stack t = {.batch = &s.batch, .step = {s.step_a, step_c, s.step_b}, .width = width};
    t.g = (rl_gemm){.dtype = c->dtype,
                    .ta = true,
                    .m = s.k,
                    .n = s.n,
                    .k = s.m,
                    .a = rl_data(c->in[0]),
                    .lda = s.k,
                    .b = rl_data(c->dout[0]),
                    .ldb = s.n,
                    .c = rl_data(c->din[1]),
                    .ldc = s.n,
                    .beta = c->beta[1]};
    RL_TRY(run_stack(&t));
  }
  return RL_OK;
}

static double flops(const rl_call *c) {
  int64_t k = c->in[0]->shape.size[c->in[0]->shape.rank - 1];
  return 2.0 * (double)rl_count(c->out[0]) * (double)k * rl_passes(c, 0, 1);
}

static unsigned saves_of(const rl_call *c) {
  return (c->need[1] ? RL_SAVE_IN(0) : 0) | (c->need[0] ? RL_SAVE_IN(1) : 0);
}

const rl_op rl_op_matmul = {
    .name = "matmul",
    .doc = "the matrix product; [.., m, k], [.., k, n] -> [.., m, n], leading dims broadcast; a vector is a "
           "row on the "
           "left, a column on the right",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"a"}, {"b"}},
    .layout = RL_ROWMAJOR,
    .saves_of = saves_of,
    .flops = flops,
    .samples =
        "{ T{2, 3}, T{3, 4} } { T{3}, T{3} } { T{2, 3}, T{3} } { T{3}, T{3, 2} } { T{4, 2, 3}, T{4, 3, 5} } "
        "{ T{2, 3}, T{5, 3, 2} } { T{2, 1, 2, 3}, T{3, 3, 2} } { T{3}, T{2, 3, 2} } { T{2, 0}, T{0, 3} } "
        "{ T{0, 2}, T{2, 3} } { T{2, 2, 3}, T{1, 3, 2} }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
