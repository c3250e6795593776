/* Padding, stretching, and sizes from headers. */
#include "data/canvas.h"
#include "base/status.h"
#include "io/bytes.h"
#include "io/jpeg.h"
#include "io/png.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

rl_status rl_image_pad(rl_image *m, int width, int height) {
  rl_image out;
  if (m->width > width || m->height > height)
    return rl_fail(RL_EARG, "canvas: a picture of %dx%d does not fit into %dx%d", m->height, m->width, height,
                   width);
  RL_TRY(rl_image_alloc(&out, width, height, m->channels));
  memset(out.pixels, 0, rl_image_bytes(&out));
  size_t c = (size_t)m->channels, line = (size_t)m->width * c;
  size_t left = (size_t)((width - m->width) / 2), top = (size_t)((height - m->height) / 2);
  for (size_t y = 0; y < (size_t)m->height; y++)
    memcpy(out.pixels + ((top + y) * (size_t)width + left) * c, m->pixels + y * line, line);
  rl_image_drop(m);
  *m = out;
  return RL_OK;
}

int rl_image_stretch(rl_image *m) {
  int most = 0;
  size_t n = rl_image_bytes(m);
  for (size_t i = 0; i < n; i++) most = m->pixels[i] > most ? m->pixels[i] : most;
  for (size_t i = 0; i < n && most > 0 && most < 255; i++)
    m->pixels[i] = (uint8_t)((m->pixels[i] * 255 + most / 2) / most);
  return most;
}

/* ---- sizes */

static unsigned big(const uint8_t *p, int bytes) {
  unsigned v = 0;
  for (int i = 0; i < bytes; i++) v = v << 8 | p[i];
  return v;
}

static bool is_frame(int marker) { /* SOF0 to SOF15 but for DHT, JPG, DAC */
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

static bool jpeg_size(FILE *f, unsigned *width, unsigned *height) { /* from segment to segment */
  uint8_t b[7];
  if (fseek(f, 2, SEEK_SET) != 0) return false;
  for (int segments = 0; segments < 1000; segments++) {
    int c = getc(f);
    if (c != 0xFF) return false;
    while (c == 0xFF) c = getc(f);
    if (c == EOF || c == 0xDA || fread(b, 1, 2, f) != 2 || big(b, 2) < 2) return false;
    if (is_frame(c)) {
      if (fread(b, 1, 5, f) != 5) return false;
      *height = big(b + 1, 2), *width = big(b + 3, 2);
      return true;
    }
    if (fseek(f, (long)big(b, 2) - 2, SEEK_CUR) != 0) return false;
  }
  return false;
}

static rl_status read_size(FILE *f, const char *file, unsigned *width, unsigned *height) {
  uint8_t head[256]; /* a Git LFS pointer fits in */
  char shown[RL_NAMEBUF];
  size_t n = fread(head, 1, sizeof head, f);
  *width = *height = 0;
  if (rl_png_is(head, n)) {
    if (n >= 24) *width = big(head + 16, 4), *height = big(head + 20, 4);
  } else if (rl_jpeg_is(head, n)) {
    if (!jpeg_size(f, width, height)) *width = 0;
  } else { /* the decoder has the words for it */
    rl_image none;
    return rl_image_decode(&none, file, head, n);
  }
  if (*width >= 1 && *height >= 1 && *width <= 1000000 && *height <= 1000000) return RL_OK;
  return rl_fail(RL_EFORMAT, "image: \"%s\": its size cannot be read, the file is damaged; replace it",
                 rl_file_name(shown, file));
}

rl_status rl_image_size(const char *file, int *width, int *height) {
  char shown[RL_NAMEBUF];
  unsigned w, h;
  FILE *f = fopen(file, "rb");
  if (f == NULL)
    return rl_fail(RL_EIO, "image: \"%s\": cannot open: %s", rl_file_name(shown, file), strerror(errno));
  rl_status s = read_size(f, file, &w, &h);
  fclose(f);
  *width = (int)w, *height = (int)h;
  return s;
}
