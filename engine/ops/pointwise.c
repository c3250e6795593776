/* A pointwise row's forward and backward see one contiguous run of every operand at a time; this cuts the
** runs. */
#include "ops/pointwise.h"
#include "base/mem.h"
#include "base/bypass.h"
#include "base/threads.h"
#include "ops/real.h"

#include <string.h>

typedef struct runs {
  const rl_call *c;
  bool back;
  rl_status (*fn)(rl_call *);
  rl_tensor *operand[RL_ITER_MAX];
  rl_tensor **place[RL_ITER_MAX]; /* which field of the call operand k stands in */
  int n;
  unsigned reads, writes;
  uint64_t serial; /* no two alike */
} runs;

/* The call that a run is told by. Each thread keeps its own and changes only what differs from run to run. */
typedef struct frame {
  uint64_t serial; /* of the runs it was made for */
  rl_call c;
  rl_tensor *in[RL_RUNS_MAX], *din[RL_RUNS_MAX], *dout[RL_MAXOUT], run[RL_ITER_MAX];
  rl_storage storage[RL_ITER_MAX];
} frame;

static void make_frame(frame *f, const runs *r) {
  const rl_call *c = r->c;
  *f = (frame){.serial = r->serial, .c = *c};
  for (int i = 0; i < c->nin; i++) f->in[i] = c->in[i];
  for (int k = 0; k < r->n; k++) {
    rl_tensor **p = r->place[k];
    f->storage[k] = (rl_storage){.count = 1};
    f->run[k] = (rl_tensor){
        .dtype = r->operand[k]->dtype, .shape = {.rank = 1}, .stride = {1}, .storage = &f->storage[k]};
    if (p >= c->in && p < c->in + c->nin)
      f->in[p - c->in] = &f->run[k];
    else if (p >= c->out && p < c->out + RL_MAXOUT)
      f->c.out[p - (rl_tensor **)c->out] = &f->run[k];
    else if (r->back && p >= c->din && p < c->din + c->nin)
      f->din[p - c->din] = &f->run[k];
    else if (r->back)
      f->dout[p - c->dout] = &f->run[k];
  }
  f->c.in = f->in, f->c.din = f->din, f->c.dout = f->dout;
}

static void one_run(void *ctx, void *const *ptr, size_t n) {
  static _Thread_local frame f;
  const runs *r = ctx;
  if (f.serial != r->serial) make_frame(&f, r);
  for (int k = 0; k < r->n; k++) {
    f.storage[k].data = ptr[k];
    f.storage[k].bytes = n * rl_dtype_size(f.run[k].dtype);
    f.run[k].shape.size[0] = (int64_t)n;
  }
  r->fn(&f.c); /* a pointwise body cannot fail */
}

static uint64_t next_serial(void) { /* ops run on the main thread */
  static uint64_t serial;
  return ++serial;
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
  runs r = {.c = c, .fn = c->op->forward, .serial = next_serial()};
  put(&r, &c->out[0], false, true);
  for (int i = 0; i < c->nin; i++) put(&r, &c->in[i], true, false);
  if (whole(&r)) return c->op->forward(c);
  return rl_iter(&c->out[0]->shape, r.n, r.operand, r.reads, r.writes, one_run, &r);
}

/* ---- back to an input that was stretched over whole rows: a row of channels over pixels, one number over all, one
** number over each pixel's channels. The full-size gradient is formed a tile at a time and summed at once: the map is
** read once, nothing of its size is made. As memory lies, the map is outer x mid x inner, the input outer x inner. */

#define TILE  2048
#define GRAIN 32768 /* elements of a block */
#define PARTS 64    /* partial sums at most */

typedef struct fold {
  runs r;
  int which;    /* the stretched input */
  int streamed; /* operand that is written past the caches, or -1 */
  int64_t outer, mid, inner;
  int64_t parts, group; /* of mid, with one outer at a time; or outers of a block */
  double *sum;          /* [parts][outer inner] */
} fold;

/* Dims of `t` by falling stride, those of size 1 left out. */
static int by_stride(const rl_tensor *t, int *dim) {
  int n = 0;
  for (int d = 0; d < t->shape.rank; d++) {
    if (t->shape.size[d] == 1) continue;
    int j = n++;
    for (; j > 0 && t->stride[dim[j - 1]] < t->stride[d]; j--) dim[j] = dim[j - 1];
    dim[j] = d;
  }
  return n;
}

