/* The phantom's healthy chest: trunk, lungs, heart, diaphragm, spine, ribs, clavicles, airways, vessels.
** Proportions after a frontal film of an adult: cardiothoracic ratio 0.38 to 0.56, domes at the tenth rib. */
#include "data/phantom_parts.h"

#include <math.h>

#define SOFT 2.3 /* attenuation of the whole trunk's depth */

void ph_anatomy(ph *p) {
  ph_part(p, PART_BODY);
  p->zoom = ph_normal(p, 1.12, 0.07);
  p->turn = ph_normal(p, 0, 0.045);
  p->shift_x = ph_normal(p, 0, 0.07);
  p->shift_y = ph_normal(p, 0.08, 0.07);
  p->depth = ph_uniform(p, 0.8, 1.3);
  p->width = ph_normal(p, 0.68, 0.05);
  p->girth = p->width + ph_uniform(p, 0.12, 0.34);
  p->apex = ph_normal(p, -0.74, 0.04);
  double breath = ph_normal(p, 0.40, 0.09);
  p->base[0] = breath;
  p->base[1] = breath + ph_normal(p, 0.06, 0.03);
  p->dome = ph_uniform(p, 0.10, 0.24);
  p->medial = ph_normal(p, 0.12, 0.018);
  p->sag = ph_normal(p, 0, 0.05);
  p->severity = ph_uniform(p, 0.15, 1);
  double ratio = ph_normal(p, p->label == 1 ? 0.495 : 0.46, 0.042) + 0.1 * (0.4 - breath);
  p->heart_a = 1.04 * ratio * p->width;
  p->heart_b = p->heart_a * ph_uniform(p, 0.66, 0.8);
  p->heart_angle = ph_uniform(p, 0.3, 0.75);
  p->heart_x = 0.30 * p->heart_a + ph_normal(p, 0, 0.025);
  p->heart_y = breath - 0.62 * p->heart_b + ph_normal(p, 0, 0.02);
}

static double spine_x(const ph *p, double y) { return p->sag * (1 - y * y) - 0.5 * p->sag; }

static double outer_x(const ph *p, double y) { /* inner side of the ribs */
  double t = (y - p->apex) / (p->base[0] + 0.25 - p->apex);
  if (t <= 0) return 0;
  return t >= 1 ? p->width : p->width * sqrt(1 - pow(1 - t, 2.5));
}

static double dome_y(const ph *p, int s, double u) {
  double v = (u - 0.36) / 0.36;
  return p->base[s > 0] + p->dome * (v < 0 ? 0.4 : 1) * v * v;
}

static double soft_min(double a, double b, double k) { /* rounds the corner over a width of k */
  double h = fmax(k - fabs(a - b), 0) / k;
  return fmin(a, b) - h * h * k * 0.25;
}

double ph_lung(const ph *p, int s, double x, double y) {
  double u = s * (x - spine_x(p, y)), lower = fmax(0, y + 0.1);
  double f = soft_min(outer_x(p, y) - u, u - p->medial - 0.06 * lower, 0.04);
  return soft_min(f, dome_y(p, s, u) - y, 0.05);
}

static double bulge(double x, double y, double rx, double ry) {
  double q = 1 - x * x / (rx * rx) - y * y / (ry * ry);
  return q > 0 ? sqrt(q) : 0;
}

double ph_heart(const ph *p, double x, double y) { /* left ventricle, right atrium, great vessels */
  double c = cos(p->heart_angle), s = sin(p->heart_angle), dx = x - p->heart_x, dy = y - p->heart_y;
  double left = bulge(c * dx + s * dy, -s * dx + c * dy, p->heart_a, p->heart_b);
  double right = bulge(x + 0.22 * p->heart_a, dy + 0.02, 0.52 * p->heart_a, 0.8 * p->heart_b);
  double above = bulge(x - 0.04, dy + 1.15 * p->heart_b, 0.42 * p->heart_a, 0.8 * p->heart_b);
  return fmin(1, 1.4 * sqrt(left * left + right * right + 0.8 * above * above));
}

static double trunk_depth(const ph *p, double x,
                          double y) { /* 0 in the air beside neck and shoulders, about 1 inside */
  double ax = fabs(x), side = 1 - pow(ax / (p->girth + 0.05 * y), 4);
  double slope = -0.86 + 0.30 * pow(fmax(0, ax - 0.2), 1.4), neck = 1 - pow(ax / 0.24, 4);
  double shoulder = fmax(0, fmin(1, (y - slope) / 0.16)), arm = fmax(0, fmin(1, 5 * (1.02 - 0.25 * y - ax)));
  double trunk = side > 0 ? sqrt(side) : 0;
  return fmax(fmax(trunk, 0.45 * arm) * sqrt(shoulder), neck > 0 ? 0.62 * sqrt(neck) : 0);
}

