/* A pointwise row's forward and backward see one contiguous run of every operand at a time; this cuts the
** runs. */
#include "ops/pointwise.h"

typedef struct runs {
  const rl_call *c;
  bool back;
  rl_status (*fn)(rl_call *);
  rl_tensor *operand[RL_ITER_MAX];
  rl_tensor **place[RL_ITER_MAX]; /* which field of the call operand k stands in */
  int n;
  unsigned reads, writes;
} runs;

static rl_tensor as_run(const rl_tensor *t, rl_storage *s, void *data, size_t n) {
  rl_tensor r = {.dtype = t->dtype, .shape = {.rank = 1, .size = {(int64_t)n}}, .stride = {1}, .storage = s};
  *s = (rl_storage){.count = 1, .data = data, .bytes = n * rl_dtype_size(t->dtype)};
  return r;
}

static void one_run(void *ctx, void *const *ptr, size_t n) {
  const runs *r = ctx;
  rl_call c = *r->c;
  rl_tensor *in[RL_RUNS_MAX] = {0}, *din[RL_RUNS_MAX] = {0}, *dout[RL_MAXOUT] = {0};
  rl_tensor run[RL_ITER_MAX];
  rl_storage storage[RL_ITER_MAX];
  for (int i = 0; i < c.nin; i++) in[i] = r->c->in[i];
  for (int k = 0; k < r->n; k++) {
    run[k] = as_run(r->operand[k], &storage[k], ptr[k], n);
    rl_tensor **p = r->place[k];
    if (p >= r->c->in && p < r->c->in + c.nin)
      in[p - r->c->in] = &run[k];
    else if (p >= r->c->out && p < r->c->out + RL_MAXOUT)
      c.out[p - (rl_tensor **)r->c->out] = &run[k];
    else if (r->back && p >= r->c->din && p < r->c->din + c.nin)
      din[p - r->c->din] = &run[k];
    else if (r->back)
      dout[p - r->c->dout] = &run[k];
  }
  c.in = in, c.din = din, c.dout = dout;
  r->fn(&c); /* a pointwise body cannot fail */
}

static void put(runs *r, rl_tensor **place, bool read, bool write) {
  if (*place == NULL || ((*place)->storage == NULL && !(*place)->is_scalar)) return;
  r->place[r->n] = place;
  r->operand[r->n] = *place;
  r->reads |= (unsigned)read << r->n;
  r->writes |= (unsigned)write << r->n;
  r->n++;
}

static bool whole(const runs *r) { /* everything lies alike and is small: no cutting needed */
  for (int k = 0; k < r->n; k++)
    if (r->operand[k]->is_scalar || !rl_same_order(r->operand[k], r->operand[0])) return false;
  return rl_is_dense(r->operand[0]) && rl_count(r->operand[0]) <= 4096;
}

rl_status rl_runs_forward(rl_call *c) {
  runs r = {.c = c, .fn = c->op->forward};
  put(&r, &c->out[0], false, true);
  for (int i = 0; i < c->nin; i++) put(&r, &c->in[i], true, false);
  if (whole(&r)) return c->op->forward(c);
  return rl_iter(&c->out[0]->shape, r.n, r.operand, r.reads, r.writes, one_run, &r);
}

/* A stretched input's gradient is formed at full size first, then folded. */
static rl_status full_size(const rl_call *c, rl_tensor **full) {
  for (int i = 0; i < c->nin; i++) {
    if (c->din[i] == NULL || rl_shape_equal(&c->din[i]->shape, &c->out[0]->shape)) continue;
    RL_TRY(rl_tensor_make_like(&full[i], c->din[i]->dtype, &c->out[0]->shape, c->dout[0]));
  }
  return RL_OK;
}

rl_status rl_runs_backward(rl_call *c) {
  rl_tensor *full[RL_RUNS_MAX] = {0}, *asked[RL_RUNS_MAX] = {0};
  int beta[RL_RUNS_MAX];
  rl_status s = full_size(c, full);
  if (s != RL_OK) goto done;
  for (int i = 0; i < c->nin; i++) {
    asked[i] = c->din[i];
    beta[i] = c->beta[i];
    if (full[i] != NULL) c->din[i] = full[i], c->beta[i] = 0;
  }
  runs r = {.c = c, .back = true, .fn = c->op->backward};
  for (int i = 0; i < c->nin; i++) put(&r, &c->din[i], c->beta[i] != 0, true);
  put(&r, &c->dout[0], true, false);
  put(&r, &c->out[0], true, false);
  for (int i = 0; i < c->nin; i++) put(&r, &c->in[i], true, false);
  s = whole(&r) ? c->op->backward(c)
                : rl_iter(&c->out[0]->shape, r.n, r.operand, r.reads, r.writes, one_run, &r);
  for (int i = 0; i < c->nin; i++) c->din[i] = asked[i], c->beta[i] = beta[i];
  for (int i = 0; i < c->nin && s == RL_OK; i++)
    if (full[i] != NULL) s = rl_sum_to(asked[i], full[i], beta[i] != 0);
done:
  for (int i = 0; i < c->nin; i++) rl_tensor_drop(&full[i]);
  return s;
}