/* Does `t`, stretched to the map, lie as outer x inner? Sets the three sizes. */
static bool is_stretched(fold *f, const rl_tensor *map, const rl_tensor *t) {
  int dim[RL_MAXRANK], n = by_stride(map, dim), off = map->shape.rank - t->shape.rank, d = n - 1;
  int64_t step = 1;
  f->outer = f->mid = f->inner = 1;
  for (int stage = 2; stage >= 0; stage--)
    for (; d >= 0; d--) {
      int own = dim[d] - off;
      bool kept = own >= 0 && t->shape.size[own] > 1;
      if (kept == (stage == 1)) break;
      if (kept && t->stride[own] != step) return false;
      int64_t size = map->shape.size[dim[d]];
      *(stage == 2 ? &f->inner : stage == 1 ? &f->mid : &f->outer) *= size;
      if (kept) step *= size;
    }
  return d < 0;
}

static bool can_fold(fold *f, const rl_call *c) {
  const rl_tensor *map = c->dout[0];
  f->which = -1;
  if (!rl_is_dense(map)) return false;
  for (int i = 0; i < c->nin; i++) {
    if (c->din[i] == NULL || rl_shape_equal(&c->din[i]->shape, &map->shape)) continue;
    if (f->which >= 0) return false;
    f->which = i;
  }
  if (f->which < 0) return false;
  for (int k = 0; k < f->r.n; k++) {
    rl_tensor **p = f->r.place[k], *t = f->r.operand[k];
    if (p == &c->in[f->which] || p == &c->din[f->which] ? !is_stretched(f, map, t)
                                                        : t->is_scalar || !rl_same_order(t, map))
      return false;
  }
  return is_stretched(f, map, c->din[f->which]);
}

static void repeat(char *to, const char *row, size_t bytes, int64_t times) {
  if (bytes == 4) {
    float v, *f = (float *)(void *)to;
    memcpy(&v, row, 4);
    for (int64_t i = 0; i < times; i++) f[i] = v;
  } else
    for (int64_t i = 0; i < times; i++) memcpy(to + (size_t)i * bytes, row, bytes);
}

/* `g` outers from o, all of mid if g > 1, else rows [from, from + m) of it. */
static void fold_tile(const fold *f, int64_t o, int64_t g, int64_t from, int64_t m, double *sum) {
  const rl_call *c = f->r.c;
  char made[TILE * 8] __attribute__((aligned(64))), row[TILE * 8] __attribute__((aligned(64)));
  char other[TILE * 8] __attribute__((aligned(64)));
  size_t width = rl_dtype_size(c->din[f->which]->dtype), wide = (size_t)f->inner * width;
  void *ptr[RL_ITER_MAX] = {0};
  for (int k = 0; k < f->r.n; k++) {
    rl_tensor *t = f->r.operand[k];
    ptr[k] = f->r.place[k] == &c->din[f->which] ? made : row;
    if (f->r.place[k] == &c->in[f->which])
      for (int64_t i = 0; i < g; i++)
        repeat(row + (size_t)(i * m) * wide, rl_at(t, (o + i) * f->inner), wide, m);
    else if (ptr[k] != made)
      ptr[k] = rl_at(t, (o * f->mid + from) * f->inner);
  }
  void *to = f->streamed < 0 ? NULL : ptr[f->streamed];
  if (to != NULL) ptr[f->streamed] = other;
  one_run((void *)(uintptr_t)&f->r, ptr, (size_t)(g * m * f->inner));
  if (to != NULL) rl_bypass(to, other, (size_t)(g * m) * wide);
  if (f->inner == 1) {
    RL_BY_TYPE(c, row_sums, sum, (void *)made, (size_t)g, (size_t)m);
    return;
  }
  for (int64_t i = 0; i < g; i++, sum += f->inner)
    RL_BY_TYPE(c, sum_into, sum, (void *)(made + (size_t)(i * m) * wide), (size_t)m, (size_t)f->inner,
               (size_t)f->inner);
}

