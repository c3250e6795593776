/* Resizing, random views, normalisation. Everything here is a function of its arguments alone. */
#include "data/augment.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

/* ---- resizing, one axis after the other */

typedef struct axis { /* output i is the weighted sum of `taps` inputs from first[i] on */
  int taps;
  int *first;
  float *weight; /* out x taps */
  void *block;
  size_t bytes;
} axis;

static int axis_taps(int in, int out) { return in > out ? (in + out - 1) / out + 1 : 2; }

static void fill_area(axis *a, int in, int out) { /* overlap of [i, i+1) * in/out with each input pixel */
  double scale = (double)in / out;
  for (int i = 0; i < out; i++) {
    double from = i * scale, to = (i + 1) * scale;
    a->first[i] = (int)from;
    for (int t = 0; t < a->taps; t++) {
      double lo = fmax(from, a->first[i] + t), hi = fmin(to, fmin(in, a->first[i] + t + 1));
      a->weight[i * a->taps + t] = (float)(hi > lo ? (hi - lo) / scale : 0);
    }
  }
}

static void fill_linear(axis *a, int in, int out) {
  for (int i = 0; i < out; i++) {
    double x = fmax(0, fmin(in - 1, (i + 0.5) * in / out - 0.5));
    a->first[i] = in > 1 && (int)x > in - 2 ? in - 2 : (int)x;
    a->weight[i * 2] = (float)(1 - (x - a->first[i]));
    a->weight[i * 2 + 1] = (float)(x - a->first[i]);
  }
}

static rl_status axis_make(axis *a, int in, int out) {
  a->taps = axis_taps(in, out);
  a->bytes = (size_t)out * (sizeof(int) + (size_t)a->taps * sizeof(float));
  RL_TRY(rl_mem_alloc(&a->block, a->bytes));
  a->weight = a->block;
  a->first = (int *)(void *)(a->weight + (size_t)out * (size_t)a->taps);
  if (in > out)
    fill_area(a, in, out);
  else
    fill_linear(a, in, out);
  return RL_OK;
}

static void across(const rl_image *in, const axis *a, int width, float *to) { /* in's rows, `width` wide */
  size_t c = (size_t)in->channels;
  for (int y = 0; y < in->height; y++) {
    const uint8_t *row = in->pixels + (size_t)y * (size_t)in->width * c;
    for (int x = 0; x < width; x++, to += c) {
      for (size_t k = 0; k < c; k++) to[k] = 0;
      for (int t = 0; t < a->taps; t++) {
        float w = a->weight[x * a->taps + t];
        if (w <= 0) continue; /* may lie outside */
        for (size_t k = 0; k < c; k++) to[k] += w * (float)row[(size_t)(a->first[x] + t) * c + k];
      }
    }
  }
}

static void down(const float *from, const axis *a, rl_image *out, float *line) {
  size_t n = (size_t)out->width * (size_t)out->channels;
  for (int y = 0; y < out->height; y++) {
    memset(line, 0, n * sizeof *line);
    for (int t = 0; t < a->taps; t++) {
      float w = a->weight[y * a->taps + t];
      if (w <= 0) continue;
      const float *row = from + (size_t)(a->first[y] + t) * n;
      for (size_t i = 0; i < n; i++) line[i] += w * row[i];
    }
    for (size_t i = 0; i < n; i++) out->pixels[(size_t)y * n + i] = (uint8_t)fminf(255, line[i] + 0.5f);
  }
}

rl_status rl_image_resize(rl_image *out, const rl_image *in, int width, int height) {
  axis h = {0}, v = {0};
  void *middle = NULL;
  size_t line = (size_t)width * (size_t)in->channels, bytes = line * ((size_t)in->height + 1) * sizeof(float);
  *out = (rl_image){0};
  rl_status s = rl_image_alloc(out, width, height, in->channels);
  if (s == RL_OK && in->width == width && in->height == height) {
    memcpy(out->pixels, in->pixels, rl_image_bytes(in));
    return RL_OK;
  }
  if (s == RL_OK) s = axis_make(&h, in->width, width);
  if (s == RL_OK) s = axis_make(&v, in->height, height);
  if (s == RL_OK) s = rl_mem_alloc(&middle, bytes);
  if (s == RL_OK) {
    across(in, &h, width, middle);
    down(middle, &v, out, (float *)middle + line * (size_t)in->height);
  }
  rl_mem_free(middle, bytes);
  rl_mem_free(h.block, h.bytes);
  rl_mem_free(v.block, v.bytes);
  if (s != RL_OK) rl_image_drop(out);
  return s;
}

