/* Simulated reading: fixations that scan the chest along its landmarks and dwell on what stands out, and
** the map that their durations give after a Gaussian blur of 3.5 % of the picture's width. */
#include "data/phantom_parts.h"

#include <math.h>
#include <string.h>

#define BLUR 0.035

static void fixate(ph *p, int size, rl_phantom *about, double x, double y, double duration_s) {
  double cx, cy, scale = (double)size / p->n;
  if (about->fixations == RL_PHANTOM_MAX_FIXATION) return;
  ph_to_canvas(p, x, y, &cx, &cy);
  rl_fixation *f = &about->fixation[about->fixations];
  f->x = fmax(0, fmin(size - 0.01, cx * scale));
  f->y = fmax(0, fmin(size - 0.01, cy * scale));
  const rl_fixation *last = about->fixations > 0 ? f - 1 : NULL;
  f->onset_s =
      last == NULL ? 0.2 : last->onset_s + last->duration_s + ph_uniform(p, 0.02, 0.06); /* a saccade */
  f->duration_s = duration_s;
  about->fixations++;
}

static void scan(ph *p, int size, rl_phantom *about) { /* from the top down, crossing from side to side */
  double hilum = p->apex + 0.62;
  for (int k = 0; k < 5; k++) {
    for (int side = -1; side <= 1; side += 2) {
      double low = p->base[side > 0];
      double at[5][2] = {{0.32, p->apex + 0.2},
                         {0.46, hilum - 0.15},
                         {p->medial + 0.08, hilum},
                         {0.4, low - 0.18},
                         {p->width * 0.86, low + 0.02}};
      if (!ph_chance(p, 0.5)) continue;
      fixate(p, size, about, side * at[k][0] + ph_normal(p, 0, 0.05), at[k][1] + ph_normal(p, 0, 0.05),
             ph_uniform(p, 0.12, 0.34));
    }
  }
  if (ph_chance(p, 0.6)) fixate(p, size, about, p->heart_x, p->heart_y, ph_uniform(p, 0.15, 0.4));
}

static void dwell(ph *p, int size, rl_phantom *about, const ph_target *t) {
  int visits = (int)(t->weight * ph_uniform(p, 2, 4) + 0.5);
  for (int k = 0; k < visits; k++)
    fixate(p, size, about, t->x + ph_normal(p, 0, t->radius * 0.6), t->y + ph_normal(p, 0, t->radius * 0.6),
           ph_uniform(p, 0.25, 0.6));
}

static void map(int size, const rl_phantom *about, float *field, uint8_t *gaze) {
  double sigma = BLUR * size, most = 0;
  memset(field, 0, (size_t)size * (size_t)size * sizeof *field);
  for (int k = 0; k < about->fixations; k++) {
    const rl_fixation *f = &about->fixation[k];
    for (int y = 0; y < size; y++) {
      double dy = (y + 0.5 - f->y) / sigma;
      if (fabs(dy) > 4.5) continue;
      for (int x = 0; x < size; x++) {
        double dx = (x + 0.5 - f->x) / sigma, q = dx * dx + dy * dy;
        if (q < 20) field[(size_t)y * (size_t)size + (size_t)x] += (float)(f->duration_s * exp(-0.5 * q));
      }
    }
  }
  for (size_t i = 0; i < (size_t)size * (size_t)size; i++) most = fmax(most, field[i]);
  for (size_t i = 0; i < (size_t)size * (size_t)size; i++)
    gaze[i] = (uint8_t)(most > 0 ? 255 * field[i] / most + 0.5 : 0);
}

void ph_look(ph *p, int size, uint8_t *gaze, rl_phantom *about) {
  ph_part(p, PART_GAZE);
  about->fixations = 0;
  scan(p, size, about);
  for (int k = 0; k < p->targets; k++) dwell(p, size, about, &p->target[k]);
  if (about->fixations == 0) fixate(p, size, about, 0, 0, 0.3);
  map(size, about, p->layer, gaze);
}
