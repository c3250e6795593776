/* Strided, broadcast operands as contiguous runs. */
#include "tensor/iter.h"
#include "base/status.h"
#include "base/bypass.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#include <string.h>

#define CHUNK 512   /* elements of a gather buffer: 4 KiB in f64, so all operands stay in L1 */
#define GRAIN 16384 /* elements of a parallel block */
#define SHORT 32    /* inner dims below this are gathered across rows */
#define TILE                                                                                                 \
  2048 /* elements of a run over several rows, where an operand repeats along one of the two inner dims */

typedef struct plan {
  int n, rank;
  int64_t size[RL_MAXRANK];
  int64_t stride[RL_ITER_MAX][RL_MAXRANK]; /* bytes */
  char *base[RL_ITER_MAX];
  size_t width[RL_ITER_MAX];
  unsigned reads, writes, streams; /* bits of operands; streams: written past the caches */
  int64_t inner, outer;            /* elements of a row; rows */
  int64_t rows, pieces;            /* rows of a block; pieces that a long row is cut into */
  int64_t tall, tiles;             /* tiled: rows of a tile; tiles along the second dim from within */
  bool direct;                     /* every row of every operand is contiguous */
  rl_run_body body;
  void *ctx;
} plan;

static int64_t broadcast_stride(const rl_tensor *t, const rl_shape *shape, int d) {
  int own = d - (shape->rank - t->shape.rank);
  if (own < 0 || t->shape.size[own] == 1) return 0;
  return t->stride[own] * (int64_t)rl_dtype_size(t->dtype);
}

static bool comes_first(const plan *p, int a, int b) { /* does dim a belong outside dim b? */
  for (int k = 0; k < p->n; k++)
    if (p->stride[k][a] != p->stride[k][b]) return p->stride[k][a] > p->stride[k][b];
  return a < b;
}

static void swap_dims(plan *p, int a, int b) {
  int64_t t = p->size[a];
  p->size[a] = p->size[b], p->size[b] = t;
  for (int k = 0; k < p->n; k++) t = p->stride[k][a], p->stride[k][a] = p->stride[k][b], p->stride[k][b] = t;
}

static bool mergeable(const plan *p, int outer, int inner) {
  for (int k = 0; k < p->n; k++)
    if (p->stride[k][outer] != p->stride[k][inner] * p->size[inner]) return false;
  return true;
}

static void simplify(plan *p) { /* drop size-1 dims, sort by stride, merge neighbours */
  int r = 0;
  for (int d = 0; d < p->rank; d++) {
    if (p->size[d] == 1) continue;
    p->size[r] = p->size[d];
    for (int k = 0; k < p->n; k++) p->stride[k][r] = p->stride[k][d];
    r++;
  }
  for (int i = 1; i < r; i++)
    for (int j = i; j > 0 && !comes_first(p, j - 1, j); j--) swap_dims(p, j - 1, j);
  int w = 0;
  for (int d = 1; d < r; d++) {
    if (mergeable(p, w, d)) {
      p->size[w] *= p->size[d];
      for (int k = 0; k < p->n; k++) p->stride[k][w] = p->stride[k][d];
    } else if (++w != d) {
      p->size[w] = p->size[d];
      for (int k = 0; k < p->n; k++) p->stride[k][w] = p->stride[k][d];
    }
  }
  p->rank = r == 0 ? 0 : w + 1;
}

static void find_row(const plan *p, int64_t row, int64_t *at, char **ptr) { /* where row `row` starts */
  for (int k = 0; k < p->n; k++) ptr[k] = p->base[k];
  for (int d = p->rank - 2; d >= 0; d--) {
    at[d] = row % p->size[d];
    row /= p->size[d];
    for (int k = 0; k < p->n; k++) ptr[k] += at[d] * p->stride[k][d];
  }
}

static void next_row(const plan *p, int64_t *at, char **ptr) {
  for (int d = p->rank - 2; d >= 0; d--) {
    for (int k = 0; k < p->n; k++) ptr[k] += p->stride[k][d];
    if (++at[d] < p->size[d]) return;
    for (int k = 0; k < p->n; k++) ptr[k] -= at[d] * p->stride[k][d];
    at[d] = 0;
  }
}

