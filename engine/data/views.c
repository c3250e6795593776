/* Views. Sources: torchvision's transforms (what each does, in its tensor form); Keys 1981 (the bicubic
** kernel, a = -1/2, widened where a side shrinks, as in Pillow). */
#include "data/views.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

#define DEGREE 0.017453292519943295

/* ---- checking and drawing */

static rl_status check_range(const char *name, const double v[2], double lo, double hi) {
  if (v[0] >= lo && v[0] <= v[1] && v[1] <= hi) return RL_OK;
  return rl_fail(RL_EARG, "views: %s = %g to %g; it runs upwards between %g and %g", name, v[0], v[1], lo,
                 hi);
}

rl_status rl_transform_check(const rl_transform *t) {
  const struct {
    const char *name;
    double value, most;
  } all[] = {{"flip", t->flip, 1},          {"rotate", t->rotate, 180},
             {"jitter", t->jitter, 1},      {"brightness", t->brightness, 10},
             {"contrast", t->contrast, 10}, {"saturation", t->saturation, 10},
             {"hue", t->hue, 0.5},          {"grayscale", t->grayscale, 1},
             {"blur", t->blur, 1},          {"solarize", t->solarize, 1},
             {"threshold", t->threshold, 1}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!(all[i].value >= 0 && all[i].value <= all[i].most))
      return rl_fail(RL_EARG, "views: %s = %g is not between 0 and %g", all[i].name, all[i].value,
                     all[i].most);
  RL_TRY(check_range("crop", t->crop, 1e-4, 1));
  RL_TRY(check_range("ratio", t->ratio, 0.01, 100));
  RL_TRY(check_range("sigma", t->sigma, 0.01, 1000));
  if (t->kernel >= 1 && t->kernel <= 255 && t->kernel % 2 == 1) return RL_OK;
  return rl_fail(RL_EARG, "views: kernel = %d; the blur takes an odd number of taps, 1 to 255", t->kernel);
}

typedef struct source { /* of one view's random numbers */
  uint64_t seed;
  uint32_t epoch, sample;
  int view;
} source;

static double uniform(const source *s, int i, double from, double to) {
  uint64_t element = (uint64_t)s->view << 8 | (uint64_t)i;
  return from + (to - from) * rl_uniform(s->seed, RL_STREAM_VIEWS, s->epoch, s->sample, element);
}

enum {
  AT_FLIP,
  AT_ANGLE,
  AT_JITTER,
  AT_ORDER,
  AT_GRAY = 6,
  AT_BLUR,
  AT_SIGMA,
  AT_SOLAR,
  AT_FACTOR,
  AT_CROP = 16
};

/* Ten tries for a crop that fits; then the largest one in the middle whose ratio is allowed. */
static void draw_crop(const rl_transform *t, const source *s, int width, int height, rl_drawn *d) {
  for (int k = 0; k < 10; k++) {
    int at = AT_CROP + 4 * k;
    double area = (double)width * height * uniform(s, at, t->crop[0], t->crop[1]);
    double ratio = exp(uniform(s, at + 1, log(t->ratio[0]), log(t->ratio[1])));
    int w = (int)floor(sqrt(area * ratio) + 0.5), h = (int)floor(sqrt(area / ratio) + 0.5);
    if (w < 1 || h < 1 || w > width || h > height) continue;
    d->x = (int)uniform(s, at + 2, 0, width - w + 1), d->y = (int)uniform(s, at + 3, 0, height - h + 1);
    d->width = w, d->height = h;
    return;
  }
  double own = (double)width / height;
  d->width = own > t->ratio[1] ? (int)floor(height * t->ratio[1] + 0.5) : width;
  d->height = own < t->ratio[0] ? (int)floor(width / t->ratio[0] + 0.5) : height;
  d->width = d->width < 1 ? 1 : d->width, d->height = d->height < 1 ? 1 : d->height;
  d->x = (width - d->width) / 2, d->y = (height - d->height) / 2;
}

rl_drawn rl_transform_draw(const rl_transform *t, uint64_t seed, uint32_t epoch, uint32_t sample, int view,
                           int width, int height) {
  source s = {seed, epoch, sample, view};
  rl_drawn d = {.kernel = t->kernel, .threshold = t->threshold};
  const double spread[3] = {t->brightness, t->contrast, t->saturation};
  draw_crop(t, &s, width, height, &d);
  d.flip = uniform(&s, AT_FLIP, 0, 1) < t->flip;
  d.angle = DEGREE * uniform(&s, AT_ANGLE, -t->rotate, t->rotate);
  d.jitter = uniform(&s, AT_JITTER, 0, 1) < t->jitter;
  for (int i = 0; i < RL_JITTERS; i++) d.order[i] = i;
  for (int i = RL_JITTERS - 1; i > 0; i--) {
    int j = (int)uniform(&s, AT_ORDER + i - 1, 0, i + 1), swap = d.order[i];
    d.order[i] = d.order[j], d.order[j] = swap;
  }
  for (int i = 0; i < 3; i++) d.factor[i] = uniform(&s, AT_FACTOR + i, fmax(0, 1 - spread[i]), 1 + spread[i]);
  d.factor[RL_HUE] = uniform(&s, AT_FACTOR + RL_HUE, -t->hue, t->hue);
  d.grayscale = uniform(&s, AT_GRAY, 0, 1) < t->grayscale;
  if (uniform(&s, AT_BLUR, 0, 1) < t->blur) d.sigma = uniform(&s, AT_SIGMA, t->sigma[0], t->sigma[1]);
  d.solarize = uniform(&s, AT_SOLAR, 0, 1) < t->solarize;
  return d;
}

