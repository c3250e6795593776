/* log_softmax: y = x - ln sum e^x along a dim; and the rows that softmax shares with it. */
#include "ops/softmax.h"
#include "base/threads.h"
#include "ops/real.h"
#include "ops/rows.h"

#define GRAIN 8192 /* elements of a block, at least */

typedef struct job {
  rl_call *c;
  bool logs;
  int64_t n, rows, group; /* elements of a row; rows; of a block */
  void *y, *x, *out;      /* written; read; backward: the saved result */
  int add;
} job;

static void some_rows(void *ctx, int64_t b, int worker) {
  const job *j = ctx;
  rl_call *c = j->c;
  (void)worker;
  for (int64_t r = b * j->group; r < (b + 1) * j->group && r < j->rows; r++) {
    void *y = rl_real_at(c->dtype, j->y, r * j->n), *x = rl_real_at(c->dtype, j->x, r * j->n);
    double lse = 0;
    if (j->out != NULL) {
      void *out = rl_real_at(c->dtype, j->out, r * j->n);
      RL_BY_TYPE(c, softmax_grad, y, x, out, j->logs, j->add, (size_t)j->n);
      continue;
    }
    RL_BY_TYPE(c, log_sum_exp, &lse, x, (size_t)j->n);
    RL_BY_TYPE(c, softmax, y, x, lse, j->logs, (size_t)j->n);
  }
}

static rl_status run(job *j, const rl_rows *rows) {
  j->n = rows->n, j->rows = j->n == 0 ? 0 : rows->rows;
  j->group = j->n > 0 && j->n < GRAIN ? GRAIN / j->n : 1;
  return rl_parallel(some_rows, j, rl_blocks(j->rows, j->group));
}

rl_status rl_softmax_forward(rl_call *c, bool logs) {
  rl_rows x = {0}, y = {0};
  rl_status s = rl_rows_read(&x, c->in[0], (int)c->arg[0].i);
  if (s == RL_OK) s = rl_rows_write(&y, c->out[0], (int)c->arg[0].i, false);
  job j = {.c = c, .logs = logs, .y = y.data, .x = x.data};
  if (s == RL_OK) s = run(&j, &x);
  rl_rows_drop(&x);
  if (s == RL_OK) return rl_rows_finish(&y, false);
  rl_rows_drop(&y);
  return s;
}

rl_status rl_softmax_backward(rl_call *c, bool logs) {
  rl_rows dy = {0}, dx = {0}, y = {0};
  if (c->din[0] == NULL) return RL_OK;
  int dim = (int)c->arg[0].i;
  bool add = c->beta[0] != 0;
  rl_status s = rl_rows_read(&dy, c->dout[0], dim);
  if (s == RL_OK) s = rl_rows_read(&y, c->out[0], dim);
  if (s == RL_OK) s = rl_rows_write(&dx, c->din[0], dim, false);
  job j = {.c = c, .logs = logs, .y = dx.data, .x = dy.data, .out = y.data, .add = add && dx.made == NULL};
  if (s == RL_OK) s = run(&j, &dy);
  rl_rows_drop(&dy);
  rl_rows_drop(&y);
  if (s == RL_OK) return rl_rows_finish(&dx, add);
  rl_rows_drop(&dx);
  return s;
}

static rl_status forward(rl_call *c) { return rl_softmax_forward(c, true); }
static rl_status backward(rl_call *c) { return rl_softmax_backward(c, true); }

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true}, {0}};

const rl_op rl_op_log_softmax = {
    .name = "log_softmax",
    .doc = "x - ln sum e^x along dim; any shape",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .saves = RL_SAVE_OUT(0),
    .samples = "{ T{2, 3}, -1 } { T{2, 3, 4}, { dim = 2 } } { T{0, 3}, -1 } { T{1}, 1 }",
    .shape = rl_shape_same,
    .forward = forward,
    .backward = backward,
};
