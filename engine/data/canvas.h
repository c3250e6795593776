/* canvas.h: pictures of differing size on one canvas, and a picture's size without decoding it. */
#ifndef RL_DATA_CANVAS_H
#define RL_DATA_CANVAS_H

#include "io/image.h"

/* Zeros around the picture, which stays in the middle (an odd pixel goes to the right and below). In place of
** *m; the canvas is at least as large. */
rl_status rl_image_pad(rl_image *m, int width, int height);

/* Multiplies so that the largest value becomes 255; returns what it was. */
int rl_image_stretch(rl_image *m);

/* From the first bytes of a PNG or JPEG file: only as much as the size needs is read. Damage behind it goes
** unseen. */
rl_status rl_image_size(const char *file, int *width, int *height);

#endif
