/* PNG. libpng leaves by longjmp: only decode() and encode() hold a jump buffer, and they own nothing; what
** must be given back lives in the job, and the caller frees it in every case. */
#include "io/png.h"
#include "base/mem.h"
#include "base/status.h"
#include "io/bytes.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_BYTES 8000000

typedef struct job {
  const char *name;
  const uint8_t *data;
  size_t len, pos;
  png_structp png;
  png_infop info;
  rl_image image;
  const rl_image *source; /* when writing */
  rl_bytes out;
  png_uint_32 row; /* complete rows so far, of the pass at work */
  bool cut_off;
  rl_status status; /* set where a text of our own is already kept */
  char text[160];
} job;

static void on_error(png_structp png, png_const_charp message) {
  job *j = png_get_error_ptr(png);
  snprintf(j->text, sizeof j->text, "%s", message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { /* only ancillary chunks get here */
  (void)png;
  (void)message;
}

static void feed(png_structp png, png_bytep to, size_t n) {
  job *j = png_get_io_ptr(png);
  if (n > j->len - j->pos) {
    j->cut_off = true;
    png_error(png, "cut off");
  }
  memcpy(to, j->data + j->pos, n);
  j->pos += n;
}

static void collect(png_structp png, png_bytep from, size_t n) {
  job *j = png_get_io_ptr(png);
  j->status = rl_bytes_put(&j->out, from, n);
  if (j->status != RL_OK) png_error(png, "no memory");
}

static void flush(png_structp png) { (void)png; }

static void set_limits(png_structp png) {
  static png_byte ancillary[] =
      "cHRM\0gAMA\0iCCP\0sRGB\0sBIT\0bKGD\0hIST\0pHYs\0sPLT\0tIME\0tEXt\0zTXt\0iTXt\0eXIf\0"
      "oFFs\0pCAL\0sCAL\0tRNS";
  png_set_user_limits(png, 1000000, 1000000);
  png_set_chunk_malloc_max(png, CHUNK_BYTES);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, ancillary, (int)(sizeof ancillary / 5));
}

static void set_transforms(png_structp png, int colour, int depth) {
  if (depth == 16) png_set_scale_16(png);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (colour == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_alpha(png); /* where there is one */
}

static void check_rows(job *j) { /* the buffer's row is what libpng will write, neither more nor less */
  size_t want = (size_t)j->image.width * (size_t)j->image.channels;
  if (png_get_rowbytes(j->png, j->info) != want) png_error(j->png, "a row of unexpected length");
}

static void decode(job *j) {
  if (setjmp(png_jmpbuf(j->png))) return;
  png_set_read_fn(j->png, j, feed);
  set_limits(j->png);
  png_read_info(j->png, j->info);
  int colour = png_get_color_type(j->png, j->info),
      channels = colour == PNG_COLOR_TYPE_GRAY || colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 1 : 3;
  png_uint_32 height = png_get_image_height(j->png, j->info);
  j->status = rl_image_start(&j->image, j->name, png_get_image_width(j->png, j->info), height, channels);
  if (j->status != RL_OK) return;
  set_transforms(j->png, colour, png_get_bit_depth(j->png, j->info));
  int passes = png_set_interlace_handling(j->png);
  png_read_update_info(j->png, j->info);
  check_rows(j);
  size_t stride = (size_t)j->image.width * (size_t)channels;
  if (passes > 1) memset(j->image.pixels, 0, rl_image_bytes(&j->image));
  for (int pass = 0; pass < passes; pass++)
    for (j->row = 0; j->row < height; j->row++) png_read_row(j->png, j->image.pixels + j->row * stride, NULL);
  png_read_end(j->png, NULL);
  j->pos = SIZE_MAX; /* complete */
}

static rl_status explain(const job *j) {
  char shown[RL_NAMEBUF], text[200];
  rl_file_name(shown, j->name);
  rl_quote(text, sizeof text, j->text, strlen(j->text));
  if (j->cut_off && j->image.pixels == NULL)
    return rl_fail(RL_EFORMAT, "image: \"%s\": cut off in the PNG header; replace it", shown);
  if (j->cut_off)
    return rl_fail(RL_EFORMAT, "image: \"%s\": cut off after row %u of %d; replace it", shown,
                   (unsigned)j->row, j->image.height);
  if (j->image.pixels == NULL)
    return rl_fail(RL_EFORMAT, "image: \"%s\": damaged PNG header: %s; replace it", shown, text);
  return rl_fail(RL_EFORMAT, "image: \"%s\": damaged after row %u of %d: %s; replace it", shown,
                 (unsigned)j->row, j->image.height, text);
}

bool rl_png_is(const uint8_t *data, size_t len) { return len >= 8 && png_sig_cmp(data, 0, 8) == 0; }

rl_status rl_png_decode(rl_image *out, const char *name, const uint8_t *data, size_t len) {
  job j = {.name = name, .data = data, .len = len};
  *out = (rl_image){0};
  j.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
  if (j.png != NULL) j.info = png_create_info_struct(j.png);
  if (j.info == NULL) {
    png_destroy_read_struct(&j.png, NULL, NULL);
    return rl_fail(RL_ENOMEM, "image: no memory for the PNG decoder");
  }
  decode(&j);
  png_destroy_read_struct(&j.png, &j.info, NULL);
  if (j.pos == SIZE_MAX) {
    *out = j.image;
    return RL_OK;
  }
  rl_status s = j.status != RL_OK ? j.status : explain(&j);
  rl_image_drop(&j.image);
  return s;
}

static void encode(job *j) {
  const rl_image *m = j->source;
  if (setjmp(png_jmpbuf(j->png))) return;
  png_set_write_fn(j->png, j, collect, flush);
  png_set_compression_level(j->png, 6);
  png_set_IHDR(j->png, j->info, (png_uint_32)m->width, (png_uint_32)m->height, 8,
               m->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(j->png, j->info);
  size_t stride = (size_t)m->width * (size_t)m->channels;
  for (int y = 0; y < m->height; y++) png_write_row(j->png, m->pixels + (size_t)y * stride);
  png_write_end(j->png, j->info);
  j->pos = SIZE_MAX;
}

rl_status rl_png_write(const char *file, const rl_image *image) {
  job j = {.name = file, .source = image};
  char shown[RL_NAMEBUF];
  if (image->channels != 1 && image->channels != 3)
    return rl_fail(RL_EARG, "image: a PNG has 1 or 3 channels, not %d", image->channels);
  j.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
  if (j.png != NULL) j.info = png_create_info_struct(j.png);
  if (j.info == NULL) {
    png_destroy_write_struct(&j.png, NULL);
    return rl_fail(RL_ENOMEM, "image: no memory for the PNG encoder");
  }
  encode(&j);
  png_destroy_write_struct(&j.png, &j.info);
  rl_status s = j.status;
  if (j.pos == SIZE_MAX)
    s = rl_file_write("image", file, j.out.data, j.out.len, false);
  else if (s == RL_OK)
    s = rl_fail(RL_EARG, "image: \"%s\": libpng: %s", rl_file_name(shown, file), j.text);
  rl_bytes_drop(&j.out);
  return s;
}
