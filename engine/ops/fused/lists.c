/* One call over many tensors. The work is cut into stretches of at most GRAIN elements of one tensor, by shapes alone;
** threads claim stretches, and what is summed over them is added in their order. */
#include "ops/fused/lists.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "ops/profile.h"
#include "tensor/iter.h"

#include <math.h>
#include <string.h>

#define GRAIN 16384
#define LISTS 64
#define CELLS 64 /* up to so many tensors in all, and so many partial sums, nothing is allocated */

typedef struct lists {
  int K, n;
  rl_tensor *const *given[LISTS];
  rl_tensor **t;  /* K n, list by list: counted, all of a row i dense and lying alike */
  int64_t *first; /* n + 1: the number of stretches before tensor i */
  double *partial;
  int64_t elements;
  const double *w;
  bool per_tensor;
  rl_tensor **out;
  const rl_adam_numbers *adam;
  const rl_sgd_numbers *sgd;
  double eta;
  void *block;
  size_t bytes;
  const char *op;
  rl_profile_mark mark;
  rl_tensor *few[CELLS];
  int64_t few_first[CELLS + 1];
  double few_partial[CELLS];
} lists;

typedef struct stretch {
  int i;
  int64_t from;
  size_t n;
} stretch;

static stretch find(const lists *l, int64_t b) {
  int lo = 0, hi = l->n;
  while (hi - lo > 1) {
    int mid = (lo + hi) / 2;
    if (l->first[mid] <= b)
      lo = mid;
    else
      hi = mid;
  }
  int64_t from = (b - l->first[lo]) * GRAIN, count = rl_count(l->t[lo]);
  return (stretch){.i = lo, .from = from, .n = (size_t)(count - from < GRAIN ? count - from : GRAIN)};
}

static void *at(const lists *l, int k, const stretch *s) { return rl_at(l->t[k * l->n + s->i], s->from); }

static rl_status check_row(const lists *l, const char *op, int i) {
  const rl_tensor *a = l->given[0][i];
  if (!rl_is_float(a->dtype))
    return rl_fail(RL_ETYPE, "%s: tensor %d is %s; gradients are f32 or f64", op, i + 1,
                   rl_dtype_name(a->dtype));
  for (int k = 1; k < l->K; k++) {
    const rl_tensor *b = l->given[k][i];
    if (!rl_shape_equal(&a->shape, &b->shape) || a->dtype != b->dtype)
      return rl_fail(RL_ESHAPE, "%s: tensor %d is %s %s in list 1 and %s %s in list %d", op, i + 1,
                     rl_shape_text(&a->shape), rl_dtype_name(a->dtype), rl_shape_text(&b->shape),
                     rl_dtype_name(b->dtype), k + 1);
  }
  return RL_OK;
}

/* Tensor i of every list as that of the first lies; bit k of `written`: list k may not be copied. */
static rl_status align_row(lists *l, int i, const char *op, unsigned written) {
  for (int k = 0; k < l->K; k++) {
    rl_tensor *x = l->given[k][i], *first = l->t[i];
    bool alike = k == 0 ? rl_is_dense(x) : rl_same_order(x, first);
    if (alike) {
      l->t[k * l->n + i] = rl_tensor_retain(x);
      continue;
    }
    if (written >> k & 1)
      return rl_fail(RL_ESTATE,
                     "%s: tensor %d of list %d does not lie as its parameter does; make it with rl.zeros and "
                     "x:contiguous()",
                     op, i + 1, k + 1);
    RL_TRY(rl_tensor_make_like(&l->t[k * l->n + i], x->dtype, &x->shape, k == 0 ? NULL : first));
    RL_TRY(rl_copy(l->t[k * l->n + i], x, false));
  }
  return RL_OK;
}

static rl_status take_memory(lists *l, size_t stretches, size_t doubles) {
  size_t n = (size_t)l->n, cells = (size_t)l->K * n;
  l->t = l->few, l->first = l->few_first, l->partial = l->few_partial;
  if (cells > CELLS || stretches * doubles > CELLS) {
    l->bytes = cells * sizeof *l->t + (n + 1) * sizeof *l->first + (stretches * doubles + 1) * sizeof(double);
    RL_TRY(rl_mem_alloc(&l->block, l->bytes));
    l->t = l->block;
    l->first = (int64_t *)(void *)(l->t + cells);
    l->partial = (double *)(void *)(l->first + n + 1);
  }
  memset(l->t, 0, cells * sizeof *l->t);
  return RL_OK;
}

