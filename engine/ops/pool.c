/* What the four pooling rows share. */
#include "ops/pool.h"
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/nn.h"
#include "ops/reach.h"

typedef struct job {
  const rl_call *c;
  rl_pool p;
  bool adaptive;
  rl_span *spans;
  size_t span_bytes;
  const char *x; /* or dy */
  char *y;       /* or dx */
  char *at;
  size_t width, at_width; /* bytes of an element, of a place */
  bool add;
} job;

static bool adaptive(const rl_call *c) { return c->op->shape == rl_adaptive_shape; }

/* ---- windows */

static int64_t step_of(const rl_call *c, int d) {
  return c->arg[c->arg[RL_POOL_STRIDE].given ? RL_POOL_STRIDE : RL_POOL_KERNEL].list[d];
}

static rl_span window(const rl_call *c, int d, int64_t o, int64_t size) {
  int64_t kernel = c->arg[RL_POOL_KERNEL].list[d], pad = c->arg[RL_POOL_PADDING].list[d];
  rl_span s = {.start = o * step_of(c, d) - pad};
  int64_t end = s.start + kernel < size + pad ? s.start + kernel : size + pad;
  s.from = s.start > 0 ? s.start : 0;
  s.to = end < size ? end : size;
  bool padded = c->narg > RL_POOL_COUNT_PAD && c->arg[RL_POOL_COUNT_PAD].i != 0;
  s.count = padded ? end - s.start : s.to - s.from;
  return s;
}

static rl_span part(int64_t o, int64_t parts, int64_t size) { /* the o-th of overlapping parts that tile it */
  rl_span s = {.from = o * size / parts, .to = ((o + 1) * size + parts - 1) / parts};
  s.start = s.from;
  s.count = s.to - s.from;
  return s;
}

static rl_span span_of(const rl_call *c, int d, int64_t o, int64_t size, int64_t parts) {
  return adaptive(c) ? part(o, parts, size) : window(c, d, o, size);
}

/* Sizes and windows; the largest window decides how wide a place is. */
static rl_status open_job(job *j, const rl_call *c, const rl_shape *x, const rl_shape *y) {
  int64_t oh = y->size[2], ow = y->size[3], tall = 0;
  j->c = c;
  j->p = (rl_pool){.h = x->size[2], .w = x->size[3], .c = x->size[1], .oh = oh, .ow = ow};
  j->span_bytes = (size_t)(oh + ow) * sizeof *j->spans;
  RL_TRY(rl_mem_alloc((void **)&j->spans, j->span_bytes));
  for (int64_t o = 0; o < oh + ow; o++) {
    bool across = o >= oh;
    rl_span s = span_of(c, across, across ? o - oh : o, across ? j->p.w : j->p.h, across ? ow : oh);
    int64_t size = s.to - s.start;
    if (across && size > j->p.width) j->p.width = size;
    if (!across && size > tall) tall = size;
    j->spans[o] = s;
  }
  j->p.ys = j->spans, j->p.xs = j->spans + oh;
  j->p.wide = j->p.width * tall > 256;
  j->at_width = j->p.wide ? 4 : 1;
  j->width = rl_dtype_size(c->dtype);
  return RL_OK;
}

static void close_job(job *j) { rl_mem_free(j->spans, j->span_bytes); }

/* ---- shapes */

static rl_status check_image(const rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  if (x->rank == 4 && x->size[2] > 0 && x->size[3] > 0) return RL_OK;
  return rl_fail(RL_ESHAPE, "%s: x is %s; it takes images, N x C x H x W, that are not empty", c->op->name,
                 rl_shape_text(x));
}

static rl_status windows_along(const rl_call *c, int d, int64_t *out) {
  const char *op = c->op->name;
  int64_t size = c->in[0]->shape.size[2 + d], kernel = c->arg[RL_POOL_KERNEL].list[d];
  int64_t pad = c->arg[RL_POOL_PADDING].list[d], step = step_of(c, d);
  if (pad > kernel / 2)
    return rl_fail(RL_EARG, "%s: padding %lld is more than half of kernel_size %lld", op, (long long)pad,
                   (long long)kernel);
  if (kernel > size + 2 * pad)
    return rl_fail(RL_ESHAPE,
                   "%s: a window of %lld does not fit into %s with padding %lld; use a smaller one", op,
                   (long long)kernel, rl_shape_text(&c->in[0]->shape), (long long)pad);
  int64_t room = size + 2 * pad - kernel;
  bool up = c->arg[RL_POOL_CEIL].i != 0;
  *out = (up ? (room + step - 1) / step : room / step) + 1;
  if (up && (*out - 1) * step >= size + pad) (*out)--; /* the last one must start inside */
  return RL_OK;
}

static void image_meta(rl_call *c, int64_t oh, int64_t ow) {
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = c->in[0]->shape, .layout = RL_NHWC};
  c->meta[0].shape.size[2] = oh, c->meta[0].shape.size[3] = ow;
}

