/* The door of convolution: chooses the algorithm. 1x1 with stride 1 is one product per part, with a stride one product
** of the pixels that count; small deep maps one product of copies; 3x3 with stride 1 goes by Winograd where that is
** faster; the rest is an implicit GEMM. */
#include "kernels/conv.h"

#include "base/status.h"
#include "kernels/gathered.h"
#include "kernels/implicit.h"
#include "kernels/thinned.h"
#include "kernels/winograd.h"

static bool is_product(const rl_conv *s) {
  bool plain = s->kh == 1 && s->kw == 1 && s->stride[0] == 1 && s->stride[1] == 1 && s->pad[0] == 0 &&
               s->pad[1] == 0 && s->groups == 1;
  for (int i = 0; i < s->nparts; i++) plain = plain && s->part[i].up == 1;
  return plain;
}

static int64_t pixels_in(const rl_conv *s) { return s->n * s->h * s->w; }
static int64_t pixels_out(const rl_conv *s) { return s->n * s->oh * s->ow; }
static int64_t size_of(const rl_conv *s) { return s->dtype == RL_F64 ? 8 : 4; }

/* ---- 1x1: the input's channels are the inner dimension, a part at a time */

static rl_status product_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                                 double *moments) {
  int64_t at = 0;
  for (int i = 0; i < s->nparts; at += s->part[i++].channels) {
    const rl_conv_part *q = &s->part[i];
    bool last = i + 1 == s->nparts;
    rl_gemm g = {
        .dtype = s->dtype, .tb = true, .m = pixels_in(s), .n = s->cout, .k = q->channels, .pa = q->px};
    g.a = q->x, g.lda = q->ld;
    g.b = (const char *)weight + at * size_of(s), g.ldb = s->cin;
    g.c = y, g.ldc = s->ldy;
    g.beta = i > 0;
    g.bias = last ? bias : NULL;
    g.moments = last ? moments : NULL;
    g.kept = s->nparts == 1 ? s->kept : NULL;
    RL_TRY(rl_gemm_run(&g));
  }
  return RL_OK;
}

/* The product for one part and one cotangent; where the part has a prologue, through its mask. */
static rl_status product_back_data(const rl_conv *s, const void *dy, const void *weight,
                                   const rl_conv_part *q, const rl_conv_dx *to) {
  rl_gemm g = {.dtype = s->dtype, .m = pixels_in(s), .n = q->channels, .k = s->cout, .a = dy, .lda = s->ldy};
  g.b = weight, g.ldb = s->cin;
  g.c = to->dx, g.ldc = to->ld, g.beta = to->beta;
  rl_gemm_back e = {.f = q->px, .x = q->x, .ldx = q->ld, .mean = q->mean, .rstd = q->rstd, .sums = to->sums};
  e.grad = to->dx, e.ldg = to->ld, e.add = to->beta != 0;
  if (q->px.scale != NULL) g.back = &e;
  return rl_gemm_run(&g);
}

static rl_status product_back_weight(const rl_conv *s, const void *dy, void *dweight, double beta) {
  int64_t at = 0;
  for (int i = 0; i < s->nparts; at += s->part[i++].channels) {
    const rl_conv_part *q = &s->part[i];
    rl_gemm g = {
        .dtype = s->dtype, .ta = true, .m = s->cout, .n = q->channels, .k = pixels_in(s), .pb = q->px};
    g.a = dy, g.lda = s->ldy;
    g.b = q->x, g.ldb = q->ld;
    g.c = (char *)dweight + at * size_of(s), g.ldc = s->cin, g.beta = beta;
    RL_TRY(rl_gemm_run(&g));
  }
  return RL_OK;
}

/* ---- the doors */

rl_status rl_conv_forward(const rl_conv *s, const void *weight, const void *bias, void *y, double *moments) {
  if (s->cout == 0) return RL_OK;
  if (pixels_out(s) == 0)
    return moments == NULL ? RL_OK : rl_column_moments(s->dtype, 0, s->cout, y, s->ldy, moments);
  if (is_product(s)) return product_forward(s, weight, bias, y, moments);
  if (rl_thinned_fits(s)) return rl_thinned_forward(s, weight, bias, y, moments);
  if (rl_gathered_fits(s, RL_FORWARD)) return rl_gathered_forward(s, weight, bias, y, moments);
  if (rl_winograd_fits(s, RL_FORWARD)) return rl_winograd_forward(s, weight, bias, y, moments);
  return rl_implicit_forward(s, weight, bias, y, moments);
}

static rl_status no_pixels(const rl_conv *s, int count, const rl_conv_dx *dx) {
  for (int k = 0; k < count * s->nparts; k++)
    for (int64_t c = 0; c < 3 * s->part[k % s->nparts].channels && dx[k].sums != NULL; c++) dx[k].sums[c] = 0;
  return RL_OK;
}

rl_status rl_conv_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                            const rl_conv_dx *dx) {
  if (pixels_in(s) * s->cin == 0) return no_pixels(s, count, dx);
  if (pixels_out(s) > 0 && rl_gathered_fits(s, RL_BACK_DATA))
    return rl_gathered_back_data(s, count, dy, weight, dx);
  if (rl_winograd_fits(s, RL_BACK_DATA)) return rl_winograd_back_data(s, count, dy, weight, dx);
  if (rl_thinned_fits(s) && pixels_out(s) > 0 && s->part[0].px.scale == NULL)
    return rl_thinned_back_data(s, count, dy, weight, dx);
  if (!is_product(s)) return rl_implicit_back_data(s, count, dy, weight, dx);
  for (int k = 0; k < count; k++) {
    int64_t at = 0;
    for (int i = 0; i < s->nparts; at += s->part[i++].channels) {
      const void *own = (const char *)weight + at * size_of(s);
      const rl_conv_dx *to = &dx[k * s->nparts + i];
      if (to->dx != NULL) RL_TRY(product_back_data(s, dy[k], own, &s->part[i], to));
    }
  }
  return RL_OK;
}

/* No outputs: the gradient is 0. */
static rl_status nothing_to_add(const rl_conv *s, void *dweight, double beta) {
  int64_t n = s->cout * (s->cin / s->groups) * s->kh * s->kw;
  for (int64_t i = 0; i < n && s->dtype == RL_F64; i++)
    ((double *)dweight)[i] = beta == 0 ? 0 : beta * ((double *)dweight)[i];
  for (int64_t i = 0; i < n && s->dtype != RL_F64; i++)
    ((float *)dweight)[i] = beta == 0 ? 0 : (float)beta * ((float *)dweight)[i];
  return RL_OK;
}

rl_status rl_conv_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                              const double *beta) {
  if (s->cout * s->cin == 0) return RL_OK;
  if (pixels_out(s) > 0 && rl_gathered_fits(s, RL_BACK_WEIGHT))
    return rl_gathered_back_weight(s, count, dy, dweight, beta);
  if (pixels_out(s) > 0 && rl_winograd_fits(s, RL_BACK_WEIGHT))
    return rl_winograd_back_weight(s, count, dy, dweight, beta);
  if (pixels_out(s) > 0 && rl_thinned_fits(s)) return rl_thinned_back_weight(s, count, dy, dweight, beta);
  if (pixels_out(s) > 0 && !is_product(s)) return rl_implicit_back_weight(s, count, dy, dweight, beta);
  for (int k = 0; k < count; k++)
    if (dweight[k] != NULL)
      RL_TRY(pixels_out(s) == 0 ? nothing_to_add(s, dweight[k], beta[k])
                                : product_back_weight(s, dy[k], dweight[k], beta[k]));
  return RL_OK;
}
