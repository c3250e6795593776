/* Images by content: what the first bytes say decides. */
#include "io/image.h"
#include "base/mem.h"
#include "base/status.h"
#include "io/bytes.h"
#include "io/jpeg.h"
#include "io/png.h"

#include <string.h>

size_t rl_image_bytes(const rl_image *m) {
  return (size_t)m->width * (size_t)m->height * (size_t)m->channels;
}

void rl_image_drop(rl_image *m) {
  rl_mem_free(m->pixels, rl_image_bytes(m));
  *m = (rl_image){0};
}

rl_status rl_image_alloc(rl_image *m, int width, int height, int channels) {
  void *pixels;
  size_t bytes;
  if (!rl_size_mul((size_t)width, (size_t)height, &bytes) || !rl_size_mul(bytes, (size_t)channels, &bytes))
    return rl_fail(RL_ENOMEM, "image: %dx%dx%d overflows", width, height, channels);
  RL_TRY(rl_mem_alloc(&pixels, bytes));
  *m = (rl_image){.width = width, .height = height, .channels = channels, .pixels = pixels};
  return RL_OK;
}

rl_status rl_image_start(rl_image *out, const char *name, uint64_t width, uint64_t height, int channels) {
  char shown[RL_NAMEBUF];
  if (width < 1 || height < 1 || width > 1000000 || height > 1000000)
    return rl_fail(RL_EFORMAT, "image: \"%s\": %llux%llu pixels, a side must be 1 to 1000000",
                   rl_file_name(shown, name), (unsigned long long)width, (unsigned long long)height);
  if (width * height > RL_IMAGE_MAX_PIXELS)
    return rl_fail(RL_EFORMAT, "image: \"%s\": %llux%llu is %.0f Mpixel, limit %d; make it smaller",
                   rl_file_name(shown, name), (unsigned long long)width, (unsigned long long)height,
                   (double)(width * height) / 1e6, RL_IMAGE_MAX_PIXELS / 1000000);
  return rl_image_alloc(out, (int)width, (int)height, channels);
}

static rl_status unknown(const char *name, const uint8_t *data, size_t len) {
  char shown[RL_NAMEBUF], first[48];
  rl_file_name(shown, name);
  if (len == 0) return rl_fail(RL_EFORMAT, "image: \"%s\" is empty; replace it", shown);
  if (rl_file_is_lfs(data, len))
    return rl_fail(RL_EFORMAT, "image: \"%s\" is a Git LFS pointer, not the image; run \"git lfs pull\"",
                   shown);
  rl_quote(first, sizeof first, (const char *)data, len < 8 ? len : 8);
  return rl_fail(RL_EFORMAT, "image: \"%s\": neither PNG nor JPEG (it starts with '%s'); convert it", shown,
                 first);
}

rl_status rl_image_decode(rl_image *out, const char *name, const uint8_t *data, size_t len) {
  *out = (rl_image){0};
  if (rl_png_is(data, len)) return rl_png_decode(out, name, data, len);
  if (rl_jpeg_is(data, len)) return rl_jpeg_decode(out, name, data, len);
  return unknown(name, data, len);
}

rl_status rl_image_read(rl_image *out, const char *file) {
  rl_bytes bytes;
  *out = (rl_image){0};
  RL_TRY(rl_file_read(&bytes, "image", file, RL_IMAGE_MAX_BYTES));
  rl_status s = rl_image_decode(out, file, bytes.data, bytes.len);
  rl_bytes_drop(&bytes);
  return s;
}
