/* phantom.h: the chest phantom, a seeded simulator of frontal chest X-rays with lung masks and simulated
** gaze. Beer-Lambert attenuation through overlapping bodies, varied per patient; classes 0 normal, 1 chf
** (enlarged heart with congestion), 2 pneumonia (opacities). Patient i is the same picture whatever else is
** drawn. Not for clinical use. */
#ifndef RL_DATA_PHANTOM_H
#define RL_DATA_PHANTOM_H

#include "data/gaze.h"

#define RL_PHANTOM_CLASSES      3
#define RL_PHANTOM_MAX_FIXATION 64
#define RL_PHANTOM_MIN_SIZE     16
#define RL_PHANTOM_MAX_SIZE     2048

typedef struct rl_phantom {
  int label; /* 0, 1, 2; patient mod 3 */
  int fixations;
  rl_fixation fixation[RL_PHANTOM_MAX_FIXATION];
} rl_phantom;

const char *rl_phantom_class(int label); /* "normal", "chf", "pneumonia" */

/* image, mask, gaze: size x size bytes each, row-major; mask 0 or 255 (lung), gaze scaled to a maximum of
** 255. */
rl_status rl_phantom_draw(uint64_t seed, uint32_t patient, int size, uint8_t *image, uint8_t *mask,
                          uint8_t *gaze, rl_phantom *about);

/* images/ masks/ saliency/ manifest.csv fixations.csv under `dir`, which is made; the first n_train
** patients train, and so on. Refuses a folder that has a manifest.csv already. The same bytes for the same
** arguments. */
rl_status rl_phantom_folder(const char *dir, int n_train, int n_val, int n_test, int size, uint64_t seed);

#endif