/* ---- crop and resizing */

typedef struct plane { /* floats, height x width x channels */
  int width, height, channels;
  float *v;
} plane;

static double cubic(double x) { /* Keys, a = -1/2 */
  x = fabs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

typedef struct taps {
  int from, n;
  double weight[512];
} taps;

/* Weights of output i. A side that shrinks more than 127 times is no longer averaged over all of its pixels. */
static void make_taps(taps *t, int i, int in, int out) {
  double scale = (double)in / out, wide = fmin(fmax(scale, 1), 127), centre = (i + 0.5) * scale, sum = 0;
  int lo = (int)fmax(0, floor(centre - 2 * wide + 0.5)), hi = (int)fmin(in, floor(centre + 2 * wide + 0.5));
  t->from = lo, t->n = hi - lo;
  for (int k = 0; k < t->n; k++) sum += t->weight[k] = cubic((lo + k - centre + 0.5) / wide);
  for (int k = 0; k < t->n; k++) t->weight[k] /= sum;
}

static void across(const rl_drawn *d, const rl_image *m, int width, plane *to) {
  size_t c = (size_t)m->channels;
  taps t;
  for (int x = 0; x < width; x++) {
    make_taps(&t, x, d->width, width);
    int at = d->flip ? width - 1 - x : x;
    for (int y = 0; y < d->height; y++) {
      const uint8_t *p = m->pixels + ((size_t)(d->y + y) * (size_t)m->width + (size_t)(d->x + t.from)) * c;
      float *q = to->v + ((size_t)y * (size_t)width + (size_t)at) * c;
      for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (int j = 0; j < t.n; j++) sum += t.weight[j] * p[(size_t)j * c + k];
        q[k] = (float)(sum / 255);
      }
    }
  }
}

static float unit(double v) { return (float)(v < 0 ? 0 : v > 1 ? 1 : v); }

static void down(const plane *from, plane *to) {
  size_t line = (size_t)to->width * (size_t)to->channels;
  taps t;
  for (int y = 0; y < to->height; y++) {
    make_taps(&t, y, from->height, to->height);
    const float *p = from->v + (size_t)t.from * line;
    for (size_t i = 0; i < line; i++) {
      double sum = 0;
      for (int j = 0; j < t.n; j++) sum += t.weight[j] * (double)p[(size_t)j * line + i];
      to->v[(size_t)y * line + i] = unit(sum);
    }
  }
}

/* ---- rotation about the middle; outside repeats the edge */