void ph_trunk(ph *p) {
  for (int j = 0; j < p->n; j++) {
    for (int i = 0; i < p->n; i++) {
      double x, y;
      size_t at = (size_t)j * (size_t)p->n + (size_t)i;
      ph_to_body(p, i + 0.5, j + 0.5, &x, &y);
      double f = fmax(ph_lung(p, -1, x, y), ph_lung(p, 1, x, y));
      double air = f > 0 ? 0.45 * fmin(1, f / 0.02) + 0.55 * (1 - exp(-f / 0.11)) : 0;
      p->air[at] = (float)(air * (1 - 0.88 * ph_heart(p, x, y)));
      double below = fmax(0, fmin(1, (y - p->base[x > 0]) / 0.3));
      double middle = fabs(x - spine_x(p, y)) / 0.16;
      p->att[at] =
          (float)(SOFT * p->depth * trunk_depth(p, x, y) + 0.35 * below + 0.2 * exp(-middle * middle));
    }
  }
  if (p->base[1] < 0.7)
    ph_ball(p, p->att, 0.36, p->base[1] + 0.2, 0.14, 0.09, 0.2, -0.4, false); /* gas in the stomach */
}

static void add_layer(ph *p, double amount, bool in_air) {
  for (size_t i = 0; i < (size_t)p->n * (size_t)p->n; i++)
    p->att[i] += (float)amount * p->layer[i] * (in_air ? p->air[i] : 1);
}

static void spine(ph *p) {
  ph_clear(p, p->layer);
  double tall = ph_uniform(p, 0.095, 0.115), wide = ph_uniform(p, 0.062, 0.08);
  for (double y = -1.15; y < 1.2; y += tall) {
    double x = spine_x(p, y);
    for (int k = 0; k < 3; k++) {
      double yk = y + tall * (0.2 + 0.3 * k), r = 0.17 * tall;
      ph_tube(p, p->layer, x - wide, yk, x + wide, yk, r, r, 0.01);
    }
    ph_tube(p, p->layer, x - wide, y + 0.3 * tall, x - wide, y + 0.5 * tall, 0.018, 0.018,
            0.005); /* pedicles */
    ph_tube(p, p->layer, x + wide, y + 0.3 * tall, x + wide, y + 0.5 * tall, 0.018, 0.018, 0.005);
  }
  add_layer(p, ph_uniform(p, 0.1, 0.24), false);
}

/* One rib: from the spine outwards and down (back), then inwards and down (front). */
static void rib(ph *p, int s, double y, double r, double front) {
  double px = 0, py = 0, last = y > 0.05 ? 0.46 : 0.9; /* the lowest end at the side */
  for (int k = 0; k <= 18; k++) {
    double t = k / 18.0, a = 3.1 * t * (k < 12 ? 1 : 1.02);
    double reach = fmax(0.25, outer_x(p, y + 0.22) + 0.015), u = 0.09 + (reach - 0.09) * sin(fmin(a, 2.5));
    double yy = y - 0.05 * sin(fmin(1, t * 3) * 3.1) + 0.5 * t * t + 0.1 * t;
    double x = spine_x(p, y) + s * u;
    double fade = t < 0.55 ? 1 : front;
    if (k > 0 && t < last) ph_tube(p, p->layer, px, py, x, yy, r * fade, r * fade, 0);
    px = x;
    py = yy;
  }
}

/* A rib is a shell: what is inside its cortex counts half. */
static void hollow(ph *p) {
  for (size_t i = 0; i < (size_t)p->n * (size_t)p->n; i++) {
    float v = p->layer[i];
    p->layer[i] = v > 0.75f ? 0.75f - 0.8f * (v - 0.75f) : v;
  }
}

static void ribs(ph *p) {
  double step = ph_uniform(p, 0.125, 0.145), r = ph_uniform(p, 0.022, 0.029),
         strength = ph_uniform(p, 0.18, 0.36);
  for (int side = -1; side <= 1; side += 2) {
    double y = p->apex - 0.06 + ph_normal(p, 0, 0.01);
    for (int k = 0; k < 9; k++, y += step * ph_uniform(p, 0.94, 1.06)) {
      ph_clear(p, p->layer);
      rib(p, side, y, r * (k == 0 ? 0.8 : 1), 0.8);
      hollow(p);
      add_layer(p, strength, false);
    }
  }
}

