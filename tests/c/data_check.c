/* Without Lua: the phantom draws the same picture alone and in a folder, at any number of threads; set and
** loader give everything back while the n-th allocation fails.
** Usage: data_check FOLDER (an existing one, for temporary files). */
#include "base/mem.h"
#include "base/threads.h"
#include "data/loader.h"
#include "data/phantom.h"
#include "io/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(x)                                                                                             \
  do {                                                                                                       \
    if (!(x)) failures++, printf("%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #x, rl_error_text());    \
  } while (0)

enum { SIZE = 48, PICTURE = SIZE * SIZE };

static void check_file(const char *dir, const char *kind, int id, const uint8_t *want) {
  char path[600];
  rl_image m;
  snprintf(path, sizeof path, "%s/%s/p%05d.png", dir, kind, id);
  CHECK(rl_image_read(&m, path) == RL_OK && m.width == SIZE && m.channels == 1);
  CHECK(memcmp(m.pixels, want, PICTURE) == 0);
  rl_image_drop(&m);
  CHECK(remove(path) == 0);
}

static void check_folder(const char *root, int threads) {
  static uint8_t image[PICTURE], mask[PICTURE], gaze[PICTURE];
  char dir[512], path[600];
  snprintf(dir, sizeof dir, "%s/data_check_%d", root, threads);
  CHECK(rl_threads_set(threads) == RL_OK);
  CHECK(rl_phantom_folder(dir, 3, 2, 1, SIZE, 7) == RL_OK);
  CHECK(rl_phantom_folder(dir, 3, 2, 1, SIZE, 7) == RL_EIO); /* never over an existing one */
  for (int id = 0; id < 6; id++) {
    rl_phantom about;
    CHECK(rl_phantom_draw(7, (uint32_t)id, SIZE, image, mask, gaze, &about) == RL_OK);
    CHECK(about.label == id % 3 && about.fixations > 0);
    check_file(dir, "images", id, image);
    check_file(dir, "masks", id, mask);
    check_file(dir, "saliency", id, gaze);
  }
  static const char *rest[] = {"manifest.csv", "fixations.csv", "images", "masks", "saliency", ""};
  for (int i = 0; i < 6; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, rest[i]);
    CHECK(remove(path) == 0);
  }
}

static rl_status one_epoch(const char *dir, int threads) {
  rl_manifest *m = NULL;
  rl_loader *l = NULL;
  static float image[3 * 64], mask[3 * 64], saliency[3 * 64];
  int64_t label[3], row[3];
  uint8_t has[6], has_label[3];
  rl_batch b = {.image = image,
                .mask = mask,
                .saliency = saliency,
                .label = label,
                .row = row,
                .has_mask = has,
                .has_saliency = has + 3,
                .has_label = has_label};
  rl_loader_options o = {.split = RL_SPLIT_TRAIN,
                         .batch = 3,
                         .height = 8,
                         .width = 8,
                         .channels = 1,
                         .threads = threads,
                         .std = {1},
                         .cache_bytes = 100};
  int n = 1;
  rl_status s = rl_manifest_open(&m, dir, NULL);
  if (s == RL_OK) s = rl_loader_open(&l, m, &o);
  while (s == RL_OK && n > 0) s = rl_loader_next(l, &b, &n);
  rl_loader_close(&l);
  rl_manifest_close(&m);
  return s;
}

static void check_memory(const char *root) {
  char dir[512], command[600];
  snprintf(dir, sizeof dir, "%s/data_check_memory", root);
  CHECK(rl_phantom_folder(dir, 3, 0, 0, 16, 7) == RL_OK);
  for (int threads = 0; threads <= 2; threads += 2) {
    size_t before = rl_mem_stat().live_bytes;
    rl_status s = RL_ENOMEM;
    long n = 0;
    while (s != RL_OK && n < 400) {
      rl_mem_fail_at(++n, false);
      s = one_epoch(dir, threads);
      CHECK(s == RL_OK || s == RL_ENOMEM);
      CHECK(rl_mem_stat().live_bytes == before);
    }
    rl_mem_fail_at(0, false);
    CHECK(n > 20 && n < 400);
  }
  snprintf(command, sizeof command, "rm -rf '%s'", dir);
  CHECK(system(command) == 0);
}

int main(int argc, char **argv) {
  size_t before = rl_mem_stat().live_bytes;
  uint8_t one[1];
  rl_phantom about;
  check_folder(argc > 1 ? argv[1] : ".", 1);
  check_folder(argc > 1 ? argv[1] : ".", 2);
  check_memory(argc > 1 ? argv[1] : ".");
  CHECK(rl_phantom_draw(1, 0, 1, one, one, one, &about) == RL_EARG);
  CHECK(rl_mem_stat().live_bytes == before);
  printf("data_check: %d failures\n", failures);
  return failures > 0;
}
