/* JSON events, image codecs and their refusals, without Lua. Prints what differs; exit status 1 then.
** Usage: io_check FOLDER (an existing one, for temporary files). */
#include "base/mem.h"
#include "io/bytes.h"
#include "io/image.h"
#include "io/jpeg.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/png.h"
#include "io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(x)                                                                                             \
  do {                                                                                                       \
    if (!(x)) failures++, printf("%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #x, rl_error_text());    \
  } while (0)

/* Renders the events as text, so that one line shows what was read. */
static rl_status events(const char *text, size_t len, char *out, size_t cap) {
  static const char *names[] = {"null", "bool", "int", "num", "str", "key", "[", "]", "{", "}", "end"};
  rl_json j;
  rl_json_open(&j, text, len, 4);
  rl_json_kind k = RL_JSON_NULL;
  rl_status s = RL_OK;
  size_t n = 0;
  while (s == RL_OK && k != RL_JSON_END) {
    s = rl_json_next(&j, &k);
    if (s != RL_OK) break;
    n += (size_t)snprintf(out + n, cap - n, "%s", names[k]);
    if (k == RL_JSON_INT) n += (size_t)snprintf(out + n, cap - n, ":%lld", (long long)j.integer);
    if (k == RL_JSON_NUMBER) n += (size_t)snprintf(out + n, cap - n, ":%.17g", j.number);
    if (k == RL_JSON_STRING || k == RL_JSON_KEY)
      n += (size_t)snprintf(out + n, cap - n, ":%.*s", (int)j.string_len, j.string);
    n += (size_t)snprintf(out + n, cap - n, " ");
  }
  rl_json_close(&j);
  return s;
}

static void check_json_good(void) {
  static const char *cases[][2] = {
      {"{\"a\": [1, -2.5e3, true, null], \"b\":{}}",
       "{ key:a [ int:1 num:-2500 bool null ] key:b { } } end "},
      {"9223372036854775807", "int:9223372036854775807 end "},
      {"-9223372036854775808", "int:-9223372036854775808 end "},
      {"9223372036854775808", "num:9.2233720368547758e+18 end "},
      {"-0", "num:-0 end "},
      {"\"\\u00e9\\ud83d\\ude00\\n\"", "str:\xc3\xa9\xf0\x9f\x98\x80\n end "},
      {" [ ] ", "[ ] end "},
  };
  char out[400];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CHECK(events(cases[i][0], strlen(cases[i][0]), out, sizeof out) == RL_OK);
    if (strcmp(out, cases[i][1]) != 0) failures++, printf("json: %s gave %s\n", cases[i][0], out);
  }
}

static void check_json_bad(void) {
  static const char *cases[] = {"",
                                " ",
                                "[",
                                "]",
                                "[1,]",
                                "[1 2]",
                                "{1:2}",
                                "{\"a\" 1}",
                                "{\"a\":}",
                                "{\"a\":1,}",
                                "01",
                                "1.",
                                ".5",
                                "+1",
                                "1e",
                                "-",
                                "nul",
                                "\"\\x\"",
                                "\"\\ud800\"",
                                "\"\\udc00\"",
                                "\"\\u12g4\"",
                                "\"a",
                                "\"\x01\"",
                                "\"\xff\"",
                                "\"\xc0\x80\"",
                                "\"\xed\xa0\x80\"",
                                "\"\xf4\x90\x80\x80\"",
                                "1e999",
                                "[[[[[1]]]]]",
                                "1 2",
                                "NaN",
                                "Infinity",
                                "'a'",
                                "[1]x",
                                "{\"a\":1]",
                                "[1}",
                                "\"\\ud800\\u0041\"",
                                "// c\n1"};
  char out[400];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool refused = events(cases[i], strlen(cases[i]), out, sizeof out) == RL_EFORMAT;
    if (!refused) failures++, printf("json: accepted %s\n", cases[i]);
    CHECK(strstr(rl_error_text(), "json: byte ") == rl_error_text());
  }
}

static void check_json_write(void) {
  static const double values[] = {0.1, 1, -0.0, 1e300, 5e-324, 1.0 / 3, 123456789012345680.0};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    rl_bytes b = {0};
    CHECK(rl_json_put_number(&b, values[i]) == RL_OK && rl_bytes_put(&b, "", 1) == RL_OK);
    double back = strtod((char *)b.data, NULL);
    CHECK(memcmp(&back, &values[i], sizeof back) == 0);
    rl_bytes_drop(&b);
  }
  rl_bytes b = {0};
  double zero = 0;
  CHECK(rl_json_put_number(&b, zero / zero) == RL_EARG);
  CHECK(rl_json_put_string(&b, "\xff", 1) == RL_EARG);
  b.len = 0;
  CHECK(rl_json_put_string(&b, "a\"\\\n\x01\0z", 7) == RL_OK && rl_bytes_put(&b, "", 1) == RL_OK);
  CHECK(strcmp((char *)b.data, "\"a\\\"\\\\\\n\\u0001\\u0000z\"") == 0);
  rl_bytes_drop(&b);
}

static rl_image pattern(int width, int height, int channels) {
  rl_image m = {0};
  CHECK(rl_image_alloc(&m, width, height, channels) == RL_OK);
  for (size_t i = 0; i < rl_image_bytes(&m); i++) m.pixels[i] = (uint8_t)(i * 37 + i / 11);
  return m;
}

