/* What reductions over dims share. */
#include "ops/reduce.h"

static void find_gone(const rl_call *c, bool *gone) {
  const rl_arg *dim = &c->arg[0];
  for (int d = 0; d < c->in[0]->shape.rank; d++) gone[d] = !dim->given;
  for (int j = 0; dim->given && j < dim->n; j++) gone[dim->list[j]] = true;
}

rl_status rl_reduce_shape(rl_call *c) {
  bool gone[RL_MAXRANK];
  rl_meta *m = &c->meta[0];
  find_gone(c, gone);
  m->dtype = c->in[0]->dtype;
  for (int d = 0; d < c->in[0]->shape.rank; d++) {
    if (!gone[d])
      m->shape.size[m->shape.rank++] = c->in[0]->shape.size[d];
    else if (c->arg[1].i != 0)
      m->shape.size[m->shape.rank++] = 1;
  }
  return RL_OK;
}

int64_t rl_reduce_count(const rl_call *c) {
  bool gone[RL_MAXRANK];
  int64_t n = 1;
  find_gone(c, gone);
  for (int d = 0; d < c->in[0]->shape.rank; d++)
    if (gone[d]) n *= c->in[0]->shape.size[d];
  return n;
}

rl_tensor rl_reduce_ones(const rl_call *c, const rl_tensor *t) {
  rl_tensor r = *t;
  bool gone[RL_MAXRANK];
  find_gone(c, gone);
  r.shape.rank = c->in[0]->shape.rank;
  for (int d = 0, o = 0; d < r.shape.rank; d++) {
    r.shape.size[d] = gone[d] ? 1 : t->shape.size[o];
    r.stride[d] = gone[d] ? 0 : t->stride[o];
    if (!gone[d] || c->arg[1].i != 0) o++;
  }
  return r;
}

rl_status rl_reduce_fold(rl_call *c, const rl_fold_how *how) {
  rl_tensor out = rl_reduce_ones(c, c->out[0]);
  return rl_fold(&out, c->in[0], how);
}

rl_status rl_reduce_means(rl_call *c, int j) {
  bool gone[RL_MAXRANK];
  rl_shape s = c->in[0]->shape;
  find_gone(c, gone);
  for (int d = 0; d < s.rank; d++)
    if (gone[d]) s.size[d] = 1;
  RL_TRY(rl_keep(c, j, RL_F64, &s));
  return rl_fold(c->keep[j], c->in[0], &(rl_fold_how){.scale = 1 / (double)rl_reduce_count(c)});
}

/* ---- back */

typedef struct spread {
  const rl_kernels *k;
  rl_dtype dtype;
  double scale;
  int add, x, mean, y; /* places of the operands; 0: absent */
} spread;

#define SPREAD(real)                                                                                         \
  static void spread_##real(const spread *s, void *const *ptr, size_t n) {                                   \
    real *dx = ptr[0];                                                                                       \
    const real *g = ptr[1], *x = ptr[s->x], *y = ptr[s->y];                                                  \
    const double *mean = ptr[s->mean];                                                                       \
    for (size_t i = 0; i < n; i++) {                                                                         \
      double d = s->scale * (double)g[i] * ((double)x[i] - (s->mean != 0 ? mean[i] : 0));                    \
      if (s->y != 0) d = y[i] == 0 ? 0 : d / (double)y[i];                                                   \
      dx[i] = (real)(s->add != 0 ? (double)dx[i] + d : d);                                                   \
    }                                                                                                        \
  }
SPREAD(float)
SPREAD(double)

static void spread_run(void *ctx, void *const *ptr, size_t n) {
  const spread *s = ctx;
  if (s->x == 0)
    RL_KERNEL_CALL(s->k, s->dtype, axpy, ptr[0], ptr[1], s->scale, s->add, n);
  else if (s->dtype == RL_F32)
    spread_float(s, ptr, n);
  else
    spread_double(s, ptr, n);
}

rl_status rl_reduce_spread(rl_call *c, double scale, const rl_tensor *x, const rl_tensor *mean,
                           const rl_tensor *y) {
  if (c->din[0] == NULL) return RL_OK;
  spread s = {.k = c->k, .dtype = c->din[0]->dtype, .scale = scale, .add = c->beta[0]};
  rl_tensor part[5] = {*c->din[0], rl_reduce_ones(c, c->dout[0])};
  int n = 2;
  if (x != NULL) part[n] = *x, s.x = n++;
  if (mean != NULL) part[n] = *mean, s.mean = n++;
  if (y != NULL) part[n] = rl_reduce_ones(c, y), s.y = n++;
  rl_tensor *operand[5];
  for (int i = 0; i < n; i++) operand[i] = &part[i];
  unsigned reads = ((1u << n) - 1) & ~(s.add ? 0u : 1u);
  return rl_iter(&c->din[0]->shape, n, operand, reads, 1, spread_run, &s);
}
