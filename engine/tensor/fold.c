/* Sums over dims. The dims are sorted by the source's strides and merged; then either whole runs are summed
** (the innermost dim goes) or rows are added into columns (the innermost dim stays). */
#include "tensor/fold.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "tensor/iter.h"

#include <math.h>
#include <string.h>

#define COLUMNS  512   /* accumulators of a block: 4 KiB */
#define PIECE    16384 /* elements of a run that are summed in one go */
#define GRAIN    32768 /* elements of a parallel block */
#define FEW      16    /* fewer blocks than this: sums are split into partial ones */
#define PARTIALS 64

typedef struct dims {
  int rank;
  int64_t size[RL_MAXRANK], src[RL_MAXRANK], dst[RL_MAXRANK], center[RL_MAXRANK];
  bool gone[RL_MAXRANK];
} dims;

typedef struct fold {
  const rl_tensor *src;
  rl_tensor *dst;
  const rl_fold_how *how;
  const rl_kernels *k;
  dims kept, gone; /* without the innermost dim */
  int64_t nkept, ngone;
  int64_t n, step, dst_step, center_step; /* the innermost dim */
  bool runs;                              /* it goes */
  int64_t group, chunks, partials, pieces;
  double *part; /* [partials][outputs], NULL if there is one */
} fold;

static double element(const rl_tensor *t, int64_t at) { return rl_load(rl_at(t, at), t->dtype, 0); }

/* ---- the plan */

static void move_dim(dims *d, int to, const dims *s, int from) {
  d->size[to] = s->size[from], d->src[to] = s->src[from], d->dst[to] = s->dst[from];
  d->center[to] = s->center[from], d->gone[to] = s->gone[from];
}

static bool outside(const dims *d, int a, int b) { /* stretched dims (stride 0) go outermost */
  if (d->src[a] == d->src[b]) return a < b;
  return d->src[a] == 0 || (d->src[b] != 0 && d->src[a] > d->src[b]);
}

static bool mergeable(const dims *d, int o, int i) {
  return d->gone[o] == d->gone[i] && d->src[o] == d->src[i] * d->size[i] &&
         d->dst[o] == d->dst[i] * d->size[i] && d->center[o] == d->center[i] * d->size[i];
}

static dims gather_dims(const rl_tensor *dst, const rl_tensor *src, const rl_tensor *center) {
  dims d = {.rank = 0};
  for (int i = 0; i < src->shape.rank; i++) {
    int own = i - (src->shape.rank - dst->shape.rank);
    if (src->shape.size[i] == 1) continue;
    bool kept = own >= 0 && dst->shape.size[own] == src->shape.size[i];
    d.size[d.rank] = src->shape.size[i];
    d.src[d.rank] = src->stride[i];
    d.dst[d.rank] = kept ? dst->stride[own] : 0;
    d.center[d.rank] = kept && center != NULL ? center->stride[own] : 0;
    d.gone[d.rank++] = !kept;
  }
  return d;
}

static dims sorted(dims d) {
  dims one = {.rank = 1}, m = {.rank = 0};
  for (int i = 1; i < d.rank; i++)
    for (int j = i; j > 0 && !outside(&d, j - 1, j); j--)
      move_dim(&one, 0, &d, j), move_dim(&d, j, &d, j - 1), move_dim(&d, j - 1, &one, 0);
  for (int i = 0; i < d.rank; i++) {
    move_dim(&m, m.rank, &d, i);
    if (m.rank > 0 && mergeable(&m, m.rank - 1, m.rank)) {
      m.size[m.rank] *= m.size[m.rank - 1];
      move_dim(&m, m.rank - 1, &m, m.rank);
    } else
      m.rank++;
  }
  return m;
}

static int64_t count_of(const dims *d) {
  int64_t n = 1;
  for (int i = 0; i < d->rank; i++) n *= d->size[i];
  return n;
}

