/* One row of a data set, read in full. */
#include "data/inspect.h"
#include "base/status.h"
#include "io/image.h"

#include <stdio.h>
#include <string.h>

static rl_status read_file(const rl_manifest *m, const char *file, rl_image *out) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", m->dir, file) >= (int)sizeof path)
    return rl_fail(RL_EARG, "image: a path is longer than 4095 bytes");
  return rl_image_read(out, path);
}

static uint64_t hash_of(const rl_image *m) {
  uint64_t h = 0xCBF29CE484222325u;
  const int head[3] = {m->width, m->height, m->channels};
  const uint8_t *bytes = (const uint8_t *)head;
  for (size_t i = 0; i < sizeof head; i++) h = (h ^ bytes[i]) * 0x100000001B3u;
  for (size_t i = 0; i < rl_image_bytes(m); i++) h = (h ^ m->pixels[i]) * 0x100000001B3u;
  return h;
}

static bool all_same(const rl_image *m) {
  size_t c = (size_t)m->channels, n = rl_image_bytes(m);
  for (size_t i = c; i < n; i++)
    if (m->pixels[i] != m->pixels[i - c]) return false;
  return true;
}

static rl_status look_at_map(const rl_manifest *m, const char *file, const char *kind, const rl_look *of,
                             bool *has, bool *empty) {
  rl_image map;
  char shown[200];
  *has = file[0] != '\0';
  *empty = false;
  if (!*has) return RL_OK;
  RL_TRY(read_file(m, file, &map));
  *empty = all_same(&map) && map.pixels[0] == 0;
  bool fits = map.width == of->width && map.height == of->height;
  int width = map.width, height = map.height;
  rl_image_drop(&map);
  if (fits) return RL_OK;
  return rl_fail(RL_EFORMAT, "image: \"%s\": this %s is %dx%d, its image %dx%d; make them equal",
                 rl_quote(shown, sizeof shown, file, strlen(file)), kind, width, height, of->width,
                 of->height);
}

rl_status rl_inspect(const rl_manifest *m, int row, rl_look *out) {
  const rl_row *r = &m->row[row];
  rl_image image;
  *out = (rl_look){0};
  RL_TRY(read_file(m, r->file, &image));
  *out = (rl_look){.width = image.width, .height = image.height, .channels = image.channels};
  out->hash = hash_of(&image);
  out->constant = all_same(&image);
  rl_image_drop(&image);
  RL_TRY(look_at_map(m, r->mask, "mask", out, &out->has_mask, &out->mask_empty));
  return look_at_map(m, r->saliency, "saliency map", out, &out->has_saliency, &out->saliency_empty);
}