static void shoulder_bones(ph *p) {
  double lift = ph_uniform(p, 0.02, 0.16), r = ph_uniform(p, 0.026, 0.034),
         strength = ph_uniform(p, 0.3, 0.5);
  ph_clear(p, p->layer);
  for (int s = -1; s <= 1; s += 2) {
    double y = p->apex + 0.16 + ph_normal(p, 0, 0.02), x = 0.09;
    for (int k = 0; k < 6; k++, x += 0.115) {
      double next = y - lift * 0.3 + 0.03 * sin(k * 1.2);
      ph_tube(p, p->layer, s * x, y, s * (x + 0.115), next, r, r, 0);
      y = next;
    }
    ph_tube(p, p->layer, s * 0.84, y - 0.02, s * 1.02, y + 0.9, 0.075, 0.055, 0.01); /* upper arm */
    ph_tube(p, p->layer, s * 0.74, y + 0.1, s * 0.66, y + 0.62, 0.035, 0.02, 0.03);  /* edge of the scapula */
  }
  hollow(p);
  add_layer(p, strength, false);
}

static void airways(ph *p) {
  double top = -1.1, fork = p->apex + 0.42 + ph_normal(p, 0, 0.03), r = ph_uniform(p, 0.034, 0.044);
  double bend = ph_normal(p, 0.0, 0.02), x = spine_x(p, fork) - 0.015 + bend;
  ph_clear(p, p->layer);
  ph_tube(p, p->layer, spine_x(p, top), top, x, fork, r, r, 0.008);
  ph_tube(p, p->layer, x, fork, x - 0.13, fork + 0.16, r * 0.8, r * 0.6, 0.008);
  ph_tube(p, p->layer, x, fork, x + 0.17, fork + 0.13, r * 0.75, r * 0.55, 0.008);
  add_layer(p, -0.42, false);
  ph_ball(p, p->att, 0.12 + spine_x(p, fork), fork - 0.06, 0.1, 0.12, 0, 0.3, false); /* arch of the aorta */
}

void ph_skeleton(ph *p) {
  ph_part(p, PART_SKELETON);
  spine(p);
  ribs(p);
  shoulder_bones(p);
  airways(p);
}

/* A vessel and its branches, at most four generations deep. */
static void branch(ph *p, double x, double y, double angle, double r, double length, int depth, double soft) {
  int steps = 4;
  for (int k = 0; k < steps; k++) {
    double step = length / steps, bent = angle + ph_normal(p, 0, 0.16);
    double nx = x + step * cos(bent), ny = y + step * sin(bent), nr = r * 0.9;
    ph_tube(p, p->layer, x, y, nx, ny, r, nr, soft);
    if (depth > 0 && k > 0 && ph_chance(p, 0.75)) {
      double away = (k % 2 == 0 ? 1 : -1) * ph_uniform(p, 0.35, 0.9);
      branch(p, nx, ny, bent + away, nr * 0.68, length * 0.62, depth - 1, soft);
    }
    x = nx;
    y = ny;
    r = nr;
    angle = bent;
  }
}

void ph_vessels(ph *p) {
  ph_part(p, PART_VESSELS);
  bool congested = p->label == 1;
  double soft = congested ? 0.012 * p->severity * ph_uniform(p, 0.3, 1) : 0;
  double upper = congested ? ph_uniform(p, 0.75, 1.05) : ph_uniform(p, 0.6, 0.9);
  double strength = ph_uniform(p, 0.26, 0.42);
  for (int s = -1; s <= 1; s += 2) {
    double x = spine_x(p, 0) + s * (p->medial + 0.05), y = p->apex + 0.62 + (s > 0 ? -0.03 : 0.02);
    ph_clear(p, p->layer);
    for (int k = 0; k < 7; k++) {
      double down = -1.25 + 2.5 * k / 6 + ph_normal(p, 0, 0.1); /* from straight up to straight down */
      double r = 0.026 * ph_uniform(p, 0.8, 1.15) * (k < 3 ? upper : 1);
      branch(p, x, y + 0.03 * (k - 3), s > 0 ? down : 3.14159265 - down, r, ph_uniform(p, 0.42, 0.6), 2,
             soft);
    }
    add_layer(p, strength, true);
    ph_ball(p, p->att, x, y, 0.075, 0.11, 0.15 * s, 0.16, true); /* the hilum */
  }
}