static int64_t split(int64_t work, int64_t most) {
  int64_t p = work / GRAIN;
  p = p > PARTIALS ? PARTIALS : p;
  p = p > most ? most : p;
  return p < 1 ? 1 : p;
}

static void plan(fold *f) {
  dims d = sorted(gather_dims(f->dst, f->src, f->how->center));
  f->runs = d.rank == 0 || d.gone[d.rank - 1];
  f->n = f->step = 1;
  if (d.rank > 0) {
    int last = --d.rank;
    f->n = d.size[last], f->step = d.src[last], f->dst_step = d.dst[last], f->center_step = d.center[last];
  }
  for (int i = 0; i < d.rank; i++) {
    dims *to = d.gone[i] ? &f->gone : &f->kept;
    move_dim(to, to->rank++, &d, i);
  }
  f->nkept = count_of(&f->kept), f->ngone = count_of(&f->gone);
  f->pieces = f->runs ? rl_blocks(f->n, PIECE) : 1;
  f->chunks = f->runs ? 1 : rl_blocks(f->n, COLUMNS);
  int64_t work = f->ngone * (f->runs || f->n < COLUMNS ? f->n : COLUMNS);
  f->group = work >= GRAIN ? 1 : GRAIN / work;
  f->partials = f->nkept * f->chunks < FEW ? split(f->ngone * f->n, f->ngone * f->pieces) : 1;
  if (f->partials > 1) f->group = 1;
}

/* ---- walking through one set of dims */

typedef struct place {
  int64_t at[RL_MAXRANK], src, dst, center;
} place;

static place find(const dims *d, int64_t i) {
  place p = {.src = 0};
  for (int k = d->rank - 1; k >= 0; k--) {
    p.at[k] = i % d->size[k], i /= d->size[k];
    p.src += p.at[k] * d->src[k], p.dst += p.at[k] * d->dst[k], p.center += p.at[k] * d->center[k];
  }
  return p;
}

static void next(const dims *d, place *p) {
  for (int k = d->rank - 1; k >= 0; k--) {
    p->src += d->src[k], p->dst += d->dst[k], p->center += d->center[k];
    if (++p->at[k] < d->size[k]) return;
    p->src -= p->at[k] * d->src[k], p->dst -= p->at[k] * d->dst[k], p->center -= p->at[k] * d->center[k];
    p->at[k] = 0;
  }
}

static void finish(const fold *f, int64_t dst, double sum) {
  double v = sum * f->how->scale;
  if (f->how->root) v = sqrt(v);
  rl_save(rl_at(f->dst, dst), f->dst->dtype, 0, f->how->add ? v + element(f->dst, dst) : v);
}

static double of_one(rl_fold_kind kind, double x, double center) {
  switch (kind) {
  case RL_FOLD_SQUARES: return x * x;
  case RL_FOLD_NONZERO: return x != 0;
  case RL_FOLD_DEVIATIONS: return (x - center) * (x - center);
  default: return x;
  }
}

/* ---- the innermost dim goes */

static double run_sum(const fold *f, int64_t at, int64_t n, double center) {
  double sum = 0;
  const void *x = rl_at(f->src, at);
  if (f->step == 1 && rl_is_float(f->src->dtype)) {
    switch (f->how->kind) {
    case RL_FOLD_SUM: RL_KERNEL_CALL(f->k, f->src->dtype, sum, &sum, x, (size_t)n); break;
    case RL_FOLD_SQUARES: RL_KERNEL_CALL(f->k, f->src->dtype, squares, &sum, x, (size_t)n); break;
    case RL_FOLD_NONZERO: RL_KERNEL_CALL(f->k, f->src->dtype, nonzero, &sum, x, (size_t)n); break;
    case RL_FOLD_DEVIATIONS:
      RL_KERNEL_CALL(f->k, f->src->dtype, deviations, &sum, x, center, (size_t)n);
      break;
    }
    return sum;
  }
  for (int64_t i = 0; i < n; i++) sum += of_one(f->how->kind, element(f->src, at + i * f->step), center);
  return sum;
}