static rl_status open_lists(lists *l, const char *op, size_t doubles, unsigned written) {
  int64_t stretches = 0;
  l->op = op;
  if (rl_profiling) l->mark = rl_profile_begin();
  l->block = NULL, l->t = NULL, l->elements = 0;
  if (l->K < 1 || l->K > LISTS)
    return rl_fail(RL_EARG, "%s: %d lists; 1 to %d can be taken", op, l->K, LISTS);
  for (int i = 0; i < l->n; i++) {
    RL_TRY(check_row(l, op, i));
    stretches += rl_blocks(rl_count(l->given[0][i]), GRAIN);
  }
  RL_TRY(take_memory(l, (size_t)stretches, doubles));
  l->first[0] = 0;
  for (int i = 0; i < l->n; i++) {
    int64_t count = rl_count(l->given[0][i]);
    l->first[i + 1] = l->first[i] + rl_blocks(count, GRAIN);
    l->elements += count;
    RL_TRY(align_row(l, i, op, written));
  }
  return RL_OK;
}

static void close_lists(lists *l) {
  if (rl_profiling && l->t != NULL) {
    double bytes = 0;
    for (int k = 0; k < l->K; k++)
      for (int i = 0; i < l->n; i++)
        bytes += (double)rl_count(l->given[k][i]) * (double)rl_dtype_size(l->given[k][i]->dtype);
    rl_profile_end(&l->mark, l->op, false, bytes, 0);
  }
  for (int i = 0; l->t != NULL && i < l->K * l->n; i++) rl_tensor_drop(&l->t[i]);
  if (l->block != NULL) rl_mem_free(l->block, l->bytes);
}

/* Small lists are not worth waking anybody for; the stretches and their order are the same. */
static rl_status run(lists *l, rl_body body) {
  if (l->elements > 4 * GRAIN) return rl_parallel(body, l, l->first[l->n]);
  for (int64_t b = 0; b < l->first[l->n]; b++) body(l, b, 0);
  return RL_OK;
}

/* ---- inner products */

#define LOOK 2048 /* elements of each list that stay in the first cache together */

static void gram_block(void *ctx, int64_t b, int worker) { /* the upper half, row by row */
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  int pairs = l->K * (l->K + 1) / 2;
  double *out = l->partial + b * pairs;
  const void *x[LISTS];
  memset(out, 0, (size_t)pairs * sizeof *out);
  for (size_t i = 0; i < s.n; i += LOOK) {
    stretch part = {.i = s.i, .from = s.from + (int64_t)i, .n = s.n - i < LOOK ? s.n - i : LOOK};
    for (int k = 0; k < l->K; k++) x[k] = at(l, k, &part);
    RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, gram, out, (const void *)x, l->K, part.n);
  }
}

rl_status rl_lists_gram(int K, int n, rl_tensor *const *g, double *out) {
  lists l = {.K = K, .n = n};
  int pairs = K * (K + 1) / 2;
  for (int k = 0; k < K && k < LISTS; k++) l.given[k] = g + (size_t)k * (size_t)n;
  rl_status s = open_lists(&l, "gram", (size_t)pairs, 0);
  if (s == RL_OK) s = run(&l, gram_block);
  for (int i = 0; i < n && s == RL_OK; i++)
    for (int j = 0, pair = 0; j < K; j++)
      for (int k = j; k < K; k++, pair++) {
        double sum = 0;
        for (int64_t b = l.first[i]; b < l.first[i + 1]; b++) sum += l.partial[b * pairs + pair];
        out[(i * K + j) * K + k] = out[(i * K + k) * K + j] = sum;
      }
  close_lists(&l);
  return s;
}

/* ---- the norm */

static void norm_block(void *ctx, int64_t b, int worker) {
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  int k = l->K > 1; /* gradients are list 2 of an optimiser's, or alone */
  RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, squares, &l->partial[b], at(l, k, &s), s.n);
}