static void check_cuts(const char *file) { /* each prefix is refused, with the file's name */
  rl_bytes b;
  CHECK(rl_file_read(&b, "test", file, 1 << 20) == RL_OK);
  for (size_t n = 0; n < b.len; n++) {
    rl_image m;
    rl_status s = rl_image_decode(&m, "cut.png", b.data, n);
    if (s != RL_EFORMAT) failures++, printf("image: %s cut at %zu of %zu gave %d\n", file, n, b.len, (int)s);
    if (s == RL_OK)
      rl_image_drop(&m);
    else
      CHECK(strstr(rl_error_text(), "\"cut.png\"") != NULL && m.pixels == NULL);
  }
  rl_bytes_drop(&b);
}

static void check_images(const char *folder) {
  char file[512];
  for (int channels = 1; channels <= 3; channels += 2) {
    rl_image m = pattern(31, 17, channels), back;
    snprintf(file, sizeof file, "%s/io_check_%d.png", folder, channels);
    CHECK(rl_png_write(file, &m) == RL_OK && rl_image_read(&back, file) == RL_OK);
    CHECK(back.width == 31 && back.height == 17 && back.channels == channels);
    CHECK(memcmp(back.pixels, m.pixels, rl_image_bytes(&m)) == 0);
    rl_image_drop(&back);
    check_cuts(file);
    remove(file);
    CHECK(rl_jpeg_write(file, &m, 90) == RL_OK &&
          rl_image_read(&back, file) == RL_OK); /* content, not suffix */
    CHECK(back.width == 31 && back.height == 17 && back.channels == channels);
    rl_image_drop(&back);
    check_cuts(file);
    remove(file);
    rl_image_drop(&m);
  }
}

static void check_refusals(void) {
  static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
  uint8_t huge[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x61\xa8\0\0\x61\xa8\x08\0\0\0\0\xc1\x9c\x8d\xcb";
  rl_image m;
  CHECK(rl_image_decode(&m, "x", (const uint8_t *)lfs, sizeof lfs - 1) == RL_EFORMAT);
  CHECK(strstr(rl_error_text(), "git lfs pull") != NULL);
  CHECK(rl_image_decode(&m, "x", (const uint8_t *)"GIF89a..", 8) == RL_EFORMAT);
  CHECK(rl_image_decode(&m, "x", huge, sizeof huge - 1) == RL_EFORMAT);
  CHECK(rl_image_read(&m, "/nowhere/x.png") == RL_EIO);
  CHECK(rl_image_read(&m, "/") == RL_EIO);
}

/* ---- each file is written and read again while the n-th allocation fails, for every n */

static float numbers[6] = {1, 2, 3, 4, 5, 6};

static const void *give(void *ctx, int part) {
  (void)ctx;
  (void)part;
  return numbers;
}

static rl_status all_formats(const char *folder) {
  char file[512];
  rl_image m = {0};
  rl_st st;
  rl_npz z;
  rl_npy h;
  rl_bytes data = {0};
  float back[6];
  rl_st_part part = {.name = "w", .dtype = RL_F32, .rank = 2, .size = {2, 3}};
  rl_npz_part zipped = {.name = "w", .dtype = RL_F32, .rank = 2, .size = {2, 3}};
  rl_st_pair pair = {"key", "value"};
  uint8_t pixels[3] = {1, 2, 3};
  rl_image one = {1, 1, 3, pixels};
  snprintf(file, sizeof file, "%s/io_check_fail", folder);
  rl_status s = rl_png_write(file, &one);
  if (s == RL_OK) s = rl_image_read(&m, file);
  rl_image_drop(&m);
  if (s == RL_OK) s = rl_jpeg_write(file, &one, 90);
  if (s == RL_OK) s = rl_image_read(&m, file);
  rl_image_drop(&m);
  if (s == RL_OK) s = rl_st_write(file, &part, 1, give, NULL, &pair, 1);
  if (s == RL_OK && (s = rl_st_open(&st, file)) == RL_OK) {
    s = rl_st_read(&st, rl_st_find(&st, "w"), back);
    CHECK(s != RL_OK || memcmp(back, numbers, sizeof back) == 0);
    rl_st_close(&st);
  }
  if (s == RL_OK) s = rl_npz_write(file, &zipped, 1, give, NULL);
  if (s == RL_OK && (s = rl_npz_open(&z, file)) == RL_OK) {
    s = rl_npz_member(&z, 0, &h, &data);
    rl_bytes_drop(&data);
    rl_npz_close(&z);
  }
  remove(file);
  return s;
}

static void check_memory(const char *folder) {
  size_t before = rl_mem_stat().live_bytes;
  rl_status s = RL_ENOMEM;
  long n = 0;
  while (s != RL_OK && n < 200) {
    rl_mem_fail_at(++n, false);
    s = all_formats(folder);
    CHECK(s == RL_OK || s == RL_ENOMEM);
    CHECK(rl_mem_stat().live_bytes == before);
  }
  rl_mem_fail_at(0, false);
  CHECK(n > 10 && n < 200);
}

int main(int argc, char **argv) {
  size_t before = rl_mem_stat().live_bytes;
  check_json_good();
  check_json_bad();
  check_json_write();
  check_images(argc > 1 ? argv[1] : ".");
  check_refusals();
  check_memory(argc > 1 ? argv[1] : ".");
  CHECK(rl_mem_stat().live_bytes == before);
  printf("io_check: %d failures\n", failures);
  return failures > 0;
}
