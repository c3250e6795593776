/* pack.h: tensors as row-major bytes and back, for files. */
#ifndef RL_IO_PACK_H
#define RL_IO_PACK_H

#include "io/bytes.h"
#include "tensor/tensor.h"

/* Row-major bytes of t: its own where it lies so, else a copy in *scratch (dropped by the caller). NULL: no
** memory. */
const void *rl_pack(const rl_tensor *t, rl_bytes *scratch);

/* u8 C x H x W, H x W or 1 x H x W, or floats of 0 to 1, as an image; and an image as u8 C x H x W. */
rl_status rl_pack_image(const rl_tensor *t, uint8_t *to, int *width, int *height,
                        int *channels); /* to NULL: sizes only */
void rl_unpack_image(const uint8_t *pixels, int width, int height, int channels, uint8_t *to);

#endif