rl_status rl_image_resize_nearest(rl_image *out, const rl_image *in, int width, int height) {
  size_t c = (size_t)in->channels;
  RL_TRY(rl_image_alloc(out, width, height, in->channels));
  for (int y = 0; y < height; y++) {
    int sy = (int)((y + 0.5) * in->height / height);
    for (int x = 0; x < width; x++) {
      int sx = (int)((x + 0.5) * in->width / width);
      memcpy(out->pixels + ((size_t)y * (size_t)width + (size_t)x) * c,
             in->pixels + ((size_t)sy * (size_t)in->width + (size_t)sx) * c, c);
    }
  }
  return RL_OK;
}

rl_status rl_image_channels(rl_image *m, int channels) {
  rl_image out;
  if (m->channels == channels) return RL_OK;
  RL_TRY(rl_image_alloc(&out, m->width, m->height, channels));
  size_t n = (size_t)m->width * (size_t)m->height;
  for (size_t i = 0; i < n; i++) {
    const uint8_t *p = m->pixels + i * (size_t)m->channels;
    if (channels == 1)
      out.pixels[i] = (uint8_t)((p[0] + p[1] + p[2] + 1) / 3);
    else
      memset(out.pixels + 3 * i, p[0], 3);
  }
  rl_image_drop(m);
  *m = out;
  return RL_OK;
}

/* ---- random views */

rl_status rl_augment_check(const rl_augment *a) {
  const struct {
    const char *name;
    double value, most;
  } all[] = {{"flip", a->flip, 1},         {"rotate", a->rotate, 180},
             {"crop", a->crop, 0.9},       {"brightness", a->brightness, 1},
             {"contrast", a->contrast, 1}, {"vertical", a->vertical, 1}};
  for (int i = 0; i < 6; i++)
    if (!(all[i].value >= 0 && all[i].value <= all[i].most))
      return rl_fail(RL_EARG, "augment: %s = %g is not between 0 and %g", all[i].name, all[i].value,
                     all[i].most);
  return RL_OK;
}

/* Where a window begins on an axis that is `spare` pixels longer; u: 0 to 1, drawn. */
static double begin(const rl_augment *a, double u, double spare) {
  if (a->rotate > 0 || a->crop > 0) return spare * (a->centred ? 0.5 : u);
  return a->centred ? nearbyint(0.5 * spare) : floor(u * (spare + 1));
}

rl_view rl_augment_draw(const rl_augment *a, uint64_t seed, uint32_t epoch, uint32_t sample,
                        const rl_frame *frame) {
  double u[8], w = frame->width, h = frame->height;
  for (int i = 0; i < 8; i++) u[i] = rl_uniform(seed, RL_STREAM_LOADER, epoch, sample, (uint64_t)i);
  bool flip = u[0] < a->flip, vertical = u[7] < a->vertical;
  bool cut = frame->width != frame->from_width || frame->height != frame->from_height;
  double angle = a->rotate * (2 * u[1] - 1) * 0.017453292519943295, zoom = 1 - a->crop * u[2];
  double c = cos(angle) * zoom, s = sin(angle) * zoom, across = flip ? -1 : 1, down = vertical ? -1 : 1;
  double cx = begin(a, u[3], frame->from_width - zoom * w) + 0.5 * zoom * w,
         cy = begin(a, u[4], frame->from_height - zoom * h) + 0.5 * zoom * h;
  rl_view v = {.frame = *frame, .geometric = flip || vertical || cut || a->rotate > 0 || a->crop > 0};
  v.m[0] = c * across, v.m[1] = -s * down, v.m[3] = s * across, v.m[4] = c * down;
  v.m[2] = cx - 0.5 * (v.m[0] * w + v.m[1] * h);
  v.m[5] = cy - 0.5 * (v.m[3] * w + v.m[4] * h);
  v.shift = a->brightness * (2 * u[5] - 1);
  v.gain = 1 + a->contrast * (2 * u[6] - 1);
  return v;
}