static double some_runs(const fold *f, int64_t base, double center, int64_t from, int64_t to) {
  place g = find(&f->gone, from / f->pieces);
  int64_t piece = from % f->pieces;
  double sum = 0;
  for (int64_t i = from; i < to; i++) {
    int64_t start = piece * PIECE, n = f->n - start < PIECE ? f->n - start : PIECE;
    sum += run_sum(f, base + g.src + start * f->step, n, center);
    if (++piece == f->pieces) piece = 0, next(&f->gone, &g);
  }
  return sum;
}

/* Sums of whole rows that lie one after another, as many at a time as there are sums at hand. */
static bool many_runs(const fold *f, int64_t first, int64_t last) {
  double sum[COLUMNS];
  place o = find(&f->kept, first);
  bool plain = f->how->kind == RL_FOLD_SUM && f->step == 1 && f->part == NULL && f->ngone * f->pieces == 1;
  if (!plain || !rl_is_float(f->src->dtype) || f->kept.rank != 1 || f->kept.src[0] != f->n) return false;
  for (int64_t k = first; k < last; k += COLUMNS) {
    int64_t m = last - k < COLUMNS ? last - k : COLUMNS;
    memset(sum, 0, (size_t)m * sizeof *sum);
    RL_KERNEL_CALL(f->k, f->src->dtype, row_sums, sum, rl_at(f->src, k * f->n), (size_t)m, (size_t)f->n);
    for (int64_t i = 0; i < m; i++, next(&f->kept, &o)) finish(f, o.dst, sum[i]);
  }
  return true;
}

static void runs_block(void *ctx, int64_t b, int worker) {
  const fold *f = ctx;
  (void)worker;
  int64_t p = b % f->partials, first = b / f->partials * f->group, items = f->ngone * f->pieces;
  int64_t last = first + f->group < f->nkept ? first + f->group : f->nkept;
  if (many_runs(f, first, last)) return;
  place o = find(&f->kept, first);
  for (int64_t k = first; k < last; k++, next(&f->kept, &o)) {
    double center = f->how->center != NULL ? element(f->how->center, o.center) : 0;
    double sum = some_runs(f, o.src, center, items * p / f->partials, items * (p + 1) / f->partials);
    if (f->part != NULL)
      f->part[p * f->nkept + k] = sum;
    else
      finish(f, o.dst, sum);
  }
}

/* ---- the innermost dim stays */

/* acc += `rows` rows of n elements, ld elements apart */
static void add_rows(const fold *f, double *acc, const double *center, int64_t at, int64_t rows, int64_t n,
                     int64_t ld) {
  if (f->step != 1 || !rl_is_float(f->src->dtype)) {
    for (int64_t r = 0; r < rows; r++)
      for (int64_t i = 0; i < n; i++)
        acc[i] += of_one(f->how->kind, element(f->src, at + r * ld + i * f->step), center[i]);
    return;
  }
  const void *x = rl_at(f->src, at);
  size_t m = (size_t)rows, w = (size_t)n, d = (size_t)ld;
  switch (f->how->kind) {
  case RL_FOLD_SUM: RL_KERNEL_CALL(f->k, f->src->dtype, sum_into, acc, x, m, w, d); break;
  case RL_FOLD_SQUARES: RL_KERNEL_CALL(f->k, f->src->dtype, squares_into, acc, x, m, w, d); break;
  case RL_FOLD_NONZERO: RL_KERNEL_CALL(f->k, f->src->dtype, nonzero_into, acc, x, m, w, d); break;
  case RL_FOLD_DEVIATIONS:
    RL_KERNEL_CALL(f->k, f->src->dtype, deviations_into, acc, x, center, m, w, d);
    break;
  }
}

/* Short rows that lie one after another are taken several at a time, side by side in the accumulators. */
static int64_t rows_at_once(const fold *f) {
  int last = f->gone.rank - 1;
  if (last < 0 || f->step != 1 || f->n > COLUMNS / 4 || f->gone.src[last] != f->n) return 1;
  return COLUMNS / f->n;
}

