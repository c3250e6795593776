/* views.h: random views of an image for self-supervised training, drawn and made as torchvision's transforms
** do, on numbers from 0 to 1, in this order: random resized crop, flip, rotation, colour jitter, grayscale,
** blur, solarisation. A view is a function of its draw alone, a draw of (seed, epoch, sample, view). */
#ifndef RL_DATA_VIEWS_H
#define RL_DATA_VIEWS_H

#include "io/image.h"

#define RL_VIEWS_MAX 8 /* views of one image */

typedef struct rl_transform { /* how one view is drawn; probabilities where nothing else is said */
  double crop[2], ratio[2];   /* shares of the image's area, and width / height, from and to */
  double flip, rotate;        /* mirrored left to right; degrees, at most, either way */
  double jitter;              /* the four that follow, in a random order */
  double brightness, contrast, saturation; /* factors from max(0, 1 - v) to 1 + v */
  double hue;                              /* turns of the colour circle, either way, at most 0.5 */
  double grayscale, blur;
  double sigma[2];            /* of the Gaussian blur, pixels of the view */
  int kernel;                 /* its taps, odd */
  double solarize, threshold; /* values from threshold on are turned to 1 - value */
} rl_transform;

rl_status rl_transform_check(const rl_transform *t);

enum { RL_BRIGHTNESS, RL_CONTRAST, RL_SATURATION, RL_HUE, RL_JITTERS };

typedef struct rl_drawn {  /* one draw for an image of known size */
  int x, y, width, height; /* the crop, pixels of the image */
  bool flip, jitter, grayscale, solarize;
  double angle;              /* radians */
  double factor[RL_JITTERS]; /* by what; hue: a shift */
  int order[RL_JITTERS];     /* which comes first */
  double sigma;              /* 0: no blur */
  int kernel;
  double threshold;
} rl_drawn;

/* From (seed, RL_STREAM_VIEWS) at (epoch, sample, view). */
rl_drawn rl_transform_draw(const rl_transform *t, uint64_t seed, uint32_t epoch, uint32_t sample, int view,
                           int width, int height);

/* to: height x width x channels, (value - mean) / std. Grey is repeated, colour averaged at the end; grey
** images know no saturation, hue and grayscale. */
rl_status rl_drawn_apply(const rl_drawn *d, const rl_image *image, int width, int height, int channels,
                         const double *mean, const double *std, float *to);

#endif
