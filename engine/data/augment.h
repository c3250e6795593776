/* augment.h: from a decoded image to what a network sees: channels, size, random changes, normalisation.
** What is fixed (channels, size) stays in bytes and may be cached; what is random is drawn per (seed,
** epoch, sample). */
#ifndef RL_DATA_AUGMENT_H
#define RL_DATA_AUGMENT_H

#include "io/image.h"

/* Area average where a side shrinks (no aliasing), bilinear with pixel centres where it grows. */
rl_status rl_image_resize(rl_image *out, const rl_image *in, int width, int height);
rl_status rl_image_resize_nearest(rl_image *out, const rl_image *in, int width, int height);

/* Grey is repeated; colour is averaged. In place of *m. */
rl_status rl_image_channels(rl_image *m, int channels);

typedef struct rl_augment { /* all 0, and centred: nothing is changed but the size */
  double flip, vertical;    /* probability of a mirror image, left to right and top to bottom */
  double rotate;            /* degrees, at most, either way */
  double crop;              /* 0 to 0.9: 1-crop to 1 of each side of the window is seen, enlarged to it */
  bool centred;             /* the window lies in the picture's middle; else anywhere in it */
  double brightness;        /* added, at most, either way; the image spans 0 to 1 */
  double contrast;          /* factor 1-contrast to 1+contrast around the image's mean */
} rl_augment;

rl_status rl_augment_check(const rl_augment *a);

typedef struct rl_frame { /* a picture and the window of width x height pixels that is made of it */
  int from_width, from_height, width, height;
} rl_frame;

typedef struct rl_view { /* one draw: where each output pixel comes from, and the grey values' change */
  rl_frame frame;
  bool geometric;
  double m[6]; /* source x = m0 x + m1 y + m2, source y = m3 x + m4 y + m5; pixel centres at +0.5 */
  double gain, shift;
} rl_view;

/* Drawn from (seed, RL_STREAM_LOADER) at (epoch, sample): the same for image, mask and saliency map. Where
** nothing is turned or enlarged the window begins at a whole pixel, so its pixels are the picture's own. */
rl_view rl_augment_draw(const rl_augment *a, uint64_t seed, uint32_t epoch, uint32_t sample,
                        const rl_frame *frame);

/* Where a point of the source comes to lie; pixels, 0 at the left or upper edge of the first one. */
void rl_view_point(const rl_view *v, double *x, double *y);

/* Bytes to floats through a view. image: H x W x C, (v/255 changed - mean) / std; outside repeats the edge.
** mask: nearest, 0 or 1; saliency: bilinear, sum 1 (or all 0; then false); outside both are 0. */
void rl_view_image(const rl_view *v, const uint8_t *from, int channels, const double *mean, const double *std,
                   float *to);
void rl_view_mask(const rl_view *v, const uint8_t *from, float *to);
bool rl_view_saliency(const rl_view *v, const uint8_t *from, float *to);

#endif