#define MOVE(type)                                                                                           \
  static void move_##type(char *dst, int64_t dstep, const char *src, int64_t sstep, int64_t n) {             \
    if (sstep == 0 && dstep == (int64_t)sizeof(type)) { /* one element, repeated */                          \
      type v, *to = (type *)(void *)dst;                                                                     \
      memcpy(&v, src, sizeof v);                                                                             \
      for (int64_t i = 0; i < n; i++) to[i] = v;                                                             \
    } else                                                                                                   \
      for (int64_t i = 0; i < n; i++) memcpy(dst + i * dstep, src + i * sstep, sizeof(type));                \
  }
MOVE(uint8_t)
MOVE(uint32_t)
MOVE(uint64_t)

static void move(char *dst, int64_t dstep, const char *src, int64_t sstep, size_t width, int64_t n) {
  if (dstep == (int64_t)width && sstep == (int64_t)width)
    memcpy(dst, src, (size_t)n * width);
  else if (width == 4)
    move_uint32_t(dst, dstep, src, sstep, n);
  else if (width == 8)
    move_uint64_t(dst, dstep, src, sstep, n);
  else
    move_uint8_t(dst, dstep, src, sstep, n);
}

static void piece(const plan *p, char *const *row, int64_t from, int64_t n) { /* part of one row */
  char buffer[RL_ITER_MAX][CHUNK * 8] __attribute__((aligned(64)));
  void *ptr[RL_ITER_MAX];
  bool direct = true;
  int last = p->rank - 1;
  for (int k = 0; k < p->n; k++) {
    int64_t s = p->rank == 0 ? (int64_t)p->width[k] : p->stride[k][last];
    ptr[k] = row[k] + from * s;
    if (s != (int64_t)p->width[k] && n > 1) direct = false;
  }
  if (direct) {
    p->body(p->ctx, ptr, (size_t)n);
    return;
  }
  for (int64_t done = 0; done < n; done += CHUNK) {
    int64_t m = n - done < CHUNK ? n - done : CHUNK;
    for (int k = 0; k < p->n; k++) {
      int64_t s = p->stride[k][last], w = (int64_t)p->width[k];
      char *at = row[k] + (from + done) * s;
      ptr[k] = s == w ? at : buffer[k];
      if (s == 0 && done > 0) continue; /* the buffer holds the repeated element already */
      if (s != w && (p->reads >> k & 1)) move(buffer[k], w, at, s, p->width[k], m);
    }
    p->body(p->ctx, ptr, (size_t)m);
    for (int k = 0; k < p->n; k++) {
      int64_t s = p->stride[k][last], w = (int64_t)p->width[k];
      if (s != w && (p->writes >> k & 1)) move(row[k] + (from + done) * s, s, buffer[k], w, p->width[k], m);
    }
  }
}

/* The body over n elements that lie in one run, from ptr on. What is streamed is made in a buffer. */
static void run_body(const plan *p, void *const *ptr, int64_t n) {
  char buffer[TILE * 8] __attribute__((aligned(64)));
  if (p->streams == 0) {
    p->body(p->ctx, ptr, (size_t)n);
    return;
  }
  for (int64_t done = 0; done < n; done += TILE) {
    int64_t m = n - done < TILE ? n - done : TILE;
    void *part[RL_ITER_MAX], *to = NULL;
    size_t bytes = 0;
    for (int k = 0; k < p->n; k++) {
      part[k] = (char *)ptr[k] + done * (int64_t)p->width[k];
      if (p->streams >> k & 1) to = part[k], part[k] = buffer, bytes = (size_t)m * p->width[k];
    }
    p->body(p->ctx, part, (size_t)m);
    rl_bypass(to, buffer, bytes);
  }
}

static void block_rows(void *ctx, int64_t b, int worker) {
  const plan *p = ctx;
  (void)worker;
  int64_t group = b / p->pieces, part = b % p->pieces, at[RL_MAXRANK];
  int64_t from = part * GRAIN, n = p->inner - from, stop = (group + 1) * p->rows;
  char *row[RL_ITER_MAX];
  if (p->pieces > 1 && n > GRAIN) n = GRAIN;
  if (stop > p->outer) stop = p->outer;
  find_row(p, group * p->rows, at, row);
  for (int64_t r = group * p->rows; r < stop; r++, next_row(p, at, row)) {
    if (!p->direct) {
      piece(p, row, from, n);
      continue;
    }
    void *ptr[RL_ITER_MAX];
    for (int k = 0; k < p->n; k++) ptr[k] = row[k] + from * (int64_t)p->width[k];
    run_body(p, ptr, n);
  }
  if (p->streams != 0) rl_bypass_end();
}

