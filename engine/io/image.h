/* image.h: PNG and JPEG files as 8-bit pixels, told apart by their first bytes, never by their suffix.
** Rules: 16 bit is scaled to 8; palettes become colour; alpha and tRNS are dropped, not blended; gamma,
** profiles and EXIF orientation are not applied; JPEG's YCbCr becomes RGB, its CMYK is refused. Damage is
** always an error. */
#ifndef RL_IO_IMAGE_H
#define RL_IO_IMAGE_H

#include "rille.h"

typedef struct rl_image {
  int width, height, channels; /* channels: 1 grey, 3 red, green, blue */
  uint8_t *pixels;             /* height x width x channels, counted memory */
} rl_image;

#define RL_IMAGE_MAX_PIXELS 64000000 /* of one image */
#define RL_IMAGE_MAX_BYTES  ((size_t)1 << 30)

rl_status rl_image_alloc(rl_image *image, int width, int height, int channels); /* pixels undefined */
void rl_image_drop(rl_image *image);
size_t rl_image_bytes(const rl_image *image);

/* Messages begin `image: "name": `. On failure *out is empty. */
rl_status rl_image_read(rl_image *out, const char *file);
rl_status rl_image_decode(rl_image *out, const char *name, const uint8_t *data, size_t len);

/* For the decoders: checks the size against the limits and allocates. */
rl_status rl_image_start(rl_image *out, const char *name, uint64_t width, uint64_t height, int channels);

#endif
