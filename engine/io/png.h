/* png.h: PNG through libpng's row interface. Rules in image.h. */
#ifndef RL_IO_PNG_H
#define RL_IO_PNG_H

#include "io/image.h"

bool rl_png_is(const uint8_t *data, size_t len);
rl_status rl_png_decode(rl_image *out, const char *name, const uint8_t *data, size_t len);

/* 8 bit, grey or RGB; the same bytes for the same pixels (and zlib). */
rl_status rl_png_write(const char *file, const rl_image *image);

#endif