/* ---- tiles: a row of channels against many pixels, or one number against each pixel's channels. The operand that
** repeats is laid out in a buffer over `tall` rows, once where all rows are the same; the others lie in one run. */

static bool joined(const plan *p, int k) { /* rows follow one another */
  int in = p->rank - 1;
  return p->stride[k][in] == (int64_t)p->width[k] && p->stride[k][in - 1] == p->stride[k][in] * p->inner;
}

static void fill_tile(const plan *p, int k, const char *row, char *buffer, int64_t m) {
  int in = p->rank - 1;
  int64_t w = (int64_t)p->width[k], s = p->stride[k][in], down = p->stride[k][in - 1];
  for (int64_t i = 0; i < m; i++)
    move(buffer + i * w * p->inner, w, row + i * down, s, p->width[k], p->inner);
}

static void block_tiles(void *ctx, int64_t b, int worker) {
  const plan *p = ctx;
  (void)worker;
  char buffer[RL_ITER_MAX][TILE * 8] __attribute__((aligned(64)));
  int64_t at[RL_MAXRANK], high = p->size[p->rank - 2], last = -1;
  int64_t stop = (b + 1) * p->rows, total = p->outer / high * p->tiles;
  for (int64_t t = b * p->rows; t < stop && t < total; t++) {
    int64_t o = t / p->tiles, from = t % p->tiles * p->tall,
            m = high - from < p->tall ? high - from : p->tall;
    char *row[RL_ITER_MAX];
    void *ptr[RL_ITER_MAX];
    find_row(p, o * high + from, at, row);
    for (int k = 0; k < p->n; k++) {
      bool run = joined(p, k), same = p->stride[k][p->rank - 2] == 0;
      ptr[k] = run ? row[k] : buffer[k];
      if (!run && !(same && o == last)) fill_tile(p, k, row[k], buffer[k], same ? p->tall : m);
    }
    last = o;
    run_body(p, ptr, m * p->inner);
  }
  if (p->streams != 0) rl_bypass_end();
}

/* Where rows are short, an operand repeats (so it is only read), and the others lie in one run. */
static bool plan_tiles(plan *p) {
  int in = p->rank - 1;
  if (p->rank < 2 || p->inner > TILE / 2 || p->inner * p->size[in - 1] < 4 * SHORT) return false;
  int repeats = 0, apart = 0;
  for (int k = 0; k < p->n; k++) {
    bool again = p->stride[k][in] == 0 || p->stride[k][in - 1] == 0;
    repeats += again;
    apart += !again && !joined(p, k);
  }
  if (repeats == 0 || apart > 0) return false;
  p->tall = TILE / p->inner;
  if (p->tall > p->size[in - 1]) p->tall = p->size[in - 1];
  p->tiles = rl_blocks(p->size[in - 1], p->tall);
  p->rows = GRAIN / (p->tall * p->inner);
  if (p->rows < 1) p->rows = 1;
  return true;
}

static void gather(const plan *p, int k, int64_t first, int64_t n, char *buffer, bool back) {
  int64_t at[RL_MAXRANK], rest = first, where = 0, w = (int64_t)p->width[k];
  for (int d = p->rank - 1; d >= 0; d--) {
    at[d] = rest % p->size[d];
    rest /= p->size[d];
    where += at[d] * p->stride[k][d];
  }
  int last = p->rank - 1;
  for (int64_t i = 0; i < n;) {
    int64_t m = p->size[last] - at[last] < n - i ? p->size[last] - at[last] : n - i, s = p->stride[k][last];
    if (back)
      move(p->base[k] + where, s, buffer + i * w, w, p->width[k], m);
    else
      move(buffer + i * w, w, p->base[k] + where, s, p->width[k], m);
    i += m, at[last] += m, where += m * s;
    for (int d = last; d > 0 && at[d] == p->size[d]; d--) {
      where -= at[d] * p->stride[k][d];
      at[d] = 0, at[d - 1]++, where += p->stride[k][d - 1];
    }
  }
}

