/* Tensors as row-major bytes and as images. */
#include "io/pack.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

static void copy_strided(const rl_tensor *t, uint8_t *to) {
  size_t one = rl_dtype_size(t->dtype);
  int rank = t->shape.rank;
  int64_t at[RL_MAXRANK] = {0}, offset = 0, count = rl_count(t);
  for (int64_t i = 0; i < count; i++, to += one) {
    memcpy(to, rl_at(t, offset), one);
    for (int d = rank - 1; d >= 0; d--) {
      offset += t->stride[d];
      if (++at[d] < t->shape.size[d]) break;
      offset -= t->stride[d] * t->shape.size[d];
      at[d] = 0;
    }
  }
}

const void *rl_pack(const rl_tensor *t, rl_bytes *scratch) {
  const void *own = rl_data(t);
  if (own == NULL) {
    (void)rl_fail(RL_EARG, "io.save: this tensor has a shape only, no elements");
    return NULL;
  }
  if (rl_is_rowmajor(t)) return own;
  scratch->len = 0;
  size_t bytes = (size_t)rl_count(t) * rl_dtype_size(t->dtype);
  if (rl_bytes_reserve(scratch, bytes) != RL_OK) return NULL;
  copy_strided(t, scratch->data);
  return scratch->data;
}

static double value(const rl_tensor *t, int64_t offset) { /* 0 to 255 */
  const void *p = rl_at(t, offset);
  if (t->dtype == RL_U8) return *(const uint8_t *)p;
  if (t->dtype == RL_BOOL) return *(const uint8_t *)p ? 255 : 0;
  return 255 * (t->dtype == RL_F64 ? *(const double *)p : (double)*(const float *)p);
}

rl_status rl_pack_image(const rl_tensor *t, uint8_t *to, int *width, int *height, int *channels) {
  int r = t->shape.rank;
  int64_t c = r == 3 ? t->shape.size[0] : 1;
  if ((r != 2 && r != 3) || (c != 1 && c != 3) || rl_count(t) == 0 || t->shape.size[r - 1] > 65500 ||
      t->shape.size[r - 2] > 65500)
    return rl_fail(RL_ESHAPE, "image: a tensor of %s is no picture; give HxW, 1xHxW or 3xHxW",
                   rl_shape_text(&t->shape));
  if (t->dtype == RL_I64 || t->dtype == RL_I32 || rl_data(t) == NULL)
    return rl_fail(RL_ETYPE, "image: the dtype is %s; give u8, bool, or floats of 0 to 1",
                   rl_dtype_name(t->dtype));
  *channels = (int)c;
  *height = (int)t->shape.size[r - 2];
  *width = (int)t->shape.size[r - 1];
  for (int y = 0; to != NULL && y < *height; y++) {
    for (int x = 0; x < *width; x++) {
      for (int k = 0; k < *channels; k++) {
        double v = value(t, (r == 3 ? k * t->stride[0] : 0) + y * t->stride[r - 2] + x * t->stride[r - 1]);
        *to++ = (uint8_t)(v > 0 ? fmin(255, v + 0.5) : 0); /* NaN becomes 0 */
      }
    }
  }
  return RL_OK;
}

void rl_unpack_image(const uint8_t *pixels, int width, int height, int channels, uint8_t *to) {
  size_t n = (size_t)width * (size_t)height, c = (size_t)channels;
  for (size_t k = 0; k < c; k++)
    for (size_t i = 0; i < n; i++) to[k * n + i] = pixels[i * c + k];
}