static double at_edge(const plane *p, int x, int y, int k) {
  x = x < 0 ? 0 : x >= p->width ? p->width - 1 : x;
  y = y < 0 ? 0 : y >= p->height ? p->height - 1 : y;
  return (double)p->v[((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels + (size_t)k];
}

static void rotate(const plane *from, double angle, plane *to) {
  double c = cos(angle), s = sin(angle), mx = 0.5 * (to->width - 1), my = 0.5 * (to->height - 1);
  float *q = to->v;
  for (int y = 0; y < to->height; y++) {
    for (int x = 0; x < to->width; x++) {
      double sx = c * (x - mx) - s * (y - my) + mx, sy = s * (x - mx) + c * (y - my) + my;
      int ix = (int)floor(sx), iy = (int)floor(sy);
      double fx = sx - ix, fy = sy - iy;
      for (int k = 0; k < to->channels; k++) {
        double top = (1 - fx) * at_edge(from, ix, iy, k) + fx * at_edge(from, ix + 1, iy, k);
        double low = (1 - fx) * at_edge(from, ix, iy + 1, k) + fx * at_edge(from, ix + 1, iy + 1, k);
        *q++ = (float)((1 - fy) * top + fy * low);
      }
    }
  }
}

/* ---- colours */

static double grey(const float *p, int channels) {
  if (channels == 1) return (double)p[0];
  return 0.299 * (double)p[0] + 0.587 * (double)p[1] + 0.114 * (double)p[2];
}

static double mean_grey(const plane *p) {
  size_t n = (size_t)p->width * (size_t)p->height;
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += grey(p->v + i * (size_t)p->channels, p->channels);
  return sum / (double)n;
}

static void turn_hue(float *p, double by) {
  double r = (double)p[0], g = (double)p[1], b = (double)p[2];
  double most = fmax(r, fmax(g, b)), least = fmin(r, fmin(g, b)), d = most - least, h;
  if (d <= 0) return;
  if (most == r)
    h = (g - b) / d;
  else if (most == g)
    h = 2 + (b - r) / d;
  else
    h = 4 + (r - g) / d;
  h = h / 6 + by;
  h = 6 * (h - floor(h)); /* a channel is `most` near its own third of the circle and `least` opposite */
  const double own[3] = {0, 2, 4};
  for (int k = 0; k < 3; k++) {
    double far = fabs(h - own[k]);
    far = far > 3 ? 6 - far : far;
    p[k] = (float)(least + d * (far <= 1 ? 1 : far >= 2 ? 0 : 2 - far));
  }
}

static void jitter(plane *p, int what, double f) {
  size_t n = (size_t)p->width * (size_t)p->height, c = (size_t)p->channels;
  double mean = what == RL_CONTRAST ? mean_grey(p) : 0;
  for (size_t i = 0; i < n; i++) {
    float *v = p->v + i * c;
    if (what == RL_HUE) {
      turn_hue(v, f);
      continue;
    }
    double other = what == RL_SATURATION ? grey(v, p->channels) : mean;
    for (size_t k = 0; k < c; k++) v[k] = unit(f * (double)v[k] + (1 - f) * other);
  }
}

static void change_colours(plane *p, const rl_drawn *d) {
  for (int i = 0; i < RL_JITTERS && d->jitter; i++) {
    int what = d->order[i];
    if (p->channels == 3 || what == RL_BRIGHTNESS || what == RL_CONTRAST) jitter(p, what, d->factor[what]);
  }
  size_t n = (size_t)p->width * (size_t)p->height;
  for (size_t i = 0; i < n && d->grayscale && p->channels == 3; i++) {
    float *v = p->v + 3 * i;
    v[0] = v[1] = v[2] = (float)grey(v, 3);
  }
}

/* ---- blur; beyond the edge the picture is mirrored without its edge */

static int mirrored(int i, int n) {
  while (n > 1 && (i < 0 || i >= n)) i = i < 0 ? -i : 2 * (n - 1) - i;
  return n > 1 ? i : 0;
}

/* `from` along one axis: n pixels `step` floats apart, in `lines` lines of `width` floats `apart` floats apart */
static void blur_axis(const float *from, float *to, const float *w, int r, int n, size_t step, int lines,
                      size_t apart, size_t width) {
  for (int l = 0; l < lines; l++) {
    const float *p = from + (size_t)l * apart;
    for (int i = 0; i < n; i++) {
      float *q = to + (size_t)l * apart + (size_t)i * step;
      memset(q, 0, width * sizeof *q);
      for (int t = -r; t <= r; t++) {
        const float *s = p + (size_t)mirrored(i + t, n) * step;
        for (size_t k = 0; k < width; k++) q[k] += w[t + r] * s[k];
      }
    }
  }
}

static void blur(plane *p, plane *spare, double sigma, int kernel) {
  float w[255];
  int r = kernel / 2, used = (int)fmin(r, ceil(6.5 * sigma)); /* further taps are below 1e-9 */
  double sum = 0;
  for (int t = -r; t <= r; t++) sum += exp(-0.5 * (t / sigma) * (t / sigma));
  for (int t = -used; t <= used; t++) w[t + used] = (float)(exp(-0.5 * (t / sigma) * (t / sigma)) / sum);
  size_t c = (size_t)p->channels, line = c * (size_t)p->width;
  blur_axis(p->v, spare->v, w, used, p->width, c, p->height, line, c);
  blur_axis(spare->v, p->v, w, used, p->height, line, 1, 0, line);
}

/* ---- all of it */

static void write_out(const plane *p, const rl_drawn *d, int channels, const double *mean, const double *std,
                      float *to) {
  size_t n = (size_t)p->width * (size_t)p->height, c = (size_t)p->channels;
  for (size_t i = 0; i < n; i++) {
    double v[3];
    for (size_t k = 0; k < c; k++) {
      v[k] = (double)p->v[i * c + k];
      if (d->solarize && v[k] >= d->threshold) v[k] = 1 - v[k];
    }
    if (c == 1)
      v[1] = v[2] = v[0];
    else if (channels == 1)
      v[0] = (v[0] + v[1] + v[2]) / 3;
    for (int k = 0; k < channels; k++) *to++ = (float)((v[k] - mean[k]) / std[k]);
  }
}

rl_status rl_drawn_apply(const rl_drawn *d, const rl_image *image, int width, int height, int channels,
                         const double *mean, const double *std, float *to) {
  size_t c = (size_t)image->channels, view = (size_t)width * (size_t)height * c,
         middle = (size_t)width * (size_t)d->height * c;
  size_t spare = middle > view ? middle : view, bytes = (view + spare) * sizeof(float);
  void *block;
  RL_TRY(rl_mem_alloc(&block, bytes));
  plane p = {width, height, image->channels, block}, q = {width, d->height, image->channels, p.v + view};
  across(d, image, width, &q);
  down(&q, &p);
  q.height = height;
  if (d->angle != 0) {
    rotate(&p, d->angle, &q);
    memcpy(p.v, q.v, view * sizeof(float));
  }
  change_colours(&p, d);
  if (d->sigma > 0) blur(&p, &q, d->sigma, d->kernel);
  write_out(&p, d, channels, mean, std, to);
  rl_mem_free(block, bytes);
  return RL_OK;
}
