/* What the phantom's readers look for, and what may mislead them. Congestion: septal (Kerley B) lines,
** reticular lines, cuffed bronchi, vague hila. Pneumonia: mottled opacities with air bronchograms. Smooth
** shadows, folds and devices come in all classes, so that brightness alone tells little. */
#include "data/phantom_parts.h"

#include <math.h>

void ph_aim(ph *p, double x, double y, double radius, double weight) {
  if (p->targets < TARGETS_MAX) p->target[p->targets++] = (ph_target){x, y, radius, weight};
}

/* A point in the lung of side s, at least `inset` from its outline and not behind the heart. */
static bool place(ph *p, int s, double inset, double top, double bottom, double *x, double *y) {
  for (int tries = 0; tries < 60; tries++) {
    *x = s * ph_uniform(p, p->medial, p->width);
    *y = ph_uniform(p, top, bottom);
    if (ph_lung(p, s, *x, *y) > inset && ph_heart(p, *x, *y) < 0.3) return true;
  }
  return false;
}

static void add_in_air(ph *p, const float *field, double amount) {
  for (size_t i = 0; i < (size_t)p->n * (size_t)p->n; i++)
    p->att[i] += (float)(LUNG * amount) * field[i] * p->air[i];
}

static void septal_lines(ph *p, int s) { /* short, horizontal, at the edge of the lower lung */
  int lines = (int)(5 + 9 * p->severity);
  double y = p->base[s > 0] - ph_uniform(p, 0.0, 0.08), middle_x = 0, middle_y = 0;
  int drawn = 0;
  for (int k = 0; k < lines; k++, y -= ph_uniform(p, 0.028, 0.045)) {
    double u = p->width;
    while (u > 0.3 && ph_lung(p, s, s * u, y) < 0.006) u -= 0.008;
    double length = ph_uniform(p, 0.07, 0.13), tilt = ph_normal(p, 0, 0.012), r = ph_uniform(p, 0.006, 0.009);
    ph_tube(p, p->layer, s * u, y, s * (u - length), y + tilt, r, r * 0.8, 0);
    middle_x += s * (u - 0.5 * length);
    middle_y += y;
    drawn++;
  }
  if (drawn > 0) ph_aim(p, middle_x / drawn, middle_y / drawn, 0.11, 1.0);
}

static void reticular_lines(ph *p, int s) { /* a fine net, denser below */
  int lines = (int)(70 + 120 * p->severity);
  double x, y;
  for (int k = 0; k < lines; k++) {
    double top = ph_chance(p, 0.65) ? -0.15 : p->apex;
    if (!place(p, s, 0.01, top, p->base[s > 0] + 0.2, &x, &y)) continue;
    double a = ph_uniform(p, 0, 3.14159265), l = ph_uniform(p, 0.02, 0.045), r = ph_uniform(p, 0.005, 0.008);
    ph_tube(p, p->layer, x - l * cos(a), y - l * sin(a), x + l * cos(a), y + l * sin(a), r, r, 0);
  }
}

static void cuffed_bronchi(ph *p, int s) { /* small rings around the hila */
  for (int k = 0; k < 4; k++) {
    double x = s * (p->medial + ph_uniform(p, 0.06, 0.2)), y = p->apex + 0.62 + ph_normal(p, 0, 0.12);
    double r = ph_uniform(p, 0.018, 0.028), px = x + r, py = y;
    for (int i = 1; i <= 8; i++) {
      double a = i * 0.785398163;
      ph_tube(p, p->layer, px, py, x + r * cos(a), y + r * sin(a), 0.007, 0.007, 0);
      px = x + r * cos(a);
      py = y + r * sin(a);
    }
  }
}

static void congestion(ph *p, double amount) {
  for (int s = -1; s <= 1; s += 2) {
    ph_clear(p, p->layer);
    septal_lines(p, s);
    reticular_lines(p, s);
    cuffed_bronchi(p, s);
    add_in_air(p, p->layer, amount);
    ph_aim(p, s * (p->medial + 0.1), p->apex + 0.62, 0.09, 0.5);
  }
  ph_aim(p, p->heart_x + 0.75 * p->heart_a, p->heart_y + 0.1, 0.07, 0.5);
}

