/* The phantom's random numbers, coordinates and shapes. */
#include "data/phantom_parts.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

void ph_part(ph *p, uint32_t part) {
  p->part = part;
  p->element = 0;
}

double ph_uniform(ph *p, double lo, double hi) {
  return lo + (hi - lo) * rl_uniform(p->seed, RL_STREAM_PHANTOM, p->part, p->patient, p->element++);
}

double ph_normal(ph *p, double mean, double sd) {
  double z = rl_normal(p->seed, RL_STREAM_PHANTOM, p->part, p->patient, p->element++);
  return mean + sd * fmax(-2.2, fmin(2.2, z));
}

bool ph_chance(ph *p, double probability) { return ph_uniform(p, 0, 1) < probability; }

void ph_to_canvas(const ph *p, double x, double y, double *cx, double *cy) {
  double c = cos(p->turn), s = sin(p->turn), half = 0.5 * p->n;
  *cx = half * (1 + p->shift_x + p->zoom * (c * x - s * y));
  *cy = half * (1 + p->shift_y + p->zoom * (s * x + c * y));
}

void ph_to_body(const ph *p, double cx, double cy, double *x, double *y) {
  double c = cos(p->turn), s = sin(p->turn), half = 0.5 * p->n;
  double u = (cx / half - 1 - p->shift_x) / p->zoom, v = (cy / half - 1 - p->shift_y) / p->zoom;
  *x = c * u + s * v;
  *y = -s * u + c * v;
}

void ph_clear(ph *p, float *field) { memset(field, 0, (size_t)p->n * (size_t)p->n * sizeof *field); }

typedef struct box {
  int x0, x1, y0, y1;
} box;

static int inside(const ph *p, double v) { return v < 0 ? 0 : v > p->n - 1 ? p->n - 1 : (int)v; }

static box box_around(const ph *p, double x0, double y0, double x1, double y1, double margin) {
  return (box){inside(p, fmin(x0, x1) - margin), inside(p, fmax(x0, x1) + margin + 1),
               inside(p, fmin(y0, y1) - margin), inside(p, fmax(y0, y1) + margin + 1)};
}

/* Chord through a round tube of radius r at distance d from its axis, over 2r; edges blurred over `soft`. */
static double chord(double d, double r, double soft) {
  double q = 1 - d * d / (r * r), core = q > 0 ? sqrt(q) : 0;
  if (soft <= 0) return core;
  double wide = r + soft, g = 1 - d * d / (wide * wide);
  return g > 0 ? r / wide * g * sqrt(g) + (1 - r / wide) * 0.5 * core : 0;
}

void ph_tube(ph *p, float *field, double x0, double y0, double x1, double y1, double r0, double r1,
             double soft) {
  double ax, ay, bx, by, unit = 0.5 * p->n * p->zoom;
  ph_to_canvas(p, x0, y0, &ax, &ay);
  ph_to_canvas(p, x1, y1, &bx, &by);
  double dx = bx - ax, dy = by - ay, len2 = dx * dx + dy * dy + 1e-12, ra = r0 * unit, rb = r1 * unit;
  soft *= unit;
  box b = box_around(p, ax, ay, bx, by, fmax(ra, rb) + soft + 1);
  for (int y = b.y0; y <= b.y1; y++) {
    for (int x = b.x0; x <= b.x1; x++) {
      double ex = x + 0.5 - ax, ey = y + 0.5 - ay, t = fmax(0, fmin(1, (ex * dx + ey * dy) / len2));
      double d = hypot(ex - t * dx, ey - t * dy), r = ra + t * (rb - ra);
      double drawn = fmax(r, 0.6); /* thinner than a pixel: as wide as one, and fainter */
      float v = (float)(chord(d, drawn, soft) * r / ra * fmin(1, r / drawn * 1.2));
      float *to = &field[(size_t)y * (size_t)p->n + (size_t)x];
      if (v > *to) *to = v;
    }
  }
}

void ph_ball(ph *p, float *field, double x, double y, double rx, double ry, double angle, double amount,
             bool vague) {
  double cx, cy, unit = 0.5 * p->n * p->zoom;
  ph_to_canvas(p, x, y, &cx, &cy);
  double c = cos(angle + p->turn), s = sin(angle + p->turn);
  box b = box_around(p, cx, cy, cx, cy, fmax(rx, ry) * unit + 1);
  for (int j = b.y0; j <= b.y1; j++) {
    for (int i = b.x0; i <= b.x1; i++) {
      double ex = (i + 0.5 - cx) / unit, ey = (j + 0.5 - cy) / unit;
      double u = (c * ex + s * ey) / rx, v = (-s * ex + c * ey) / ry, q = 1 - u * u - v * v;
      if (q > 0) field[(size_t)j * (size_t)p->n + (size_t)i] += (float)(amount * (vague ? q * q : sqrt(q)));
    }
  }
}

static double smooth(double t) { return t * t * (3 - 2 * t); }

static void fill_lattice(ph *p, uint32_t number, int cells) {
  uint32_t w[4];
  for (int i = 0; i < cells * cells; i++) {
    if (i % 4 == 0)
      rl_philox(p->seed, RL_STREAM_PHANTOM, PART_CLOUD + number, p->patient, (uint64_t)i / 4, w);
    p->lattice[i] = (float)((double)w[i % 4] * 0x1p-31 - 1);
  }
}

void ph_cloud(ph *p, uint32_t number, double length) {
  int cells = (int)(2 / (length * p->zoom)) + 2;
  if (cells > LATTICE_MAX) cells = LATTICE_MAX;
  fill_lattice(p, number, cells);
  double step = (double)(cells - 1) / p->n;
  for (int y = 0; y < p->n; y++) {
    double fy = (y + 0.5) * step;
    int iy = (int)fy;
    double ty = smooth(fy - iy);
    const float *r0 = p->lattice + iy * cells, *r1 = r0 + (iy + 1 < cells ? cells : 0);
    for (int x = 0; x < p->n; x++) {
      double fx = (x + 0.5) * step;
      int ix = (int)fx, ix1 = ix + 1 < cells ? ix + 1 : ix;
      double tx = smooth(fx - ix);
      double top = r0[ix] + tx * (r0[ix1] - r0[ix]), low = r1[ix] + tx * (r1[ix1] - r1[ix]);
      p->cloud[(size_t)y * (size_t)p->n + (size_t)x] = (float)(2.4 * (top + ty * (low - top)));
    }
  }
}
