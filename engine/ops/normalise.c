/* Statistics and numbers of a normalisation by channel. */
#include "ops/normalise.h"

#include "kernels/columns.h"

#include <math.h>

bool rl_norm_is_on(const rl_call *c, const rl_norm_row *r) { return r->norm < 0 || c->arg[r->norm].i != 0; }

bool rl_norm_by_batch(const rl_call *c, const rl_norm_row *r) {
  return rl_norm_is_on(c, r) && c->arg[r->training].i != 0;
}

rl_act rl_norm_act(const rl_call *c, const rl_norm_row *r) {
  return r->act < 0 ? RL_ACT_NONE : (rl_act)c->arg[r->act].i;
}

int64_t rl_norm_values(const rl_shape *x) {
  int64_t values = x->size[0];
  for (int d = 2; d < x->rank; d++) values *= x->size[d];
  return values;
}

/* ---- what it takes */

static rl_status check_list(const rl_call *c, int i) { /* one number per channel */
  const rl_tensor *t = rl_norm_in(c, i);
  int64_t n = c->in[0]->shape.size[1];
  if (t == NULL || (t->shape.rank == 1 && t->shape.size[0] == n)) return RL_OK;
  return rl_fail(RL_ESHAPE, "%s: %s is %s for %lld channels (x is %s); give it one number per channel",
                 c->op->name, c->op->in[i].name, rl_shape_text(&t->shape), (long long)n,
                 rl_shape_text(&c->in[0]->shape));
}

static rl_status check_act(const rl_call *c, const rl_norm_row *r) {
  const rl_tensor *slope = rl_norm_in(c, r->slope);
  bool asks = rl_norm_act(c, r) == RL_ACT_PRELU;
  if (asks != (slope != NULL))
    return rl_fail(RL_EARG, "%s: %s", c->op->name,
                   asks ? "act = \"prelu\" needs slope: one number, or one per channel"
                        : "slope is given, which only act = \"prelu\" reads");
  if (slope != NULL && slope->shape.rank == 1 && slope->shape.size[0] == 1) return RL_OK;
  return check_list(c, r->slope);
}

static rl_status check_moments(const rl_call *c, int i) {
  const rl_tensor *t = rl_norm_in(c, i);
  int64_t n = c->in[0]->shape.size[1];
  if (t == NULL || (t->shape.rank == 2 && t->shape.size[0] == 2 && t->shape.size[1] == n)) return RL_OK;
  return rl_fail(RL_ESHAPE,
                 "%s: moments is %s, x is %s; it must be 2x%lld: each channel's mean, then variance",
                 c->op->name, rl_shape_text(&t->shape), rl_shape_text(&c->in[0]->shape), (long long)n);
}

static rl_status check_off(const rl_call *c, const rl_norm_row *r) {
  const int parts[] = {r->moments, r->running_mean, r->running_var, r->weight, r->bias};
  for (int i = 0; i < 5; i++)
    if (rl_norm_in(c, parts[i]) != NULL)
      return rl_fail(RL_EARG, "%s: norm = false does not read %s; leave it out", c->op->name,
                     c->op->in[parts[i]].name);
  return RL_OK;
}

rl_status rl_norm_check(const rl_call *c, const rl_norm_row *r) {
  const rl_shape *x = &c->in[0]->shape;
  RL_TRY(check_act(c, r));
  if (!rl_norm_is_on(c, r)) return check_off(c, r);
  const int lists[] = {r->running_mean, r->running_var, r->weight, r->bias};
  for (int i = 0; i < 4; i++) RL_TRY(check_list(c, lists[i]));
  RL_TRY(check_moments(c, r->moments));
  bool has_mean = rl_norm_in(c, r->running_mean) != NULL, has_var = rl_norm_in(c, r->running_var) != NULL;
  if (has_mean != has_var)
    return rl_fail(RL_EARG, "%s: running_mean and running_var come together; give both or none", c->op->name);
  bool training = rl_norm_by_batch(c, r);
  if (!training && !has_mean)
    return rl_fail(RL_EARG, "%s: without running statistics there is only { training = true }", c->op->name);
  int64_t values = x->size[1] == 0 ? 2 : rl_norm_values(x);
  if (training && values < 2)
    return rl_fail(RL_ESHAPE,
                   "%s: x is %s, %s value per channel; statistics need two: use a larger batch or m:eval()",
                   c->op->name, rl_shape_text(x), values == 1 ? "one" : "no");
  return RL_OK;
}

rl_status rl_norm_shape(rl_call *c, const rl_norm_row *r) {
  const rl_shape *x = &c->in[0]->shape;
  if (x->rank < 2 || x->rank > 4)
    return rl_fail(RL_ESHAPE, "%s: x is %s; it takes N x C, N x C x L or N x C x H x W", c->op->name,
                   rl_shape_text(x));
  RL_TRY(rl_norm_check(c, r));
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = *x, .layout = RL_NHWC};
  return RL_OK;
}

/* ---- statistics */

static double element(const rl_tensor *t, int64_t i, double otherwise) {
  return t == NULL ? otherwise : rl_real_get(t->dtype, rl_at(t, i * t->stride[0]), 0);
}

static rl_status moments_of(const rl_call *c, const rl_norm_row *r, const void *x, int64_t rows, int64_t ld,
                            double *stat) {
  const rl_tensor *moments = rl_norm_in(c, r->moments);
  int64_t n = c->in[0]->shape.size[1];
  bool on = rl_norm_is_on(c, r), batch = rl_norm_by_batch(c, r);
  if (batch && moments == NULL) return rl_column_moments(c->dtype, rows, n, x, ld, stat);
  for (int64_t j = 0; j < n; j++) {
    stat[j] = batch ? *(double *)rl_at(moments, j) : on ? element(c->in[r->running_mean], j, 0) : 0;
    stat[n + j] = batch ? *(double *)rl_at(moments, n + j) : on ? element(c->in[r->running_var], j, 1) : 1;
  }
  return RL_OK;
}

