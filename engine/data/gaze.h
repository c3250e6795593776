/* gaze.h: maps of where somebody looked, from points: a sum of Gaussians, averaged over each pixel's area. */
#ifndef RL_DATA_GAZE_H
#define RL_DATA_GAZE_H

#include "rille.h"

typedef struct rl_fixation {
  double x, y;                /* pixels, 0 at the left or upper edge of the first one */
  double onset_s, duration_s; /* seconds since the picture appeared */
} rl_fixation;

typedef struct rl_gaze_at {
  double x, y;   /* pixels of the map; 0 is the left or upper edge of the first one */
  double weight; /* above 0: a count, or seconds */
} rl_gaze_at;

/* Adds the points to a map of height x width. sigma in pixels of the map; cut at four of them. */
rl_status rl_gaze_map(float *to, int width, int height, const rl_gaze_at *at, int n, double sigma_x,
                      double sigma_y);

/* As bytes, the largest value 255; all 0 for a map without points. */
void rl_gaze_bytes(const float *map, size_t n, uint8_t *to);

#endif