static void some_rows(const fold *f, double *acc, double *center, int64_t base, int64_t n, int64_t from,
                      int64_t to) {
  int last = f->gone.rank - 1;
  int64_t many = rows_at_once(f), inner = last < 0 ? 1 : f->gone.size[last],
          ld = last < 0 ? 0 : f->gone.src[last];
  for (int64_t i = n; i < many * n; i++) acc[i] = 0, center[i] = center[i - n];
  for (int64_t g = from; g < to;) { /* along the last dim only the offset moves */
    place p = find(&f->gone, g);
    int64_t m = inner - g % inner;
    m = m > to - g ? to - g : m;
    add_rows(f, acc, center, base + p.src, m / many, many * n, many * ld);
    int64_t done = m / many * many;
    if (done < m) add_rows(f, acc, center, base + p.src + done * ld, 1, (m - done) * n, ld);
    g += m;
  }
  for (int64_t i = n; i < many * n; i++) acc[i % n] += acc[i];
}

static void rows_block(void *ctx, int64_t b, int worker) {
  const fold *f = ctx;
  (void)worker;
  int64_t p = b % f->partials, from = b / f->partials % f->chunks * COLUMNS;
  int64_t first = b / f->partials / f->chunks * f->group, n = f->n - from < COLUMNS ? f->n - from : COLUMNS;
  double acc[COLUMNS], center[COLUMNS];
  for (int64_t k = first; k < first + f->group && k < f->nkept; k++) {
    place o = find(&f->kept, k);
    for (int64_t j = 0; j < n; j++) {
      acc[j] = center[j] = 0;
      if (f->how->center != NULL) center[j] = element(f->how->center, o.center + (from + j) * f->center_step);
    }
    some_rows(f, acc, center, o.src + from * f->step, n, f->ngone * p / f->partials,
              f->ngone * (p + 1) / f->partials);
    for (int64_t j = 0; j < n; j++) {
      if (f->part != NULL)
        f->part[p * f->nkept * f->n + k * f->n + from + j] = acc[j];
      else
        finish(f, o.dst + (from + j) * f->dst_step, acc[j]);
    }
  }
}

/* ---- the whole */

static void add_partials(const fold *f) {
  int64_t width = f->runs ? 1 : f->n, outputs = f->nkept * width;
  for (int64_t i = 0; i < outputs; i++) {
    double sum = 0;
    for (int64_t p = 0; p < f->partials; p++) sum += f->part[p * outputs + i];
    finish(f, find(&f->kept, i / width).dst + i % width * f->dst_step, sum);
  }
}

rl_status rl_fold(rl_tensor *dst, const rl_tensor *src, const rl_fold_how *how) {
  fold f = {.src = src, .dst = dst, .how = how, .k = rl_kernels_best()};
  if (rl_count(src) == 0) {
    if (how->add || rl_count(dst) == 0) return RL_OK;
    return rl_fill(dst, how->root ? sqrt(0 * how->scale) : 0 * how->scale);
  }
  plan(&f);
  size_t bytes = (size_t)(f.partials * f.nkept * (f.runs ? 1 : f.n)) * sizeof(double);
  void *part = NULL;
  if (f.partials > 1) RL_TRY(rl_mem_alloc(&part, bytes));
  f.part = part;
  int64_t blocks = rl_blocks(f.nkept, f.group) * f.chunks * f.partials;
  rl_status s = rl_parallel(f.runs ? runs_block : rows_block, &f, blocks);
  if (s == RL_OK && part != NULL) add_partials(&f);
  rl_mem_free(part, bytes);
  return s;
}

rl_status rl_sum_to(rl_tensor *dst, const rl_tensor *src, bool add) {
  return rl_fold(dst, src, &(rl_fold_how){.scale = 1, .add = add});
}
