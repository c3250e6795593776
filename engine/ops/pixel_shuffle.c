/* pixel_shuffle: channels become pixels: y[n, c, h r + i, w r + j] = x[n, (c r + i) r + j, h, w].
** [N, C r^2, H, W] -> [N, C, H r, W r]. Source: Shi et al., CVPR 2016. A block is one row of the small image. */
#include "base/threads.h"
#include "ops/op.h"

typedef struct rows {
  const rl_call *c;
  const rl_tensor *small, *large;
  int64_t w, C, r;
  bool back;
} rows;

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[0]->shape;
  int64_t r = c->arg[0].i;
  if (x->rank != 4 || x->size[1] % (r * r) != 0)
    return rl_fail(
        RL_ESHAPE,
        "pixel_shuffle: x is %s; it takes N x C x H x W with C a multiple of %lld for upscale_factor %lld",
        rl_shape_text(x), (long long)(r * r), (long long)r);
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = *x, .layout = RL_NHWC};
  c->meta[0].shape.size[1] /= r * r;
  for (int d = 2; d < 4; d++) {
    if (x->size[d] > INT32_MAX / r)
      return rl_fail(RL_ESHAPE, "pixel_shuffle: x is %s; an image %lld times as large is too large",
                     rl_shape_text(x), (long long)r);
    c->meta[0].shape.size[d] *= r;
  }
  return RL_OK;
}

static void one_row(void *ctx, int64_t b, int worker) {
  const rows *p = ctx;
  (void)worker;
  int64_t at = b * p->w * p->C * p->r * p->r;
  void *small = rl_at(p->small, at), *large = rl_at(p->large, at);
  if (p->back)
    RL_BY_TYPE(p->c, pixel_unshuffle, small, large, p->c->beta[0], p->w, p->C, p->r);
  else
    RL_BY_TYPE(p->c, pixel_shuffle, large, small, p->w, p->C, p->r);
}

static rl_status run(rows *p) {
  const rl_shape *large = &p->large->shape;
  if (rl_shape_count(large) == 0) return RL_OK;
  p->r = p->c->arg[0].i, p->w = large->size[3] / p->r, p->C = large->size[1];
  return rl_parallel(one_row, p, large->size[0] * large->size[2] / p->r);
}

static rl_status forward(rl_call *c) { return run(&(rows){.c = c, .small = c->in[0], .large = c->out[0]}); }

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  return run(&(rows){.c = c, .small = c->din[0], .large = c->dout[0], .back = true});
}

static const rl_param params[] = {
    {.name = "upscale_factor", .kind = RL_INTEGER, .required = true, .lo = 1, .hi = 1024}, {0}};

const rl_op rl_op_pixel_shuffle = {
    .name = "pixel_shuffle",
    .doc = "channels become pixels: N x C r^2 x H x W -> N x C x H r x W r, r the upscale_factor; channel "
           "(c r + i) r + j goes to pixel (i, j) of each r x r square",
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .layout = RL_NHWC,
    .samples = "{ T{2, 4, 2, 3}, 2 } { T{1, 18, 2, 1}, { upscale_factor = 3 } } { T{1, 68, 2, 2}, 2 } { T{1, "
               "2, 2, 2}, 1 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
