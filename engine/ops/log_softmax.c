/* log_softmax: y = x - ln sum e^x along a dim; and the columns that softmax shares with it. */
#include "ops/softmax.h"
#include "base/mem.h"
#include "base/threads.h"
#include "ops/along.h"

#include <string.h>

typedef struct columns {
  rl_call *c;
  bool logs, back;
  rl_along a;
  char *scratch; /* per worker: three columns, for dims that are not the last */
  size_t width;
} columns;

static char *part(const columns *w, int worker, int k) {
  return w->scratch + (size_t)(worker * 3 + k) * (size_t)w->a.size * w->width;
}

static void gather(const columns *w, char *to, const rl_tensor *t, int64_t first) {
  for (int64_t k = 0; k < w->a.size; k++)
    memcpy(to + (size_t)k * w->width, rl_at(t, first + k * w->a.inner), w->width);
}

static void scatter(const columns *w, const char *from, const rl_tensor *t, int64_t first) {
  for (int64_t k = 0; k < w->a.size; k++)
    memcpy(rl_at(t, first + k * w->a.inner), from + (size_t)k * w->width, w->width);
}

static void forward_column(const columns *w, void *y, const void *x) {
  double lse = 0;
  RL_BY_TYPE(w->c, log_sum_exp, &lse, x, (size_t)w->a.size);
  RL_BY_TYPE(w->c, softmax, y, x, lse, w->logs, (size_t)w->a.size);
}

static void one_column(void *ctx, int64_t b, int worker) {
  const columns *w = ctx;
  rl_call *c = w->c;
  int64_t first = b / w->a.inner * w->a.size * w->a.inner + b % w->a.inner;
  const rl_tensor *to = w->back ? c->din[0] : c->out[0], *from = w->back ? c->dout[0] : c->in[0];
  bool direct = w->a.inner == 1;
  void *y = direct ? rl_at(to, first) : part(w, worker, 0),
       *x = direct ? rl_at(from, first) : part(w, worker, 1);
  void *out = direct ? rl_at(c->out[0], first) : part(w, worker, 2);
  if (!direct) {
    gather(w, x, from, first);
    if (w->back) gather(w, out, c->out[0], first), gather(w, y, to, first);
  }
  if (w->back)
    RL_BY_TYPE(c, softmax_grad, y, x, out, w->logs, c->beta[0], (size_t)w->a.size);
  else
    forward_column(w, y, x);
  if (!direct) scatter(w, y, to, first);
}

static rl_status run(columns *w) {
  const rl_tensor *t = w->back ? w->c->din[0] : w->c->in[0];
  w->a = rl_along_of(&t->shape, RL_ROWMAJOR, (int)w->c->arg[0].i);
  w->width = rl_dtype_size(t->dtype);
  if (rl_count(t) == 0) return RL_OK;
  size_t bytes = w->a.inner == 1 ? 0 : (size_t)rl_threads_get() * 3 * (size_t)w->a.size * w->width;
  void *block = NULL;
  if (bytes > 0) RL_TRY(rl_mem_alloc(&block, bytes));
  w->scratch = block;
  rl_status s = rl_parallel(one_column, w, w->a.outer * w->a.inner);
  rl_mem_free(block, bytes);
  return s;
}

rl_status rl_softmax_forward(rl_call *c, bool logs) { return run(&(columns){.c = c, .logs = logs}); }

rl_status rl_softmax_backward(rl_call *c, bool logs) {
  return c->din[0] == NULL ? RL_OK : run(&(columns){.c = c, .logs = logs, .back = true});
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
    .layout = RL_ROWMAJOR,
    .saves = RL_SAVE_OUT(0),
    .samples = "{ T{2, 3}, -1 } { T{2, 3, 4}, { dim = 2 } } { T{0, 3}, -1 } { T{1}, 1 }",
    .shape = rl_shape_same,
    .forward = forward,
    .backward = backward,
};