rl_status rl_pool_shape(rl_call *c) {
  int64_t out[2];
  RL_TRY(check_image(c));
  for (int d = 0; d < 2; d++) RL_TRY(windows_along(c, d, &out[d]));
  image_meta(c, out[0], out[1]);
  return RL_OK;
}

rl_status rl_adaptive_shape(rl_call *c) {
  RL_TRY(check_image(c));
  image_meta(c, c->arg[0].list[0], c->arg[0].list[1]);
  return RL_OK;
}

/* ---- forward: block = one row of one output image */

static void max_row(void *ctx, int64_t b, int worker) {
  const job *j = ctx;
  (void)worker;
  const rl_pool *p = &j->p;
  size_t row = (size_t)(b * p->ow * p->c), image = (size_t)(b / p->oh * p->h * p->w * p->c);
  RL_BY_TYPE(j->c, max_pool_row, p, (void *)(j->y + row * j->width),
             j->at == NULL ? NULL : (void *)(j->at + row * j->at_width),
             (const void *)(j->x + image * j->width), b % p->oh);
}

static void mean_row(void *ctx, int64_t b, int worker) {
  const job *j = ctx;
  (void)worker;
  const rl_pool *p = &j->p;
  size_t row = (size_t)(b * p->ow * p->c), image = (size_t)(b / p->oh * p->h * p->w * p->c);
  RL_BY_TYPE(j->c, avg_pool_row, p, (void *)(j->y + row * j->width), (const void *)(j->x + image * j->width),
             b % p->oh);
}

static rl_status run_forward(rl_call *c, job *j, rl_body body) {
  j->x = rl_data(c->in[0]), j->y = rl_data(c->out[0]);
  return rl_parallel(body, j, c->in[0]->shape.size[0] * j->p.oh);
}

rl_status rl_pool_max_forward(rl_call *c) {
  job j = {0};
  rl_status s = open_job(&j, c, &c->in[0]->shape, &c->out[0]->shape);
  if (s == RL_OK && c->grad) {
    rl_shape places = {.rank = 1, .size = {rl_count(c->out[0])}};
    s = rl_keep(c, 0, j.p.wide ? RL_I32 : RL_U8, &places);
    if (s == RL_OK) j.at = rl_data(c->keep[0]);
  }
  if (s == RL_OK) s = run_forward(c, &j, max_row);
  close_job(&j);
  return s;
}

rl_status rl_pool_mean_forward(rl_call *c) {
  job j = {0};
  rl_status s = open_job(&j, c, &c->in[0]->shape, &c->out[0]->shape);
  if (s == RL_OK) s = run_forward(c, &j, mean_row);
  close_job(&j);
  return s;
}

/* ---- backward: block = one row of one input image, which collects from the windows over it */

static rl_look look(const void *ctx, int64_t o) { /* ctx: one dim's spans */
  const rl_span *s = (const rl_span *)ctx + o;
  return (rl_look){
      .from = s->from, .to = s->to, .first = 1 / (double)s->count, .others = 1 / (double)s->count};
}

static void back_row(void *ctx, int64_t b, int worker) {
  const job *j = ctx;
  (void)worker;
  const rl_pool *p = &j->p;
  size_t row = (size_t)(b * p->w * p->c), image = (size_t)(b / p->h * p->oh * p->ow * p->c);
  void *dx = j->y + row * j->width;
  const void *dy = j->x + image * j->width;
  rl_back sums = {.h = p->h,
                  .w = p->w,
                  .c = p->c,
                  .oh = p->oh,
                  .ow = p->ow,
                  .step = p->c,
                  .ys = p->over_y,
                  .xs = p->over_x};
  if (j->at != NULL)
    RL_BY_TYPE(j->c, max_pool_back, p, dx, dy, (const void *)(j->at + image * j->at_width), j->add, b % p->h);
  else
    RL_BY_TYPE(j->c, spread_back, &sums, dx, dy, j->add, b % p->h);
}

static rl_status run_backward(rl_call *c, const rl_tensor *places) {
  job j = {0};
  rl_reaches down = {0}, across = {0};
  if (c->din[0] == NULL) return RL_OK;
  RL_TRY(open_job(&j, c, &c->in[0]->shape, &c->dout[0]->shape));
  j.x = rl_data(c->dout[0]), j.y = rl_data(c->din[0]), j.add = c->beta[0] != 0;
  if (places != NULL) j.at = rl_data(places);
  rl_status s = rl_reach_make(&down, j.p.h, j.p.oh, look, j.p.ys);
  if (s == RL_OK) s = rl_reach_make(&across, j.p.w, j.p.ow, look, j.p.xs);
  j.p.over_y = down.of, j.p.over_x = across.of;
  if (s == RL_OK) s = rl_parallel(back_row, &j, c->in[0]->shape.size[0] * j.p.h);
  rl_reach_drop(&down);
  rl_reach_drop(&across);
  close_job(&j);
  return s;
}

rl_status rl_pool_max_backward(rl_call *c) { return run_backward(c, c->keep[0]); }
rl_status rl_pool_mean_backward(rl_call *c) { return run_backward(c, NULL); }