static void block_gathered(void *ctx, int64_t b, int worker) { /* short rows: buffers filled across them */
  const plan *p = ctx;
  (void)worker;
  char buffer[RL_ITER_MAX][CHUNK * 8] __attribute__((aligned(64)));
  void *ptr[RL_ITER_MAX];
  int64_t total = p->inner * p->outer, stop = (b + 1) * GRAIN < total ? (b + 1) * GRAIN : total;
  for (int64_t i = b * GRAIN; i < stop; i += CHUNK) {
    int64_t m = stop - i < CHUNK ? stop - i : CHUNK;
    for (int k = 0; k < p->n; k++) {
      ptr[k] = buffer[k];
      if (p->reads >> k & 1) gather(p, k, i, m, buffer[k], false);
    }
    p->body(p->ctx, ptr, (size_t)m);
    for (int k = 0; k < p->n; k++)
      if (p->writes >> k & 1) gather(p, k, i, m, buffer[k], true);
  }
}

/* One output of many bytes, written and not read. */
static unsigned streamed(const plan *p, int64_t total) {
  int found = -1;
  for (int k = 0; k < p->n; k++)
    if ((p->writes & ~p->reads) >> k & 1) found = found < 0 ? k : RL_ITER_MAX;
  bool one = found >= 0 && found < RL_ITER_MAX && p->stride[found][p->rank - 1] == (int64_t)p->width[found];
  return one && total >= (int64_t)(RL_BYPASS_BYTES / p->width[found]) ? 1u << found : 0;
}

rl_status rl_iter(const rl_shape *shape, int n, rl_tensor *const *operand, unsigned reads, unsigned writes,
                  rl_run_body body, void *ctx) {
  int64_t total = rl_shape_count(shape);
  if (total == 0) return RL_OK;
  plan p = {.n = n, .rank = shape->rank, .reads = reads, .writes = writes, .body = body, .ctx = ctx};
  memcpy(p.size, shape->size, sizeof p.size);
  for (int k = 0; k < n; k++) {
    p.base[k] = rl_data(operand[k]);
    p.width[k] = rl_dtype_size(operand[k]->dtype);
    for (int d = 0; d < shape->rank; d++) p.stride[k][d] = broadcast_stride(operand[k], shape, d);
  }
  simplify(&p);
  p.inner = p.rank == 0 ? 1 : p.size[p.rank - 1];
  p.outer = total / p.inner;
  p.streams = p.rank > 0 && n > 1 ? streamed(&p, total) : 0;
  if (plan_tiles(&p))
    return rl_parallel(block_tiles, &p, rl_blocks(p.outer / p.size[p.rank - 2] * p.tiles, p.rows));
  if (p.inner < SHORT && p.outer > 1) return rl_parallel(block_gathered, &p, rl_blocks(total, GRAIN));
  p.pieces = rl_blocks(p.inner, GRAIN);
  p.rows = p.inner >= GRAIN ? 1 : GRAIN / p.inner;
  p.direct = true;
  for (int k = 0; k < n && p.rank > 0; k++)
    p.direct = p.direct && (p.stride[k][p.rank - 1] == (int64_t)p.width[k] || p.inner == 1);
  return rl_parallel(block_rows, &p, rl_blocks(p.outer, p.rows) * p.pieces);
}

/* ---- copies, casts, fills */

typedef struct cast_ctx {
  rl_dtype to, from;
  bool add;
  const rl_kernels *k;
} cast_ctx;

double rl_load(const void *p, rl_dtype d, size_t i) {
  switch (d) {
  case RL_F32: return (double)((const float *)p)[i];
  case RL_F64: return ((const double *)p)[i];
  case RL_I64: return (double)((const int64_t *)p)[i];
  case RL_I32: return (double)((const int32_t *)p)[i];
  default: return (double)((const uint8_t *)p)[i];
  }
}