/* Dark branching lines where bronchi stay open inside a filled region. */
static void bronchograms(ph *p, int s, double x, double y, double r) {
  double hx = s * p->medial, hy = p->apex + 0.62, a = atan2(y - hy, x - hx);
  ph_clear(p, p->layer);
  for (int k = 0; k < 3; k++) {
    double b = a + ph_normal(p, 0, 0.35), sx = x - 0.8 * r * cos(a),
           sy = y - 0.8 * r * sin(a) + 0.25 * r * (k - 1);
    double ex = sx + 1.3 * r * cos(b), ey = sy + 1.3 * r * sin(b);
    ph_tube(p, p->layer, sx, sy, ex, ey, 0.013, 0.008, 0);
    ph_tube(p, p->layer, 0.5 * (sx + ex), 0.5 * (sy + ey), ex + 0.4 * r * sin(b), ey - 0.4 * r * cos(b), 0.01,
            0.006, 0);
  }
}

/* A filled region: mottled, with an outline that noise makes ragged, and open bronchi in it. */
static void opacity(ph *p, uint32_t number, int s, double x, double y, double r, double amount) {
  double cx, cy, unit = 0.5 * p->n * p->zoom, squeeze = ph_uniform(p, 0.7, 1.3);
  ph_to_canvas(p, x, y, &cx, &cy);
  bronchograms(p, s, x, y, r);
  ph_cloud(p, 2 * number, 0.055);
  for (int j = 0; j < p->n; j++) {
    for (int i = 0; i < p->n; i++) {
      size_t at = (size_t)j * (size_t)p->n + (size_t)i;
      double ex = (i + 0.5 - cx) / unit / r * squeeze, ey = (j + 0.5 - cy) / unit / r / squeeze,
             q = ex * ex + ey * ey;
      if (q > 2.5) continue;
      double fill = fmax(0, exp(-1.1 * q) - 0.06) * (1 + 0.75 * p->cloud[at]);
      p->att[at] += (float)(LUNG * amount * fmax(0, fill) * (1 - 0.7 * p->layer[at])) * p->air[at];
    }
  }
  ph_aim(p, x, y, 0.5 * r, 2.2 * amount / 0.4);
}

/* Faint scars in lungs without congestion: as fine a net, on one side only or on both. */
static void old_scars(ph *p) {
  double amount = ph_uniform(p, 0.02, 0.06);
  int both = ph_chance(p, 0.6) ? 1 : 0, first = ph_chance(p, 0.5) ? 1 : -1;
  for (int k = 0; k <= both; k++, first = -first) {
    ph_clear(p, p->layer);
    reticular_lines(p, first);
    add_in_air(p, p->layer, amount);
  }
}

static void pneumonia(ph *p) {
  int patches = 1 + (ph_chance(p, 0.4) ? 1 : 0) + (ph_chance(p, 0.2) ? 1 : 0),
      side = ph_chance(p, 0.5) ? 1 : -1;
  for (int k = 0; k < patches; k++) {
    double x, y;
    if (ph_chance(p, 0.35)) side = -side;
    if (!place(p, side, 0.03, p->apex + 0.1, p->base[side > 0] + 0.05, &x, &y)) continue;
    double r = ph_uniform(p, 0.11, 0.2);
    opacity(p, (uint32_t)k, side, x, y, r, (0.27 + 0.25 * p->severity) * ph_uniform(p, 0.8, 1.1));
  }
}

void ph_signs(ph *p) {
  ph_part(p, PART_SIGNS);
  if (p->label == 1) congestion(p, 0.045 + 0.125 * p->severity);
  if (p->label != 1 && ph_chance(p, 0.25)) old_scars(p);
  if (p->label == 2) pneumonia(p);
}