static void fold_block(void *ctx, int64_t b, int worker) {
  const fold *f = ctx;
  (void)worker;
  int64_t p = b % f->parts, o = b / f->parts * f->group, last = o + f->group, from = f->mid * p / f->parts;
  if (last > f->outer) last = f->outer;
  int64_t to = f->mid * (p + 1) / f->parts, rows = TILE / f->inner, many = rows / f->mid;
  double *sum = f->sum + p * f->outer * f->inner;
  memset(sum + o * f->inner, 0, (size_t)((last - o) * f->inner) * sizeof *sum);
  for (; o<last; o += many> 0 ? many : 1) {
    if (many > 0) fold_tile(f, o, last - o < many ? last - o : many, 0, f->mid, sum + o * f->inner);
    for (int64_t r = many > 0 ? to : from; r < to; r += rows)
      fold_tile(f, o, 1, r, to - r < rows ? to - r : rows, sum + o * f->inner);
  }
  if (f->streamed >= 0) rl_bypass_end();
}

/* The one gradient beside the stretched one, if it is large and written. */
static int find_streamed(const fold *f, const rl_call *c) {
  int found = -1, count = 0;
  for (int k = 0; k < f->r.n; k++) {
    for (int i = 0; i < c->nin; i++)
      if (f->r.place[k] == &c->din[i] && i != f->which && c->beta[i] == 0) found = k, count++;
  }
  size_t bytes =
      count != 1 ? 0 : (size_t)rl_count(f->r.operand[found]) * rl_dtype_size(f->r.operand[found]->dtype);
  return bytes >= RL_BYPASS_BYTES ? found : -1;
}

static void finish_block(void *ctx, int64_t b, int worker) {
  const fold *f = ctx;
  (void)worker;
  rl_tensor *d = f->r.c->din[f->which];
  int64_t n = f->outer * f->inner, stop = (b + 1) * TILE < n ? (b + 1) * TILE : n;
  for (int64_t i = b * TILE; i < stop; i++) {
    double v = f->r.c->beta[f->which] ? rl_real_get(d->dtype, rl_data(d), i) : 0;
    for (int64_t p = 0; p < f->parts; p++) v += f->sum[p * n + i];
    rl_real_set(d->dtype, rl_data(d), i, v);
  }
}

static rl_status run_fold(fold *f, rl_call *c) {
  int64_t n = f->outer * f->inner, one = f->mid * f->inner;
  f->parts = one / GRAIN < 1 ? 1 : one / GRAIN > PARTS ? PARTS : one / GRAIN;
  f->group = one < GRAIN ? GRAIN / one : 1;
  f->streamed = find_streamed(f, c);
  size_t bytes = (size_t)(f->parts * n) * sizeof(double);
  RL_TRY(rl_mem_alloc((void **)&f->sum, bytes));
  int beta = c->beta[f->which];
  c->beta[f->which] = 0; /* tiles are written */
  rl_status s = rl_parallel(fold_block, f, rl_blocks(f->outer, f->group) * f->parts);
  c->beta[f->which] = beta;
  if (s == RL_OK) s = rl_parallel(finish_block, f, rl_blocks(n, TILE));
  rl_mem_free(f->sum, bytes);
  return s;
}

static void put_back(runs *r, rl_call *c) {
  for (int i = 0; i < c->nin; i++) put(r, &c->din[i], c->beta[i] != 0, true);
  put(r, &c->dout[0], true, false);
  put(r, &c->out[0], true, false);
  for (int i = 0; i < c->nin; i++) put(r, &c->in[i], true, false);
}

/* Any other stretched input's gradient is formed at full size first, then folded. */
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
  fold f = {.r = {.c = c, .back = true, .fn = c->op->backward, .serial = next_serial()}};
  put_back(&f.r, c);
  if (rl_count(c->out[0]) > 0 && can_fold(&f, c) && f.inner <= TILE) return run_fold(&f, c);
  rl_status s = full_size(c, full);
  if (s != RL_OK) goto done;
  for (int i = 0; i < c->nin; i++) {
    asked[i] = c->din[i];
    beta[i] = c->beta[i];
    if (full[i] != NULL) c->din[i] = full[i], c->beta[i] = 0;
  }
  runs r = {.c = c, .back = true, .fn = c->op->backward, .serial = next_serial()};
  put_back(&r, c);
  s = whole(&r) ? c->op->backward(c)
                : rl_iter(&c->out[0]->shape, r.n, r.operand, r.reads, r.writes, one_run, &r);
  for (int i = 0; i < c->nin; i++) c->din[i] = asked[i], c->beta[i] = beta[i];
  for (int i = 0; i < c->nin && s == RL_OK; i++)
    if (full[i] != NULL) s = rl_sum_to(asked[i], full[i], beta[i] != 0);
done:
  for (int i = 0; i < c->nin; i++) rl_tensor_drop(&full[i]);
  return s;
}