rl_status rl_norm_statistics(const rl_call *c, const rl_norm_row *r, const void *x, int64_t rows, int64_t ld,
                             double *stat) {
  RL_TRY(moments_of(c, r, x, rows, ld, stat));
  int64_t n = c->in[0]->shape.size[1];
  double eps = rl_norm_is_on(c, r) ? c->arg[r->eps].num : 0;
  for (int64_t j = n; j < 2 * n; j++) stat[n + j] = 1 / sqrt(stat[j] + eps);
  return RL_OK;
}

void rl_norm_move(const rl_call *c, const rl_norm_row *r, const double *stat, int64_t rows) {
  rl_tensor *mean = rl_norm_in(c, r->running_mean), *var = rl_norm_in(c, r->running_var);
  if (mean == NULL || !rl_norm_by_batch(c, r)) return;
  double f = c->arg[r->momentum].num, m = (double)rows;
  int64_t n = c->in[0]->shape.size[1];
  for (int64_t j = 0; j < n; j++) {
    void *a = rl_at(mean, j * mean->stride[0]), *b = rl_at(var, j * var->stride[0]);
    rl_real_set(mean->dtype, a, 0, (1 - f) * rl_real_get(mean->dtype, a, 0) + f * stat[j]);
    rl_real_set(var->dtype, b, 0, (1 - f) * rl_real_get(var->dtype, b, 0) + f * stat[n + j] * (m / (m - 1)));
  }
}

/* ---- numbers */

rl_norm_map rl_norm_place(const rl_call *c, const rl_norm_row *r, void *block, int64_t n) {
  return (rl_norm_map){.mean = block,
                       .scale = rl_real_at(c->dtype, block, n),
                       .shift = rl_real_at(c->dtype, block, 2 * n),
                       .slope = rl_real_at(c->dtype, block, 3 * n),
                       .act = rl_norm_act(c, r),
                       .c = (size_t)n};
}

static void set(const rl_call *c, const void *list, int64_t j, double v) {
  rl_real_set(c->dtype, (void *)(uintptr_t)list, j, v);
}

static double lost(const rl_call *c, const double *stat, int64_t j) { /* by rounding the mean */
  return c->dtype == RL_F64 ? 0 : stat[j] - (double)(float)stat[j];
}

void rl_norm_numbers(const rl_call *c, const rl_norm_row *r, const double *stat, bool whole,
                     const rl_norm_map *map) {
  const rl_tensor *weight = rl_norm_in(c, r->weight), *bias = rl_norm_in(c, r->bias);
  const rl_tensor *slope = rl_norm_in(c, r->slope);
  int64_t n = (int64_t)map->c;
  for (int64_t j = 0; j < n; j++) {
    double scale = element(weight, j, 1) * stat[2 * n + j], moved = whole ? stat[j] : lost(c, stat, j);
    set(c, map->mean, j, stat[j]);
    set(c, map->scale, j, scale);
    set(c, map->shift, j, element(bias, j, 0) - moved * scale);
    set(c, map->slope, j, slope == NULL ? 0 : element(slope, slope->shape.size[0] == 1 ? 0 : j, 0));
    set(c, rl_norm_rstd(c, map), j, stat[2 * n + j]);
  }
}

/* ---- backward */

void rl_norm_centre(const rl_call *c, const double *stat, const rl_norm_map *map, double *sums) {
  int64_t n = (int64_t)map->c;
  for (int64_t j = 0; j < n; j++) sums[n + j] -= lost(c, stat, j) * stat[2 * n + j] * sums[j];
}

/* With g = dz, over the M rows of a channel: dx = scale (g - mean(g) - xhat mean(g xhat)), xhat = (x - mean) rstd. */
void rl_norm_correction(const rl_call *c, const double *stat, const double *sums, int64_t rows,
                        const rl_norm_map *map, void *a, void *b) {
  int64_t n = (int64_t)map->c;
  double m = (double)rows;
  for (int64_t j = 0; j < n; j++) {
    double scale = rl_real_get(c->dtype, map->scale, j);
    double slope = -scale * stat[2 * n + j] * (sums[n + j] / m);
    set(c, b, j, slope);
    set(c, a, j, -scale * (sums[j] / m) - slope * lost(c, stat, j));
  }
}

static void put(const rl_call *c, int k, int i, int64_t j, double v) {
  rl_tensor *d = c->din[k * c->nin + i];
  if (d == NULL) return;
  bool add = c->beta[k * c->nin + i] != 0;
  rl_real_set(d->dtype, rl_data(d), j, v + (add ? rl_real_get(d->dtype, rl_data(d), j) : 0));
}

void rl_norm_give(const rl_call *c, const rl_norm_row *r, int k, const double *sums, int64_t n) {
  const rl_tensor *slope = rl_norm_in(c, r->slope);
  double all = 0;
  for (int64_t j = 0; j < n; j++) {
    if (r->bias >= 0) put(c, k, r->bias, j, sums[j]);
    if (r->weight >= 0) put(c, k, r->weight, j, sums[n + j]);
    all += sums[2 * n + j];
    if (slope != NULL && slope->shape.size[0] == n) put(c, k, r->slope, j, sums[2 * n + j]);
  }
  if (slope != NULL && slope->shape.size[0] != n) put(c, k, r->slope, 0, all);
}
