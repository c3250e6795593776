/* jpeg.h: JPEG through libjpeg. Rules in image.h; a warning of the library is an error here. */
#ifndef RL_IO_JPEG_H
#define RL_IO_JPEG_H

#include "io/image.h"

bool rl_jpeg_is(const uint8_t *data, size_t len);
rl_status rl_jpeg_decode(rl_image *out, const char *name, const uint8_t *data, size_t len);
rl_status rl_jpeg_write(const char *file, const rl_image *image, int quality); /* 1..100 */

#endif
