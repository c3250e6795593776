/* interpolate, interpolate_cat: images at another size, by the nearest element or by two rows and two columns.
** [N, C, H, W] -> [N, C, H', W'].  With r = H / H' (or 1 / scale_factor), output y looks at
**   nearest: floor(y r);  bilinear: (y + 1/2) r - 1/2, at least 0;  align_corners: y (H - 1) / (H' - 1).
** interpolate_cat writes several of them side by side: [N, C_i, H_i, W_i] -> [N, sum of C_i, H', W'].
** Going back, each row of the input collects what the output took from it: no two blocks write one element. */
#include "base/bypass.h"
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/nn.h"
#include "ops/op.h"
#include "ops/reach.h"

#include <math.h>

enum { SIZE, SCALE, MODE, ALIGN };
enum { NEAREST, BILINEAR };
#define LARGEST 1000000000 /* pixels along a side */
#define BLOCKS  32         /* into which the way back is cut at least, where there are as many rows */
#define NEAR    524288     /* bytes that stay in a core's L2 beside what is read */

typedef struct job {
  const rl_call *c;
  rl_resize p;
  rl_tap *taps;
  size_t tap_bytes;
  const char *x; /* or dy */
  char *y;       /* or dx */
  size_t width;
  bool add;
} job;

static rl_tap tap_of(const rl_call *c, int64_t o, int64_t in, int64_t out) {
  double r = c->arg[SCALE].given ? 1 / c->arg[SCALE].num : (double)in / (double)out, at;
  rl_tap t = {0};
  if (c->arg[MODE].i == NEAREST) {
    t.low = c->arg[SCALE].given ? (int64_t)floor((double)o / c->arg[SCALE].num) : o * in / out;
    if (t.low > in - 1) t.low = in - 1;
    t.high = t.low;
    return t;
  }
  if (c->arg[ALIGN].i != 0)
    at = out > 1 ? (double)o * ((double)(in - 1) / (double)(out - 1)) : 0;
  else
    at = ((double)o + 0.5) * r - 0.5;
  if (at < 0) at = 0;
  t.low = (int64_t)floor(at);
  if (t.low > in - 1) t.low = in - 1;
  t.high = t.low < in - 1 ? t.low + 1 : t.low;
  t.weight = at - (double)t.low;
  if (t.low == t.high) t.weight = 0;
  return t;
}

static rl_status open_job(job *j, const rl_call *c, const rl_shape *x, const rl_shape *y) {
  int64_t oh = y->size[2], ow = y->size[3];
  *j = (job){.c = c, .width = rl_dtype_size(c->dtype)};
  j->p =
      (rl_resize){.h = x->size[2], .w = x->size[3], .c = x->size[1], .oh = oh, .ow = ow, .step = y->size[1]};
  j->tap_bytes = (size_t)(oh + ow) * sizeof *j->taps;
  RL_TRY(rl_mem_alloc((void **)&j->taps, j->tap_bytes));
  for (int64_t o = 0; o < oh; o++) j->taps[o] = tap_of(c, o, j->p.h, oh);
  for (int64_t o = 0; o < ow; o++) j->taps[oh + o] = tap_of(c, o, j->p.w, ow);
  j->p.ys = j->taps, j->p.xs = j->taps + oh;
  return RL_OK;
}

static void close_job(job *j) { rl_mem_free(j->taps, j->tap_bytes); }

static void row(void *ctx, int64_t b, int worker) {
  const job *j = ctx;
  (void)worker;
  const rl_resize *p = &j->p;
  size_t at = (size_t)(b * p->ow * p->step), image = (size_t)(b / p->oh * p->h * p->w * p->c);
  RL_BY_TYPE(j->c, resize_row, p, (void *)(j->y + at * j->width), (const void *)(j->x + image * j->width),
             b % p->oh);
  if (p->past) rl_bypass_end();
}

/* Whether images of so many channels in y fill whole lines of the cache, and y is worth streaming. */
static bool goes_past(const rl_call *c, size_t width) {
  bool whole = (size_t)rl_count(c->out[0]) * width >= RL_BYPASS_BYTES;
  for (int i = 0; i < c->nin; i++) whole = whole && (size_t)c->in[i]->shape.size[1] * width % 64 == 0;
  return whole;
}

