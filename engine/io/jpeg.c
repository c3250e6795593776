/* JPEG. libjpeg leaves by longjmp from its error handler: the same arrangement as in png.c. Limits: 500
** scans (a small progressive file of many scans can cost hours), and the library's own memory. */
#include "io/jpeg.h"
#include "base/mem.h"
#include "base/status.h"
#include "io/bytes.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#define SCANS_MAX 500

typedef struct job {
  struct jpeg_error_mgr errors; /* first: libjpeg hands it back */
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  const char *name;
  const uint8_t *data;
  size_t len;
  struct jpeg_decompress_struct in;
  struct jpeg_compress_struct out;
  rl_image image;
  const rl_image *source;
  unsigned char *written; /* by libjpeg's malloc */
  unsigned long written_len;
  int quality;
  bool done, cut_off;
  rl_status status;
  char text[JMSG_LENGTH_MAX];
} job;

static void on_error(j_common_ptr c) {
  job *j = (job *)(void *)c->err;
  j->errors.format_message(c, j->text);
  j->cut_off = j->errors.msg_code == JWRN_JPEG_EOF || j->errors.msg_code == JERR_INPUT_EOF;
  longjmp(j->jump, 1);
}

static void on_message(j_common_ptr c, int level) { /* -1: a warning, that is, damaged data */
  if (level < 0) on_error(c);
}

static void on_progress(j_common_ptr c) {
  job *j = (job *)(void *)c->err;
  if (!c->is_decompressor || j->in.input_scan_number <= SCANS_MAX) return;
  snprintf(j->text, sizeof j->text, "more than %d scans", SCANS_MAX);
  longjmp(j->jump, 1);
}

static void set_handlers(job *j) {
  jpeg_std_error(&j->errors);
  j->errors.error_exit = on_error;
  j->errors.emit_message = on_message;
  j->progress.progress_monitor = on_progress;
}

static bool start(job *j) { /* the header, the limits, the output's format */
  jpeg_create_decompress(&j->in);
  j->in.progress = &j->progress;
  jpeg_mem_src(&j->in, j->data, (unsigned long)j->len);
  jpeg_read_header(&j->in, TRUE);
  if (j->in.jpeg_color_space == JCS_CMYK || j->in.jpeg_color_space == JCS_YCCK) {
    snprintf(j->text, sizeof j->text, "CMYK colours; convert it to RGB");
    return false;
  }
  int channels = j->in.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
  j->status = rl_image_start(&j->image, j->name, j->in.image_width, j->in.image_height, channels);
  if (j->status != RL_OK) return false;
  j->in.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  j->in.dct_method = JDCT_ISLOW; /* the exact one, the same on every machine */
  jpeg_start_decompress(&j->in);
  if (j->in.output_components == channels) return true;
  snprintf(j->text, sizeof j->text, "%d colour components", j->in.output_components);
  return false;
}

static void decode(job *j) {
  if (setjmp(j->jump)) return;
  if (!start(j)) return;
  size_t stride = (size_t)j->image.width * (size_t)j->image.channels;
  while (j->in.output_scanline < j->in.output_height) {
    JSAMPROW row = j->image.pixels + j->in.output_scanline * stride;
    jpeg_read_scanlines(&j->in, &row, 1);
  }
  jpeg_finish_decompress(&j->in);
  j->done = true;
}

static rl_status explain(const job *j) {
  char shown[RL_NAMEBUF], text[JMSG_LENGTH_MAX];
  rl_file_name(shown, j->name);
  rl_quote(text, sizeof text, j->text, strlen(j->text));
  if (j->image.pixels == NULL)
    return rl_fail(RL_EFORMAT, "image: \"%s\": damaged JPEG header: %s; replace it", shown, text);
  unsigned row = (unsigned)j->in.output_scanline;
  if (j->cut_off)
    return rl_fail(RL_EFORMAT, "image: \"%s\": cut off after row %u of %d; replace it", shown, row,
                   j->image.height);
  return rl_fail(RL_EFORMAT, "image: \"%s\": damaged after row %u of %d: %s; replace it", shown, row,
                 j->image.height, text);
}

bool rl_jpeg_is(const uint8_t *data, size_t len) {
  return len >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF;
}

rl_status rl_jpeg_decode(rl_image *out, const char *name, const uint8_t *data, size_t len) {
  job *j = calloc(1, sizeof *j); /* on the heap: its contents must survive the jump */
  *out = (rl_image){0};
  if (j == NULL) return rl_fail(RL_ENOMEM, "image: no memory for the JPEG decoder");
  j->name = name;
  j->data = data;
  j->len = len;
  set_handlers(j);
  j->in.err = &j->errors;
  decode(j);
  rl_status s = RL_OK;
  if (j->done)
    *out = j->image;
  else {
    s = j->status != RL_OK ? j->status : explain(j);
    rl_image_drop(&j->image);
  }
  jpeg_destroy_decompress(&j->in);
  free(j);
  return s;
}

static void encode(job *j) {
  const rl_image *m = j->source;
  if (setjmp(j->jump)) return;
  jpeg_create_compress(&j->out);
  jpeg_mem_dest(&j->out, &j->written, &j->written_len);
  j->out.image_width = (JDIMENSION)m->width;
  j->out.image_height = (JDIMENSION)m->height;
  j->out.input_components = m->channels;
  j->out.in_color_space = m->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&j->out);
  jpeg_set_quality(&j->out, j->quality, TRUE);
  jpeg_start_compress(&j->out, TRUE);
  size_t stride = (size_t)m->width * (size_t)m->channels;
  while (j->out.next_scanline < j->out.image_height) {
    JSAMPROW row = m->pixels + j->out.next_scanline * stride;
    jpeg_write_scanlines(&j->out, &row, 1);
  }
  jpeg_finish_compress(&j->out);
  j->done = true;
}

rl_status rl_jpeg_write(const char *file, const rl_image *image, int quality) {
  char shown[RL_NAMEBUF];
  if (image->channels != 1 && image->channels != 3)
    return rl_fail(RL_EARG, "image: a JPEG has 1 or 3 channels, not %d", image->channels);
  if (quality < 1 || quality > 100)
    return rl_fail(RL_EARG, "image: quality %d is not between 1 and 100", quality);
  job *j = calloc(1, sizeof *j);
  if (j == NULL) return rl_fail(RL_ENOMEM, "image: no memory for the JPEG encoder");
  j->source = image;
  j->quality = quality;
  set_handlers(j);
  j->out.err = &j->errors;
  encode(j);
  rl_status s = RL_OK;
  if (j->done)
    s = rl_file_write("image", file, j->written, j->written_len, false);
  else
    s = rl_fail(RL_EARG, "image: \"%s\": libjpeg: %s", rl_file_name(shown, file), j->text);
  jpeg_destroy_compress(&j->out);
  free(j->written);
  free(j);
  return s;
}