static void smooth_shadows(ph *p) { /* breasts, folds, uneven exposure, hazy hila: in every class */
  if (ph_chance(p, 0.5)) {
    double r = ph_uniform(p, 0.2, 0.32), y = ph_uniform(p, 0.15, 0.45), a = ph_uniform(p, 0.1, 0.4);
    for (int s = -1; s <= 1; s += 2)
      ph_ball(p, p->att, s * ph_uniform(p, 0.38, 0.5), y, r, r * 0.85, 0, a, true);
  }
  int folds = ph_chance(p, 0.75) ? (ph_chance(p, 0.4) ? 2 : 1) : 0;
  for (int k = 0; k < folds; k++) {
    double x, y, r = ph_uniform(p, 0.13, 0.26);
    if (place(p, ph_chance(p, 0.5) ? 1 : -1, 0.02, p->apex + 0.1, p->base[1] + 0.05, &x, &y))
      ph_ball(p, p->att, x, y, r, r * ph_uniform(p, 0.6, 1), ph_uniform(p, 0, 3), ph_uniform(p, 0.12, 0.4),
              true);
  }
  for (int s = -1; s <= 1; s += 2)
    ph_ball(p, p->att, s * (p->medial + 0.1), p->apex + 0.65, 0.22, 0.3, 0, ph_uniform(p, 0, 0.3), true);
}

static void wire(ph *p, double x, double y, double angle, double length, double r) {
  for (double done = 0; done < length; done += 0.08) {
    angle += ph_normal(p, 0, 0.22);
    double nx = x + 0.08 * cos(angle), ny = y + 0.08 * sin(angle);
    ph_tube(p, p->layer, x, y, nx, ny, r, r, 0);
    x = nx;
    y = ny;
  }
}

static void devices(ph *p) {
  double strength = 0;
  ph_clear(p, p->layer);
  int leads = ph_chance(p, 0.4) ? 1 + (int)ph_uniform(p, 0, 3) : 0;
  for (int k = 0; k < leads; k++) {
    double x = ph_uniform(p, -0.6, 0.6), y = ph_uniform(p, -0.5, 0.5);
    wire(p, x, y, ph_uniform(p, -2.4, -0.8), ph_uniform(p, 0.4, 1.1), 0.007);
    ph_ball(p, p->layer, x, y, 0.03, 0.03, 0, 1.2, false);
    ph_aim(p, x, y, 0.03, 0.5);
  }
  if (ph_chance(p, 0.12)) { /* a pacemaker and its lead */
    double x = 0.5 + ph_normal(p, 0, 0.05), y = p->apex + 0.35;
    ph_tube(p, p->layer, x - 0.04, y, x + 0.04, y, 0.055, 0.055, 0);
    wire(p, x - 0.05, y - 0.03, 2.2, 0.7, 0.008);
    ph_aim(p, x, y, 0.05, 0.8);
  }
  if (ph_chance(p, 0.25)) wire(p, 0.1, -1, 1.5, ph_uniform(p, 0.7, 1.1), 0.01); /* a central line */
  strength = ph_uniform(p, 0.3, 0.8);
  for (size_t i = 0; i < (size_t)p->n * (size_t)p->n; i++) p->att[i] += (float)strength * p->layer[i];
}

static void small_dots(ph *p) { /* old calcified spots */
  int dots = (int)ph_uniform(p, 0, 4);
  for (int k = 0; k < dots; k++) {
    double x, y, r = ph_uniform(p, 0.012, 0.024);
    if (!place(p, ph_chance(p, 0.5) ? 1 : -1, 0.02, p->apex, p->base[0], &x, &y)) continue;
    ph_ball(p, p->att, x, y, r, r, 0, ph_uniform(p, 0.15, 0.4), false);
  }
}

void ph_decoys(ph *p) {
  ph_part(p, PART_DECOYS);
  smooth_shadows(p);
  devices(p);
  small_dots(p);
}
