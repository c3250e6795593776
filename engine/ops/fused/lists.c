/* One call over many tensors. The work is cut into stretches of at most GRAIN elements of one tensor, by shapes alone;
** threads claim stretches, and what is summed over them is added in their order. */
#include "ops/fused/lists.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "tensor/iter.h"

#include <string.h>

#define GRAIN 16384
#define LISTS 64

typedef struct lists {
  int K, n;
  rl_tensor **t;  /* K n, list by list: counted, all of a row i dense and lying alike */
  int64_t *first; /* n + 1: the number of stretches before tensor i */
  double *partial;
  const double *w;
  bool per_tensor;
  rl_tensor **out;
  const rl_adam_numbers *adam;
  const rl_sgd_numbers *sgd;
  void *block;
  size_t bytes;
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

static rl_status check_row(const char *op, int K, int n, rl_tensor *const *t, int i) {
  const rl_tensor *a = t[i];
  if (!rl_is_float(a->dtype))
    return rl_fail(RL_ETYPE, "%s: tensor %d is %s; gradients are f32 or f64", op, i + 1,
                   rl_dtype_name(a->dtype));
  for (int k = 1; k < K; k++) {
    const rl_tensor *b = t[k * n + i];
    if (!rl_shape_equal(&a->shape, &b->shape) || a->dtype != b->dtype)
      return rl_fail(RL_ESHAPE, "%s: tensor %d is %s %s in list 1 and %s %s in list %d", op, i + 1,
                     rl_shape_text(&a->shape), rl_dtype_name(a->dtype), rl_shape_text(&b->shape),
                     rl_dtype_name(b->dtype), k + 1);
  }
  return RL_OK;
}

/* t[k n + i] as the first of its row lies; `keep`: lists from here on may not be copied, since they are written. */
static rl_status align_row(lists *l, rl_tensor *const *t, int i, const char *op, unsigned written) {
  for (int k = 0; k < l->K; k++) {
    rl_tensor *x = t[k * l->n + i], *first = l->t[i];
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

static rl_status open_lists(lists *l, const char *op, rl_tensor *const *t, size_t doubles, unsigned written) {
  size_t n = (size_t)l->n, cells = (size_t)l->K * n;
  if (l->K < 1 || l->K > LISTS)
    return rl_fail(RL_EARG, "%s: %d lists; 1 to %d can be taken", op, l->K, LISTS);
  int64_t stretches = 0;
  for (int i = 0; i < l->n; i++) {
    RL_TRY(check_row(op, l->K, l->n, t, i));
    stretches += rl_blocks(rl_count(t[i]), GRAIN);
  }
  l->bytes =
      cells * sizeof *l->t + (n + 1) * sizeof *l->first + ((size_t)stretches * doubles + 1) * sizeof(double);
  RL_TRY(rl_mem_alloc(&l->block, l->bytes));
  memset(l->block, 0, cells * sizeof *l->t);
  l->t = l->block;
  l->first = (int64_t *)(void *)(l->t + cells);
  l->partial = (double *)(void *)(l->first + n + 1);
  l->first[0] = 0;
  for (int i = 0; i < l->n; i++) {
    l->first[i + 1] = l->first[i] + rl_blocks(rl_count(t[i]), GRAIN);
    RL_TRY(align_row(l, t, i, op, written));
  }
  return RL_OK;
}

static void close_lists(lists *l) {
  if (l->block == NULL) return;
  for (int i = 0; i < l->K * l->n; i++) rl_tensor_drop(&l->t[i]);
  rl_mem_free(l->block, l->bytes);
}

/* Small lists are not worth waking anybody for; the stretches and their order are the same. */
static rl_status run(lists *l, rl_body body) {
  int64_t elements = 0;
  for (int i = 0; i < l->n; i++) elements += rl_count(l->t[i]);
  if (elements > 4 * GRAIN) return rl_parallel(body, l, l->first[l->n]);
  for (int64_t b = 0; b < l->first[l->n]; b++) body(l, b, 0);
  return RL_OK;
}

/* ---- inner products */

static void gram_block(void *ctx, int64_t b, int worker) {
  const lists *l = ctx;
  (void)worker;
  stretch s = find(l, b);
  double *out = l->partial + b * l->K * l->K;
  for (int j = 0; j < l->K; j++)
    for (int k = j; k < l->K; k++)
      RL_KERNEL_CALL(rl_kernels_best(), l->t[s.i]->dtype, dot, &out[j * l->K + k], at(l, j, &s), at(l, k, &s),
                     s.n);
}

rl_status rl_lists_gram(int K, int n, rl_tensor *const *g, double *out) {
  lists l = {.K = K, .n = n};
  rl_status s = open_lists(&l, "gram", g, (size_t)(K * K), 0);
  if (s == RL_OK) s = run(&l, gram_block);
  if (s == RL_OK) memset(out, 0, (size_t)(n * K * K) * sizeof *out);
  for (int i = 0; i < n && s == RL_OK; i++) {
    double *o = out + i * K * K;
    for (int64_t b = l.first[i]; b < l.first[i + 1]; b++)
      for (int j = 0; j < K * K; j++) o[j] += j % K >= j / K ? l.partial[b * K * K + j] : 0;
    for (int j = 0; j < K; j++)
      for (int k = 0; k < j; k++) o[j * K + k] = o[k * K + j];
  }
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
  rl_status s = open_lists(&l, "combine", g, 0, 0);
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

static rl_status step(lists *l, const char *op, rl_tensor *const *const *part, rl_body body) {
  void *block = NULL;
  size_t n = (size_t)l->n, bytes = (size_t)l->K * n * sizeof(rl_tensor *);
  RL_TRY(rl_mem_alloc(&block, bytes));
  rl_tensor **all = block;
  for (int k = 0; k < l->K; k++) memcpy(all + (size_t)k * n, part[k], n * sizeof *all);
  rl_status s = open_lists(l, op, all, 0, ~2u);
  rl_fpmode mode = rl_fp_enter();
  if (s == RL_OK) s = run(l, body);
  rl_fp_leave(mode);
  for (int i = 0; i < l->n && s == RL_OK; i++) all[i]->storage->version++;
  close_lists(l);
  rl_mem_free(block, bytes);
  return s;
}

rl_status rl_lists_adam(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *m,
                        rl_tensor *const *v, const rl_adam_numbers *o) {
  lists l = {.K = 4, .n = n, .adam = o};
  return step(&l, "adam_step", (rl_tensor *const *const[]){p, g, m, v}, adam_block);
}

rl_status rl_lists_sgd(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *buffer,
                       const rl_sgd_numbers *o) {
  lists l = {.K = buffer == NULL ? 2 : 3, .n = n, .sgd = o};
  return step(&l, "sgd_step", (rl_tensor *const *const[]){p, g, buffer}, sgd_block);
}