static double largest(const lists *l) {
  double top = 0;
  for (int64_t b = 0; b < l->first[l->n]; b++) {
    stretch s = find(l, b);
    const rl_tensor *t = l->t[(l->K > 1 ? l->n : 0) + s.i];
    for (size_t j = 0; j < s.n; j++) {
      double v = fabs(rl_load(rl_at(t, s.from), t->dtype, j));
      if (v > top || v != v) top = v; /* NaN stays: nothing is larger */
    }
  }
  return top;
}

/* f64 only: squares beyond the range of double are taken of x / the largest. */
static double scaled_norm(const lists *l) {
  double top = largest(l), sum = 0;
  if (top == 0 || top - top != 0) return top;
  for (int64_t b = 0; b < l->first[l->n]; b++) {
    stretch s = find(l, b);
    const rl_tensor *t = l->t[(l->K > 1 ? l->n : 0) + s.i];
    for (size_t j = 0; j < s.n; j++) {
      double v = rl_load(rl_at(t, s.from), t->dtype, j) / top;
      sum += v * v;
    }
  }
  return top * sqrt(sum);
}

static rl_status norm_of(lists *l, double *norm) {
  double sum = 0;
  RL_TRY(run(l, norm_block));
  for (int i = 0; i < l->n; i++) {
    double own = 0;
    for (int64_t b = l->first[i]; b < l->first[i + 1]; b++) own += l->partial[b];
    sum += own;
  }
  *norm = sum > 1e-280 && sum < INFINITY ? sqrt(sum) : scaled_norm(l);
  return RL_OK;
}

rl_status rl_lists_norm(int n, rl_tensor *const *g, double *norm) {
  lists l = {.K = 1, .n = n, .given = {g}};
  rl_status s = open_lists(&l, "list_norm", 1, 0);
  if (s == RL_OK) s = norm_of(&l, norm);
  close_lists(&l);
  return s;
}

/* ---- weighted sums */

static void combine_block(void *ctx, int64_t b, int worker) {
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  void *out = rl_at(l->out[s.i], s.from);
  const double *w = l->w + (l->per_tensor ? s.i * l->K : 0);
  bool any = false;
  for (int k = 0; k < l->K; k++) {
    if (w[k] == 0) continue; /* what is kept out cannot spoil the sum, not even by an infinity */
    RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, axpy, out, at(l, k, &s), w[k], any, s.n);
    any = true;
  }
  if (!any) memset(out, 0, s.n * rl_dtype_size(l->t[s.i]->dtype));
}

rl_status rl_lists_combine(int K, int n, rl_tensor *const *g, const double *w, bool per_tensor,
                           rl_tensor **out) {
  lists l = {.K = K, .n = n, .w = w, .per_tensor = per_tensor, .out = out};
  for (int i = 0; i < n; i++) out[i] = NULL;
  for (int k = 0; k < K && k < LISTS; k++) l.given[k] = g + (size_t)k * (size_t)n;
  rl_status s = open_lists(&l, "combine", 0, 0);
  for (int i = 0; i < n && s == RL_OK; i++)
    s = rl_tensor_make_like(&out[i], l.t[i]->dtype, &l.t[i]->shape, l.t[i]);
  if (s == RL_OK) s = run(&l, combine_block);
  for (int i = 0; i < n && s != RL_OK; i++) rl_tensor_drop(&out[i]);
  close_lists(&l);
  return s;
}

/* ---- optimisers: lists 1 and 2 are parameters and gradients, the others state */

static void adam_block(void *ctx, int64_t b, int worker) {
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, adam, at(l, 0, &s), at(l, 1, &s), at(l, 2, &s),
                 at(l, 3, &s), l->adam, s.n);
}

static void sgd_block(void *ctx, int64_t b, int worker) {
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, sgd, at(l, 0, &s), at(l, 1, &s),
                 l->K > 2 ? at(l, 2, &s) : NULL, l->sgd, s.n);
}

/* The parameters have moved, and what the optimiser keeps of them. */
static void have_moved(const lists *l) {
  for (int i = 0; i < l->n; i++) {
    l->t[i]->storage->version++;
    for (int k = 2; k < l->K; k++) rl_storage_changed(l->given[k][i]->storage);
  }
}

