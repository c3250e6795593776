/* Gaze maps. A Gaussian is a product of one factor per axis, so a point costs two short rows of erf and one
** multiplication per pixel that it reaches. */
#include "data/gaze.h"
#include "base/mem.h"
#include "base/status.h"

#include <math.h>

#define REACH 4 /* in sigmas: 6e-5 of a point's weight lies beyond, per axis */

typedef struct span { /* pixels from..to of an axis, and each one's share of the point */
  int from, to;
  double *share;
} span;

static void spread(span *s, double at, double sigma, int size) {
  double from = floor(at - REACH * sigma), to = ceil(at + REACH * sigma), scale = 1 / (sigma * sqrt(2));
  s->from = (int)fmax(0, fmin(size, from));
  s->to = (int)fmax(0, fmin(size, to));
  double last = erf((s->from - at) * scale);
  for (int i = s->from; i < s->to; i++) {
    double next = erf((i + 1 - at) * scale);
    s->share[i - s->from] = 0.5 * (next - last);
    last = next;
  }
}

static void add_point(float *to, int width, const span *h, const span *v, double weight) {
  for (int y = v->from; y < v->to; y++) {
    float *row = to + (size_t)y * (size_t)width + h->from;
    double w = weight * v->share[y - v->from];
    for (int x = 0; x < h->to - h->from; x++) row[x] += (float)(w * h->share[x]);
  }
}

rl_status rl_gaze_map(float *to, int width, int height, const rl_gaze_at *at, int n, double sigma_x,
                      double sigma_y) {
  void *shares;
  size_t bytes = ((size_t)width + (size_t)height) * sizeof(double);
  if (!(sigma_x > 0 && sigma_y > 0 && isfinite(sigma_x) && isfinite(sigma_y)))
    return rl_fail(RL_EARG, "gaze map: sigma = %g x %g is not positive", sigma_y, sigma_x);
  RL_TRY(rl_mem_alloc(&shares, bytes));
  span h = {.share = shares}, v = {.share = (double *)shares + width};
  for (int i = 0; i < n; i++) {
    if (!(isfinite(at[i].x) && isfinite(at[i].y) && at[i].weight > 0)) continue;
    spread(&h, at[i].x, sigma_x, width);
    spread(&v, at[i].y, sigma_y, height);
    add_point(to, width, &h, &v, at[i].weight);
  }
  rl_mem_free(shares, bytes);
  return RL_OK;
}

void rl_gaze_bytes(const float *map, size_t n, uint8_t *to) {
  float most = 0;
  for (size_t i = 0; i < n; i++) most = fmaxf(most, map[i]);
  for (size_t i = 0; i < n; i++) to[i] = most > 0 ? (uint8_t)(255 * map[i] / most + 0.5F) : 0;
}
