/* phantom_parts.h: what the phantom's files share. Body coordinates: x to the right of the picture (the
** patient's left), y down, the picture about -1..1 in both; lengths are in these units (one is about 18
** cm). */
#ifndef RL_DATA_PHANTOM_PARTS_H
#define RL_DATA_PHANTOM_PARTS_H

#include "data/phantom.h"

/* Each part of the picture draws its random numbers from its own step, so that none disturbs another. */
enum {
  PART_BODY = 1,
  PART_SKELETON,
  PART_VESSELS,
  PART_SIGNS,
  PART_DECOYS,
  PART_NOISE,
  PART_GAZE,
  PART_CLOUD = 16
};

#define LATTICE_MAX 128
#define TARGETS_MAX 16
#define LUNG        1.55 /* attenuation that a lung full of air takes away */

typedef struct ph_target { /* something that holds the eye */
  double x, y, radius, weight;
} ph_target;

typedef struct ph { /* one patient at work */
  uint64_t seed;
  uint32_t patient, part;
  uint64_t element; /* of the part's sequence */
  int label, n;     /* canvas: n x n */
  double severity;  /* of the disease, 0.15 to 1 */
  float *att;       /* line integral of attenuation */
  float *air;       /* 0..1: how much of the lung's depth is air */
  float *layer, *cloud, *lattice;

  double zoom, turn, shift_x, shift_y; /* body to canvas */
  double depth, girth;                 /* of the trunk */
  double width, apex, base[2], dome, medial, sag;
  double heart_x, heart_y, heart_a, heart_b, heart_angle;
  int targets;
  ph_target target[TARGETS_MAX];
} ph;

void ph_part(ph *p, uint32_t part); /* starts a sequence */
double ph_uniform(ph *p, double lo, double hi);
double ph_normal(ph *p, double mean, double sd); /* cut at 2.2 sd */
bool ph_chance(ph *p, double probability);

void ph_to_canvas(const ph *p, double x, double y, double *cx, double *cy);
void ph_to_body(const ph *p, double cx, double cy, double *x, double *y);

/* Depth inside the lung of side s (-1 left of the picture, +1 right): > 0 inside, about the distance to its
** outline. */
double ph_lung(const ph *p, int s, double x, double y);
double ph_heart(const ph *p, double x, double y); /* 0 outside, up to 1 */

/* ---- shapes, on the canvas */
void ph_clear(ph *p, float *field);
/* max(field, chord of a tube / its first diameter): tapering from r0 to r1, edges `soft` wide */
void ph_tube(ph *p, float *field, double x0, double y0, double x1, double y1, double r0, double r1,
             double soft);
void ph_ball(ph *p, float *field, double x, double y, double rx, double ry, double angle, double amount,
             bool vague); /* adds an ellipsoid; vague: without an edge */
/* cloud = smooth noise of mean 0 and about unit spread, features `length` long */
void ph_cloud(ph *p, uint32_t number, double length);

/* ---- the parts, in order of drawing */
void ph_anatomy(ph *p); /* chooses the body */
void ph_trunk(ph *p);   /* att, air */
void ph_skeleton(ph *p);
void ph_vessels(ph *p);
void ph_signs(ph *p);  /* of the disease; notes targets */
void ph_decoys(ph *p); /* devices, folds, shadows: in all classes */
void ph_aim(ph *p, double x, double y, double radius, double weight); /* notes a target */
void ph_look(ph *p, int size, uint8_t *gaze, rl_phantom *about);

/* One patient in scratch that the caller owns: for parallel loops, which may not allocate. */
size_t ph_scratch_floats(int size);
void ph_draw_in(float *scratch, uint64_t seed, uint32_t patient, int size, uint8_t *image, uint8_t *mask,
                uint8_t *gaze, rl_phantom *about);

#endif