static rl_status forward(rl_call *c) {
  char *y = rl_data(c->out[0]);
  rl_status s = RL_OK;
  for (int i = 0; i < c->nin && s == RL_OK; i++) {
    job j;
    RL_TRY(open_job(&j, c, &c->in[i]->shape, &c->out[0]->shape));
    j.x = rl_data(c->in[i]), j.y = y, j.p.past = goes_past(c, j.width);
    s = rl_parallel(row, &j, c->in[i]->shape.size[0] * j.p.oh);
    y += (size_t)j.p.c * j.width;
    close_job(&j);
  }
  return s;
}

static rl_look look(const void *ctx, int64_t o) { /* ctx: one dim's taps */
  const rl_tap *t = (const rl_tap *)ctx + o;
  return (rl_look){.from = t->low, .to = t->high + 1, .first = 1 - t->weight, .others = t->weight};
}

typedef struct back {
  const job *j;
  rl_back p;
  int64_t rows, blocks; /* rows of x in a block, blocks of an image */
  char *along;          /* a block's rows of dy, summed along themselves: one room for each worker */
  size_t room;
} back;

static void back_rows(void *ctx, int64_t b, int worker) {
  const back *k = ctx;
  const job *j = k->j;
  const rl_back *p = &k->p;
  int64_t image = b / k->blocks, from = b % k->blocks * k->rows, to = from + k->rows;
  if (to > p->h) to = p->h;
  RL_BY_TYPE(j->c, resize_back, p, (void *)(j->y + (size_t)((image * p->h + from) * p->w * p->c) * j->width),
             (const void *)(j->x + (size_t)(image * p->oh * p->ow * p->step) * j->width), j->add, from, to,
             (void *)(k->along + (size_t)worker * k->room));
}

/* Rows of dy that a block of `rows` rows of x reads, at most. */
static int64_t reached(const back *k) {
  int64_t most = 0;
  for (int64_t from = 0; from < k->p.h; from += k->rows) {
    int64_t last = from + k->rows < k->p.h ? from + k->rows - 1 : k->p.h - 1;
    int64_t n = k->p.ys[last].to - k->p.ys[from].from;
    if (n > most) most = n;
  }
  return most;
}

static rl_status back_blocks(back *k, int64_t images) {
  const rl_back *p = &k->p;
  if (images == 0) return RL_OK;
  size_t row = (size_t)(p->w * p->c) * k->j->width; /* of dx; neighbouring blocks share rows of dy */
  k->rows = rl_blocks(images * p->h, BLOCKS);
  while (k->rows > 1 && (size_t)reached(k) * row > NEAR) k->rows--;
  k->blocks = rl_blocks(p->h, k->rows);
  k->room = ((size_t)reached(k) * row + 63) / 64 * 64;
  RL_TRY(rl_mem_alloc((void **)&k->along, k->room * (size_t)rl_threads_get()));
  rl_status s = rl_parallel(back_rows, k, images * k->blocks);
  rl_mem_free(k->along, k->room * (size_t)rl_threads_get());
  return s;
}

static rl_status back_one(rl_call *c, int i, const char *dy) {
  job j;
  rl_reaches down = {0}, across = {0};
  RL_TRY(open_job(&j, c, &c->in[i]->shape, &c->dout[0]->shape));
  j.x = dy, j.y = rl_data(c->din[i]), j.add = c->beta[i] != 0;
  const rl_resize *p = &j.p;
  rl_status s = rl_reach_make(&down, p->h, p->oh, look, p->ys);
  if (s == RL_OK) s = rl_reach_make(&across, p->w, p->ow, look, p->xs);
  back k = {.j = &j, .p = {.h = p->h, .w = p->w, .c = p->c, .oh = p->oh, .ow = p->ow}};
  k.p.step = p->step, k.p.ys = down.of, k.p.xs = across.of;
  if (s == RL_OK) s = back_blocks(&k, c->in[i]->shape.size[0]);
  rl_reach_drop(&down);
  rl_reach_drop(&across);
  close_job(&j);
  return s;
}

static rl_status backward(rl_call *c) {
  const char *dy = rl_data(c->dout[0]);
  for (int i = 0; i < c->nin; i++) {
    if (c->din[i] != NULL) RL_TRY(back_one(c, i, dy));
    dy += (size_t)c->in[i]->shape.size[1] * rl_dtype_size(c->dtype);
  }
  return RL_OK;
}

