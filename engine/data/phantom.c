/* The chest phantom: the order of its parts, and the film: attenuation, scatter, noise, window, 8 bits. */
#include "data/phantom_parts.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 4 /* att, air, layer, cloud */

const char *rl_phantom_class(int label) {
  static const char *names[RL_PHANTOM_CLASSES] = {"normal", "chf", "pneumonia"};
  return label >= 0 && label < RL_PHANTOM_CLASSES ? names[label] : "";
}

static int canvas_side(int size) {
  return size < 256 ? 2 * size : size;
} /* small pictures: four samples a pixel */

size_t ph_scratch_floats(int size) {
  size_t n = (size_t)canvas_side(size);
  return FIELDS * n * n + LATTICE_MAX * LATTICE_MAX;
}

static void average(const ph *p, int size, const float *from,
                    float *to) { /* canvas to picture; may be in place */
  int k = p->n / size;
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size; x++) {
      float sum = 0;
      for (int j = 0; j < k; j++)
        for (int i = 0; i < k; i++) sum += from[(size_t)(y * k + j) * (size_t)p->n + (size_t)(x * k + i)];
      to[(size_t)y * (size_t)size + (size_t)x] = sum / (float)(k * k);
    }
  }
}

static void draw_mask(const ph *p, int size,
                      uint8_t *mask) { /* the lungs as far as the heart does not hide them */
  double scale = (double)p->n / size;
  for (int j = 0; j < size; j++) {
    for (int i = 0; i < size; i++) {
      double x, y;
      ph_to_body(p, (i + 0.5) * scale, (j + 0.5) * scale, &x, &y);
      bool lung = ph_lung(p, -1, x, y) > 0 || ph_lung(p, 1, x, y) > 0;
      mask[(size_t)j * (size_t)size + (size_t)i] = lung && ph_heart(p, x, y) < 0.35 ? 255 : 0;
    }
  }
}

/* Detected: e^-a plus scatter, with noise that grows as light fades. Shown: its negative logarithm. */
static void expose(ph *p, int size, float *film) {
  ph_part(p, PART_NOISE);
  double scatter = ph_uniform(p, 0.015, 0.05), grain = ph_uniform(p, 0.006, 0.016),
         tilt = ph_normal(p, 0, 0.12);
  size_t pixels = (size_t)size * (size_t)size;
  for (size_t i = 0; i < pixels; i++) {
    double light = exp(-film[i]) + scatter;
    double z = rl_normal(p->seed, RL_STREAM_PHANTOM, PART_NOISE, p->patient, 1000 + i);
    double across = (double)(i % (size_t)size) / size - 0.5;
    light += grain * sqrt(light) * z * 0.5;
    film[i] = (float)(-log(fmax(light, 0.003)) + tilt * across);
  }
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void show(ph *p, int size, float *film, float *sorted,
                 uint8_t *image) { /* window between two quantiles */
  size_t pixels = (size_t)size * (size_t)size;
  memcpy(sorted, film, pixels * sizeof *film);
  qsort(sorted, pixels, sizeof *sorted, by_value);
  double dark = sorted[pixels / 50] - ph_uniform(p, 0, 0.25), light = sorted[pixels - 1 - pixels / 50];
  double span = light - dark + ph_uniform(p, 0, 0.3), gamma = ph_uniform(p, 0.85, 1.25);
  for (size_t i = 0; i < pixels; i++) {
    double v = fmax(0, fmin(1, (film[i] - dark) / span));
    image[i] = (uint8_t)(255 * pow(v, gamma) + 0.5);
  }
}

static void draw(ph *p, int size, uint8_t *image, uint8_t *mask, uint8_t *gaze, rl_phantom *about) {
  ph_anatomy(p);
  ph_trunk(p);
  ph_skeleton(p);
  ph_vessels(p);
  ph_signs(p);
  ph_decoys(p);
  for (size_t i = 0; i < (size_t)p->n * (size_t)p->n; i++) p->att[i] -= (float)(LUNG * p->depth) * p->air[i];
  draw_mask(p, size, mask);
  average(p, size, p->att, p->cloud);
  expose(p, size, p->cloud);
  show(p, size, p->cloud, p->layer, image);
  about->label = p->label;
  ph_look(p, size, gaze, about);
}

void ph_draw_in(float *scratch, uint64_t seed, uint32_t patient, int size, uint8_t *image, uint8_t *mask,
                uint8_t *gaze, rl_phantom *about) {
  int n = canvas_side(size);
  size_t field = (size_t)n * (size_t)n;
  ph p = {.seed = seed, .patient = patient, .label = (int)(patient % RL_PHANTOM_CLASSES), .n = n};
  p.att = scratch;
  p.air = p.att + field;
  p.layer = p.air + field;
  p.cloud = p.layer + field;
  p.lattice = p.cloud + field;
  draw(&p, size, image, mask, gaze, about);
}

rl_status rl_phantom_draw(uint64_t seed, uint32_t patient, int size, uint8_t *image, uint8_t *mask,
                          uint8_t *gaze, rl_phantom *about) {
  if (size < RL_PHANTOM_MIN_SIZE || size > RL_PHANTOM_MAX_SIZE)
    return rl_fail(RL_EARG, "phantom: size %d is not between %d and %d", size, RL_PHANTOM_MIN_SIZE,
                   RL_PHANTOM_MAX_SIZE);
  void *scratch;
  size_t bytes = ph_scratch_floats(size) * sizeof(float);
  RL_TRY(rl_mem_alloc(&scratch, bytes));
  ph_draw_in(scratch, seed, patient, size, image, mask, gaze, about);
  rl_mem_free(scratch, bytes);
  return RL_OK;
}
