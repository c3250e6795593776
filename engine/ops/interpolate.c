/* interpolate: images at another size, by the nearest element or by two rows and two columns.
** [N, C, H, W] -> [N, C, H', W'].  With r = H / H' (or 1 / scale_factor), output y looks at
**   nearest: floor(y r);  bilinear: (y + 1/2) r - 1/2, at least 0;  align_corners: y (H - 1) / (H' - 1).
** Going back, each row of the input collects what the output took from it: no two blocks write one element. */
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/nn.h"
#include "ops/op.h"
#include "ops/reach.h"

#include <math.h>

enum { SIZE, SCALE, MODE, ALIGN };
enum { NEAREST, BILINEAR };
#define LARGEST 1000000000 /* pixels along a side */

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
  j->p = (rl_resize){.h = x->size[2], .w = x->size[3], .c = x->size[1], .oh = oh, .ow = ow};
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
  size_t at = (size_t)(b * p->ow * p->c), image = (size_t)(b / p->oh * p->h * p->w * p->c);
  RL_BY_TYPE(j->c, resize_row, p, (void *)(j->y + at * j->width), (const void *)(j->x + image * j->width),
             b % p->oh);
}

static rl_status forward(rl_call *c) {
  job j;
  RL_TRY(open_job(&j, c, &c->in[0]->shape, &c->out[0]->shape));
  j.x = rl_data(c->in[0]), j.y = rl_data(c->out[0]);
  rl_status s = rl_parallel(row, &j, c->in[0]->shape.size[0] * j.p.oh);
  close_job(&j);
  return s;
}

static rl_look look(const void *ctx, int64_t o) { /* ctx: one dim's taps */
  const rl_tap *t = (const rl_tap *)ctx + o;
  return (rl_look){.from = t->low, .to = t->high + 1, .first = 1 - t->weight, .others = t->weight};
}

typedef struct back {
  const job *j;
  rl_back p;
} back;

static void back_row(void *ctx, int64_t b, int worker) {
  const back *k = ctx;
  const job *j = k->j;
  (void)worker;
  const rl_resize *p = &j->p;
  size_t at = (size_t)(b * p->w * p->c), image = (size_t)(b / p->h * p->oh * p->ow * p->c);
  RL_BY_TYPE(j->c, spread_back, &k->p, (void *)(j->y + at * j->width),
             (const void *)(j->x + image * j->width), j->add, b % p->h);
}

static rl_status backward(rl_call *c) {
  job j;
  rl_reaches down = {0}, across = {0};
  if (c->din[0] == NULL) return RL_OK;
  RL_TRY(open_job(&j, c, &c->in[0]->shape, &c->dout[0]->shape));
  j.x = rl_data(c->dout[0]), j.y = rl_data(c->din[0]), j.add = c->beta[0] != 0;
  rl_status s = rl_reach_make(&down, j.p.h, j.p.oh, look, j.p.ys);
  if (s == RL_OK) s = rl_reach_make(&across, j.p.w, j.p.ow, look, j.p.xs);
  back k = {&j,
            {.h = j.p.h, .w = j.p.w, .c = j.p.c, .oh = j.p.oh, .ow = j.p.ow, .ys = down.of, .xs = across.of}};
  if (s == RL_OK) s = rl_parallel(back_row, &k, c->in[0]->shape.size[0] * j.p.h);
  rl_reach_drop(&down);
  rl_reach_drop(&across);
  close_job(&j);
  return s;
}

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  if (x->rank != 4 || x->size[2] < 1 || x->size[3] < 1)
    return rl_fail(RL_ESHAPE, "interpolate: x is %s; it takes images, N x C x H x W, that are not empty",
                   rl_shape_text(x));
  if (c->arg[SIZE].given == c->arg[SCALE].given)
    return rl_fail(RL_EARG, "interpolate: give either size or scale_factor");
  if (c->arg[ALIGN].i != 0 && c->arg[MODE].i == NEAREST)
    return rl_fail(RL_EARG, "interpolate: align_corners goes with mode = \"bilinear\"");
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = *x, .layout = RL_NHWC};
  for (int d = 0; d < 2; d++) {
    double size =
        c->arg[SIZE].given ? (double)c->arg[SIZE].list[d] : floor((double)x->size[2 + d] * c->arg[SCALE].num);
    if (!(size >= 1 && size <= LARGEST))
      return rl_fail(RL_EARG, "interpolate: %s would become %g along dim %d; sizes are 1 to %d",
                     rl_shape_text(x), size, 3 + d, LARGEST);
    c->meta[0].shape.size[2 + d] = (int64_t)size;
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