/* The norm decides about the step: not finite, and nothing is moved; above clip, and the gradient is shortened. */
static rl_status step(lists *l, const char *op, rl_body body, double clip, double *norm, double *scale) {
  rl_status s = open_lists(l, op, norm != NULL, ~2u);
  if (norm != NULL) *norm = 0;
  rl_fpmode mode = rl_fp_enter();
  if (s == RL_OK && norm != NULL) s = norm_of(l, norm);
  bool moves = norm == NULL || *norm - *norm == 0;
  if (norm != NULL && *norm > clip) *scale = clip / *norm;
  if (s == RL_OK && moves) s = run(l, body);
  rl_fp_leave(mode);
  if (s == RL_OK && moves) have_moved(l);
  close_lists(l);
  return s;
}

rl_status rl_lists_adam(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *m,
                        rl_tensor *const *v, rl_adam_numbers o, double clip, double *norm) {
  lists l = {.K = 4, .n = n, .given = {p, g, m, v}, .adam = &o};
  return step(&l, "adam_step", adam_block, clip, norm, &o.scale);
}

rl_status rl_lists_sgd(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *buffer,
                       rl_sgd_numbers o, double clip, double *norm) {
  lists l = {.K = buffer == NULL ? 2 : 3, .n = n, .given = {p, g, buffer}, .sgd = &o};
  return step(&l, "sgd_step", sgd_block, clip, norm, &o.scale);
}

/* LARS: SGD whose gradient g + decay p has, in tensors of two dims and more, eta |p| as its length. */

static void lars_products(void *ctx, int64_t b, int worker) { /* pp, pg, gg of a stretch */
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  const void *x[2] = {at(l, 0, &s), at(l, 1, &s)};
  memset(l->partial + 3 * b, 0, 3 * sizeof(double));
  RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, gram, l->partial + 3 * b, (const void *)x, 2, s.n);
}

/* The factor of tensor i; 1 where a norm is 0. */
static double trust(const lists *l, int i, const double *sum) {
  double scale = l->sgd->scale, decay = l->sgd->decay;
  if (l->t[i]->shape.rank < 2) return 1;
  double p = sqrt(sum[0]),
         g = sqrt(fmax(0, scale * scale * sum[2] + 2 * scale * decay * sum[1] + decay * decay * sum[0]));
  return p > 0 && g > 0 ? l->eta * p / g : 1;
}

static void lars_block(void *ctx, int64_t b, int worker) {
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  rl_sgd_numbers o = *l->sgd;
  double factor = l->partial[3 * l->first[s.i]]; /* put there by rl_lists_lars */
  o.decay = l->t[s.i]->shape.rank < 2 ? 0 : o.decay * factor;
  o.scale *= factor;
  RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, sgd, at(l, 0, &s), at(l, 1, &s), at(l, 2, &s), &o, s.n);
}

/* Sums of the stretches' products, tensor by tensor: the gradient's norm, then each tensor's factor. */
static double lars_factors(lists *l, rl_sgd_numbers *o, double clip) {
  double all = 0;
  for (int64_t b = 0; b < l->first[l->n]; b++) all += l->partial[3 * b + 2];
  all = sqrt(all);
  if (all > clip) o->scale = clip / all;
  for (int i = 0; i < l->n; i++) {
    double sum[3] = {0};
    for (int64_t b = l->first[i]; b < l->first[i + 1]; b++)
      for (int k = 0; k < 3; k++) sum[k] += l->partial[3 * b + k];
    if (l->first[i + 1] > l->first[i]) l->partial[3 * l->first[i]] = trust(l, i, sum);
  }
  return all;
}

rl_status rl_lists_lars(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *buffer,
                        rl_sgd_numbers o, double eta, double clip, double *norm) {
  lists l = {.K = 3, .n = n, .given = {p, g, buffer}, .sgd = &o, .eta = eta};
  rl_status s = open_lists(&l, "lars_step", 3, ~2u);
  rl_fpmode mode = rl_fp_enter();
  if (s == RL_OK) s = run(&l, lars_products);
  if (s == RL_OK) *norm = lars_factors(&l, &o, clip);
  bool moves = s == RL_OK && *norm - *norm == 0;
  if (moves) s = run(&l, lars_block);
  rl_fp_leave(mode);
  if (s == RL_OK && moves) have_moved(&l);
  close_lists(&l);
  return s;
}
