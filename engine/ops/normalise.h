/* normalise.h: what the rows that normalise by channel share: act(norm(x)), norm by the batch's moments (training)
** or by running ones, statistics in double. Source: Ioffe and Szegedy, ICML 2015; running ones as in PyTorch. */
#ifndef RL_OPS_NORMALISE_H
#define RL_OPS_NORMALISE_H

#include "kernels/norm.h"
#include "ops/op.h"
#include "ops/real.h"

/* Where a row has its parts: places in in[] (x is in[0]) and in arg[]; -1: it has none. */
typedef struct rl_norm_row {
  int moments, running_mean, running_var, weight, bias, slope, residual;
  int training, momentum, eps, norm, act;
} rl_norm_row;

static inline rl_tensor *rl_norm_in(const rl_call *c, int i) { return i < 0 ? NULL : c->in[i]; }
static inline bool rl_norm_needs(const rl_call *c, int i) { return i >= 0 && c->in[i] != NULL && c->need[i]; }
bool rl_norm_is_on(const rl_call *c, const rl_norm_row *r);    /* false: x is read as it is */
bool rl_norm_by_batch(const rl_call *c, const rl_norm_row *r); /* on, and in training */
rl_act rl_norm_act(const rl_call *c, const rl_norm_row *r);
int64_t rl_norm_values(const rl_shape *x); /* per channel */
/* Everything but x's rank and the residual; rl_norm_shape: also x's rank, and the output like x. */
rl_status rl_norm_check(const rl_call *c, const rl_norm_row *r);
rl_status rl_norm_shape(rl_call *c, const rl_norm_row *r);

/* stat [3][n], n channels: mean and biased variance, from `moments`, the batch (x: rows of n, ld apart) or the running
** tensors, then 1 / sqrt(variance + eps). 0, 1 and 1 where norm is off. */
rl_status rl_norm_statistics(const rl_call *c, const rl_norm_row *r, const void *x, int64_t rows, int64_t ld,
                             double *stat);
/* running = (1 - momentum) running + momentum batch's, the variance unbiased; only in training. Cannot fail: it comes
** last. */
void rl_norm_move(const rl_call *c, const rl_norm_row *r, const double *stat, int64_t rows);

#define RL_NORM_LISTS                                                                                        \
  5 /* of n numbers each in the block that rl_norm_place cuts up: also 1 / deviation, the last */
rl_norm_map rl_norm_place(const rl_call *c, const rl_norm_row *r, void *block, int64_t n);
static inline const void *rl_norm_rstd(const rl_call *c, const rl_norm_map *map) {
  return rl_real_at(c->dtype, map->mean, 4 * (int64_t)map->c);
}
/* Fills them from stat: for (x - mean) scale + shift, whose shift makes good what rounding the mean loses; or, with
** `whole`, for x scale + shift. */
void rl_norm_numbers(const rl_call *c, const rl_norm_row *r, const double *stat, bool whole,
                     const rl_norm_map *map);

/* ---- backward. sums [3][n] over the rows: of dz, of dz (x - mean) / deviation, of v z where z <= 0 (PReLU). */

/* From sums about the mean as rounded in map to sums about stat's. */
void rl_norm_centre(const rl_call *c, const double *stat, const rl_norm_map *map, double *sums);
/* The correction of dx = scale dz + a + b (x - mean) where x takes part in the statistics; a, b: [n] of the dtype. */
void rl_norm_correction(const rl_call *c, const double *stat, const double *sums, int64_t rows,
                        const rl_norm_map *map, void *a, void *b);
/* Writes or adds cotangent k's dweight, dbias, dslope. */
void rl_norm_give(const rl_call *c, const rl_norm_row *r, int k, const double *sums, int64_t n);

/* ---- the whole row, forward and backward: norm_act.c */
rl_status rl_norm_forward(rl_call *c, const rl_norm_row *r);
rl_status rl_norm_backward(rl_call *c, const rl_norm_row *r);
unsigned rl_norm_saves(const rl_call *c, const rl_norm_row *r);

#endif