/* The size that x takes on, with its own channels. */
static rl_status size_of(const rl_call *c, const rl_shape *x, rl_shape *y) {
  const char *op = c->op->name;
  if (x->rank != 4 || x->size[2] < 1 || x->size[3] < 1)
    return rl_fail(RL_ESHAPE, "%s: x is %s; it takes images, N x C x H x W, that are not empty", op,
                   rl_shape_text(x));
  *y = *x;
  for (int d = 0; d < 2; d++) {
    double size =
        c->arg[SIZE].given ? (double)c->arg[SIZE].list[d] : floor((double)x->size[2 + d] * c->arg[SCALE].num);
    if (!(size >= 1 && size <= LARGEST))
      return rl_fail(RL_EARG, "%s: %s would become %g along dim %d; sizes are 1 to %d", op, rl_shape_text(x),
                     size, 3 + d, LARGEST);
    y->size[2 + d] = (int64_t)size;
  }
  return RL_OK;
}

static rl_status shape(rl_call *c) {
  const char *op = c->op->name;
  if (c->nin == 0) return rl_fail(RL_EARG, "%s: takes at least one tensor", op);
  if (c->arg[SIZE].given == c->arg[SCALE].given)
    return rl_fail(RL_EARG, "%s: give either size or scale_factor", op);
  if (c->arg[ALIGN].i != 0 && c->arg[MODE].i == NEAREST)
    return rl_fail(RL_EARG, "%s: align_corners goes with mode = \"bilinear\"", op);
  rl_shape first, next;
  RL_TRY(size_of(c, &c->in[0]->shape, &first));
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = first, .layout = RL_NHWC};
  for (int i = 1; i < c->nin; i++) {
    RL_TRY(size_of(c, &c->in[i]->shape, &next));
    c->meta[0].shape.size[1] += next.size[1];
    next.size[1] = first.size[1];
    if (!rl_shape_equal(&next, &first))
      return rl_fail(RL_ESHAPE, "%s: tensor %d, %s, becomes %lldx%lld of %lld images, the first %s", op,
                     i + 1, rl_shape_text(&c->in[i]->shape), (long long)next.size[2], (long long)next.size[3],
                     (long long)next.size[0], rl_shape_text(&first));
  }
  return RL_OK;
}

static const rl_param params[] = {
    {.name = "size",
     .kind = RL_INTEGERS,
     .len = 2,
     .optional = true,
     .doc = "H', W'; one number stands for both"},
    {.name = "scale_factor", .kind = RL_NUMBER, .optional = true, .doc = "H' = floor(H scale_factor)"},
    {.name = "mode", .kind = RL_ENUM, .words = "nearest bilinear"},
    {.name = "align_corners", .kind = RL_BOOLEAN, .doc = "corner pixels' centres stay corners"},
    {0}};

const rl_op rl_op_interpolate = {
    .name = "interpolate",
    .doc = "images at another size; N x C x H x W -> N x C x H' x W', by size or scale_factor",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_NHWC,
    .samples = "{ T{2, 3, 2, 3}, { scale_factor = 2 } } "
               "{ T{1, 17, 3, 2}, { scale_factor = 2, mode = \"bilinear\" } } "
               "{ T{1, 2, 4, 5}, { 3, 7 }, { mode = \"bilinear\", align_corners = true } }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};

const rl_op rl_op_interpolate_cat = {
    .name = "interpolate_cat",
    .doc =
        "images (a list, or one after another), each brought to another size, joined along their channels: "
        "N x C_i x H_i x W_i -> N x (sum of C_i) x H' x W', by one size or scale_factor; what cat of "
        "interpolate gives, written once",
    .dtypes = RL_FLOATS,
    .in = {{"tensors", .variadic = true}},
    .params = params,
    .layout = RL_NHWC,
    .samples = "{ { T{2, 3, 2, 3}, T{2, 2, 4, 5} }, { size = { 4, 7 }, mode = \"bilinear\" } } "
               "{ { T{1, 17, 3, 2}, T{1, 1, 1, 1}, T{1, 16, 6, 4} }, { 6, 4 } }",
    .plain = "function(tensors, o) local p = {} "
             "for i, x in ipairs(tensors) do p[i] = rl.interpolate(x, o) end return rl.cat(p, 2) end",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
