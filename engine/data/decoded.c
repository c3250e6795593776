#include "data/decoded.h"
#include "base/mem.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

static rl_status read_part(const rl_decoding *how, const char *file, const rl_image *like, const char *kind,
                           rl_image *out) {
  char path[4096], shown[200];
  if (snprintf(path, sizeof path, "%s/%s", how->m->dir, file) >= (int)sizeof path)
    return rl_fail(RL_EARG, "image: a path is longer than 4095 bytes");
  RL_TRY(rl_image_read(out, path));
  if (like == NULL || (out->width == like->width && out->height == like->height)) return RL_OK;
  rl_status s = rl_fail(RL_EFORMAT, "image: \"%s\": this %s is %dx%d, its image %dx%d; make them equal",
                        rl_quote(shown, sizeof shown, path, strlen(path)), kind, out->width, out->height,
                        like->width, like->height);
  rl_image_drop(out);
  return s;
}

static rl_status fit(const rl_decoded *d, rl_image *m, int channels, bool nearest,
                     uint8_t *to) { /* empties *m */
  rl_image sized = {0};
  rl_status s = rl_image_channels(m, channels);
  if (s == RL_OK && nearest)
    s = rl_image_resize_nearest(&sized, m, d->frame.from_width, d->frame.from_height);
  else if (s == RL_OK)
    s = rl_image_resize(&sized, m, d->frame.from_width, d->frame.from_height);
  if (s == RL_OK) memcpy(to, sized.pixels, rl_image_bytes(&sized));
  rl_image_drop(&sized);
  rl_image_drop(m);
  return s;
}

static rl_status prepare_map(const rl_decoding *how, int row, const rl_decoded *d, uint8_t *to) {
  const rl_row *r = &how->m->row[row];
  rl_image part, size = {.width = d->width, .height = d->height};
  if (how->o->gaze != RL_GAZE_NONE)
    return rl_fixations_map(how->o->fixations, row, how->o->gaze, how->o->sigma, d->width, d->height,
                            d->frame.from_width, d->frame.from_height, to);
  if (r->saliency[0] == '\0') return RL_OK;
  RL_TRY(read_part(how, r->saliency, &size, "saliency map", &part));
  return fit(d, &part, 1, false, to);
}

static rl_status copy_image(rl_image *to, const rl_image *from) {
  RL_TRY(rl_image_alloc(to, from->width, from->height, from->channels));
  memcpy(to->pixels, from->pixels, rl_image_bytes(from));
  return RL_OK;
}

/* The longer side is rounded down, as torchvision's Resize does. */
static rl_status make_frame(const rl_loader_options *o, const rl_image *m, rl_frame *f) {
  int shorter = m->width < m->height ? m->width : m->height;
  int64_t width = (int64_t)o->resize * m->width / shorter, height = (int64_t)o->resize * m->height / shorter;
  *f = (rl_frame){o->width, o->height, o->width, o->height};
  if (o->resize == 0) return RL_OK;
  if (width > 1000000 || height > 1000000)
    return rl_fail(RL_EARG, "image: %dx%d is too narrow for resize = %d; leave resize out", m->width,
                   m->height, o->resize);
  f->from_width = (int)width, f->from_height = (int)height;
  return RL_OK;
}

static rl_status make_decoded(const rl_decoding *how, const rl_image *m, rl_decoded **out) {
  rl_frame f;
  RL_TRY(make_frame(how->o, m, &f));
  size_t bytes = sizeof(rl_decoded) + (size_t)f.from_width * (size_t)f.from_height *
                                          (size_t)(how->o->channels + how->masks + how->maps);
  void *p = NULL;
  RL_TRY(rl_mem_alloc(&p, bytes));
  *out = p;
  **out = (rl_decoded){.width = m->width, .height = m->height, .frame = f, .bytes = bytes};
  return how->o->views > 0 ? copy_image(&(*out)->source, m) : RL_OK;
}

static rl_status prepare_parts(const rl_decoding *how, int row, rl_decoded *d) { /* mask and maps */
  const rl_row *r = &how->m->row[row];
  size_t pixels = (size_t)d->frame.from_width * (size_t)d->frame.from_height;
  uint8_t *to = d->sample + pixels * (size_t)how->o->channels;
  rl_image part, size = {.width = d->width, .height = d->height};
  if (how->masks && r->mask[0] != '\0') {
    RL_TRY(read_part(how, r->mask, &size, "mask", &part));
    RL_TRY(fit(d, &part, 1, true, to));
  }
  if (how->masks) to += pixels;
  return how->maps > 0 ? prepare_map(how, row, d, to) : RL_OK;
}

void rl_decoded_drop(rl_decoded *d) {
  if (d == NULL) return;
  rl_image_drop(&d->source);
  rl_mem_free(d, d->bytes);
}

rl_status rl_decode(const rl_decoding *how, int row, rl_decoded **out) {
  rl_image m = {0};
  *out = NULL;
  RL_TRY(read_part(how, how->m->row[row].file, NULL, "image", &m));
  rl_status s = make_decoded(how, &m, out);
  if (s == RL_OK)
    s = fit(*out, &m, how->o->channels, false, (*out)->sample);
  else
    rl_image_drop(&m);
  if (s == RL_OK) s = prepare_parts(how, row, *out);
  if (s == RL_OK) return RL_OK;
  rl_decoded_drop(*out);
  *out = NULL;
  return s;
}