static int64_t to_integer(double v) { /* saturating; NaN becomes 0: no undefined behaviour on any value */
  if (!(v > -0x1p63)) return v != v ? 0 : INT64_MIN;
  return v >= 0x1p63 ? INT64_MAX : (int64_t)v;
}

void rl_save(void *p, rl_dtype d, size_t i, double v) {
  switch (d) {
  case RL_F32: ((float *)p)[i] = (float)v; break;
  case RL_F64: ((double *)p)[i] = v; break;
  case RL_I64: ((int64_t *)p)[i] = to_integer(v); break;
  case RL_I32:
    ((int32_t *)p)[i] = (int32_t)to_integer(v < -0x1p31 ? -0x1p31 : v > 0x7fffffff ? 0x7fffffff : v);
    break;
  case RL_U8: ((uint8_t *)p)[i] = (uint8_t)(to_integer(v) & 255); break;
  case RL_BOOL: ((uint8_t *)p)[i] = v != 0; break;
  }
}

static void cast_run(void *ctx, void *const *ptr, size_t n) {
  const cast_ctx *c = ctx;
  if (c->to == c->from && !c->add)
    memcpy(ptr[0], ptr[1], n * rl_dtype_size(c->to));
  else if (c->add)
    RL_KERNEL_CALL(c->k, c->to, axpy, ptr[0], ptr[1], 1, 1, n);
  else if (c->to == RL_F32 && c->from == RL_F64)
    for (size_t i = 0; i < n; i++) ((float *)ptr[0])[i] = (float)((double *)ptr[1])[i];
  else if (c->to == RL_F64 && c->from == RL_F32)
    for (size_t i = 0; i < n; i++) ((double *)ptr[0])[i] = (double)((float *)ptr[1])[i];
  else if (c->to == RL_I64 && c->from == RL_I32)
    for (size_t i = 0; i < n; i++) ((int64_t *)ptr[0])[i] = ((int32_t *)ptr[1])[i];
  else
    for (size_t i = 0; i < n; i++) rl_save(ptr[0], c->to, i, rl_load(ptr[1], c->from, i));
}

rl_status rl_copy(rl_tensor *dst, const rl_tensor *src, bool add) {
  cast_ctx c = {.to = dst->dtype, .from = src->dtype, .add = add, .k = rl_kernels_best()};
  rl_tensor view = *src;
  rl_tensor *operand[2] = {dst, &view};
  return rl_iter(&dst->shape, 2, operand, add ? 3 : 2, 1, cast_run, &c);
}

typedef struct fill_ctx {
  rl_dtype dtype;
  double v;
} fill_ctx;

static void fill_run(void *ctx, void *const *ptr, size_t n) {
  const fill_ctx *c = ctx;
  if (c->v == 0)
    memset(ptr[0], 0, n * rl_dtype_size(c->dtype));
  else
    for (size_t i = 0; i < n; i++) rl_save(ptr[0], c->dtype, i, c->v);
}

rl_status rl_fill(rl_tensor *t, double v) {
  fill_ctx c = {.dtype = t->dtype, .v = v};
  return rl_iter(&t->shape, 1, &t, 0, 1, fill_run, &c);
}

bool rl_lies(const rl_tensor *t, rl_layout layout) {
  switch (layout) {
  case RL_ROWMAJOR: return rl_is_rowmajor(t);
  case RL_NHWC: return t->shape.rank == 4 ? rl_is_nhwc(t) : rl_is_rowmajor(t);
  case RL_STRIDED: return t->shape.rank == 4 ? rl_is_strided_nhwc(t) : rl_is_rowmajor(t);
  default: return true;
  }
}

rl_status rl_arrange(rl_tensor **out, rl_tensor *t, rl_dtype dtype, rl_layout layout) {
  if (t->dtype == dtype && rl_lies(t, layout) && !t->is_scalar) {
    *out = rl_tensor_retain(t);
    return RL_OK;
  }
  rl_tensor *made = NULL;
  RL_TRY(layout == RL_ANY || layout == RL_RUNS ? rl_tensor_make_like(&made, dtype, &t->shape, t)
                                               : rl_tensor_make(&made, dtype, &t->shape, layout));
  rl_status s = rl_copy(made, t, false);
  if (s != RL_OK) rl_tensor_drop(&made);
  *out = made;
  return s;
}