static void source(const rl_view *v, int x, int y, double *sx, double *sy) {
  *sx = v->m[0] * (x + 0.5) + v->m[1] * (y + 0.5) + v->m[2] - 0.5;
  *sy = v->m[3] * (x + 0.5) + v->m[4] * (y + 0.5) + v->m[5] - 0.5;
}

void rl_view_point(const rl_view *v, double *x, double *y) { /* the inverse of `source` */
  double dx = *x - v->m[2], dy = *y - v->m[5], det = v->m[0] * v->m[4] - v->m[1] * v->m[3];
  if (!v->geometric) return;
  *x = (v->m[4] * dx - v->m[1] * dy) / det;
  *y = (v->m[0] * dy - v->m[3] * dx) / det;
}

static double pixel(const rl_frame *f, const uint8_t *from, int channels, int x, int y, int k, bool repeat) {
  int width = f->from_width, height = f->from_height;
  bool outside = x < 0 || y < 0 || x >= width || y >= height;
  if (outside && !repeat) return 0;
  x = x < 0 ? 0 : x >= width ? width - 1 : x;
  y = y < 0 ? 0 : y >= height ? height - 1 : y;
  return from[((size_t)y * (size_t)width + (size_t)x) * (size_t)channels + (size_t)k];
}

static double bilinear(const rl_frame *f, const uint8_t *from, int channels, double x, double y, int k,
                       bool repeat) {
  int ix = (int)floor(x), iy = (int)floor(y);
  double fx = x - ix, fy = y - iy;
  double top = (1 - fx) * pixel(f, from, channels, ix, iy, k, repeat) +
               fx * pixel(f, from, channels, ix + 1, iy, k, repeat);
  double low = (1 - fx) * pixel(f, from, channels, ix, iy + 1, k, repeat) +
               fx * pixel(f, from, channels, ix + 1, iy + 1, k, repeat);
  return (1 - fy) * top + fy * low;
}

void rl_view_image(const rl_view *v, const uint8_t *from, int channels, const double *mean, const double *std,
                   float *to) {
  const rl_frame *f = &v->frame;
  double sum = 0, average;
  size_t n = (size_t)f->from_width * (size_t)f->from_height * (size_t)channels, i = 0;
  for (size_t j = 0; j < n; j++) sum += from[j];
  average = v->gain == 1 ? 0 : sum / (255.0 * (double)n); /* unchanged contrast leaves v/255 exact */
  for (int y = 0; y < f->height; y++) {
    for (int x = 0; x < f->width; x++) {
      double sx = x, sy = y;
      if (v->geometric) source(v, x, y, &sx, &sy);
      for (int k = 0; k < channels; k++, i++) {
        double p = v->geometric ? bilinear(f, from, channels, sx, sy, k, true) : from[i];
        double changed = (p / 255 - average) * v->gain + average + v->shift;
        to[i] = (float)((changed - mean[k]) / std[k]);
      }
    }
  }
}

void rl_view_mask(const rl_view *v, const uint8_t *from, float *to) {
  for (int y = 0; y < v->frame.height; y++) {
    for (int x = 0; x < v->frame.width; x++) {
      double sx = x, sy = y;
      if (v->geometric) source(v, x, y, &sx, &sy);
      double p = pixel(&v->frame, from, 1, (int)floor(sx + 0.5), (int)floor(sy + 0.5), 0, false);
      *to++ = p >= 128 ? 1 : 0;
    }
  }
}

bool rl_view_saliency(const rl_view *v, const uint8_t *from, float *to) {
  double sum = 0;
  size_t n = (size_t)v->frame.width * (size_t)v->frame.height, i = 0;
  for (int y = 0; y < v->frame.height; y++) {
    for (int x = 0; x < v->frame.width; x++, i++) {
      double sx = x, sy = y;
      if (v->geometric) source(v, x, y, &sx, &sy);
      double p = v->geometric ? bilinear(&v->frame, from, 1, sx, sy, 0, false) : from[i];
      to[i] = (float)p;
      sum += p;
    }
  }
  for (size_t j = 0; j < n && sum > 0; j++) to[j] = (float)(to[j] / sum);
  return sum > 0;
}
