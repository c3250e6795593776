/* The phantom as a data set: pictures are drawn in parallel, some at a time, and written in order. */
#include "data/phantom_parts.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "io/bytes.h"
#include "io/png.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE    16
#define PATH_CHARS 4096

typedef struct job {
  const char *dir;
  uint64_t seed;
  int size, first, count; /* patients of this round */
  float *scratch;         /* one part per worker */
  uint8_t *pixels;        /* image, mask, gaze of AT_ONCE patients */
  rl_phantom about[AT_ONCE];
  rl_bytes manifest, fixations;
} job;

static void body(void *ctx, int64_t block, int worker) {
  job *j = ctx;
  size_t picture = (size_t)j->size * (size_t)j->size;
  uint8_t *to = j->pixels + 3 * picture * (size_t)block;
  ph_draw_in(j->scratch + (size_t)worker * ph_scratch_floats(j->size), j->seed, (uint32_t)(j->first + block),
             j->size, to, to + picture, to + 2 * picture, &j->about[block]);
}

static rl_status write_patient(job *j, int k, const char *split) {
  static const char *folders[] = {"images", "masks", "saliency"};
  char path[PATH_CHARS], line[256];
  size_t picture = (size_t)j->size * (size_t)j->size;
  int id = j->first + k;
  for (int f = 0; f < 3; f++) {
    rl_image m = {j->size, j->size, 1, j->pixels + (size_t)(3 * k + f) * picture};
    snprintf(path, sizeof path, "%s/%s/p%05d.png", j->dir, folders[f], id);
    RL_TRY(rl_png_write(path, &m));
  }
  const rl_phantom *about = &j->about[k];
  snprintf(line, sizeof line, "images/p%05d.png,%s,%s,masks/p%05d.png,saliency/p%05d.png,p%05d\n", id,
           rl_phantom_class(about->label), split, id, id, id);
  RL_TRY(rl_bytes_puts(&j->manifest, line));
  for (int i = 0; i < about->fixations; i++) {
    const rl_fixation *f = &about->fixation[i];
    snprintf(line, sizeof line, "images/p%05d.png,1,%d,%.2f,%.2f,%.3f,%.3f\n", id, i + 1, f->x, f->y,
             f->onset_s, f->duration_s);
    RL_TRY(rl_bytes_puts(&j->fixations, line));
  }
  return RL_OK;
}

static rl_status draw_all(job *j, int n_train, int n_val, int n_test) {
  int n = n_train + n_val + n_test;
  RL_TRY(rl_bytes_puts(&j->manifest, "file,label,split,mask,saliency,group\n"));
  RL_TRY(rl_bytes_puts(&j->fixations, "file,subject,index,x,y,onset,duration\n"));
  for (j->first = 0; j->first < n; j->first += AT_ONCE) {
    j->count = n - j->first < AT_ONCE ? n - j->first : AT_ONCE;
    RL_TRY(rl_parallel(body, j, j->count));
    for (int k = 0; k < j->count; k++) {
      int id = j->first + k;
      RL_TRY(write_patient(j, k, id < n_train ? "train" : id < n_train + n_val ? "val" : "test"));
    }
  }
  return RL_OK;
}

static rl_status write_tables(job *j) { /* the manifest last: where it stands, all else does */
  char path[PATH_CHARS];
  snprintf(path, sizeof path, "%s/fixations.csv", j->dir);
  RL_TRY(rl_file_write("phantom", path, j->fixations.data, j->fixations.len, true));
  snprintf(path, sizeof path, "%s/manifest.csv", j->dir);
  return rl_file_write("phantom", path, j->manifest.data, j->manifest.len, true);
}

static rl_status make_folders(const char *dir) {
  static const char *names[] = {"images", "masks", "saliency"};
  char path[PATH_CHARS], shown[RL_NAMEBUF];
  if (strlen(dir) > PATH_CHARS - 64) return rl_fail(RL_EARG, "phantom: the folder's name is too long");
  snprintf(path, sizeof path, "%s/manifest.csv", dir);
  if (access(path, F_OK) == 0)
    return rl_fail(RL_EIO, "phantom: \"%s\" has a manifest.csv already; name another folder",
                   rl_file_name(shown, dir));
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, names[i]);
    RL_TRY(rl_folder_make("phantom", path));
  }
  return RL_OK;
}

rl_status rl_phantom_folder(const char *dir, int n_train, int n_val, int n_test, int size, uint64_t seed) {
  if (n_train < 0 || n_val < 0 || n_test < 0 || n_train > 99999 || n_val > 99999 || n_test > 99999)
    return rl_fail(RL_EARG, "phantom: %d, %d, %d pictures; each count must be 0 to 99999", n_train, n_val,
                   n_test);
  if (size < RL_PHANTOM_MIN_SIZE || size > RL_PHANTOM_MAX_SIZE)
    return rl_fail(RL_EARG, "phantom: size %d is not between %d and %d", size, RL_PHANTOM_MIN_SIZE,
                   RL_PHANTOM_MAX_SIZE);
  RL_TRY(make_folders(dir));
  job j = {.dir = dir, .seed = seed, .size = size};
  void *scratch = NULL, *pixels = NULL;
  size_t scratch_bytes = (size_t)rl_threads_get() * ph_scratch_floats(size) * sizeof(float);
  size_t pixel_bytes = 3 * AT_ONCE * (size_t)size * (size_t)size;
  rl_status s = rl_mem_alloc(&scratch, scratch_bytes);
  if (s == RL_OK) s = rl_mem_alloc(&pixels, pixel_bytes);
  j.scratch = scratch;
  j.pixels = pixels;
  if (s == RL_OK) s = draw_all(&j, n_train, n_val, n_test);
  if (s == RL_OK) s = write_tables(&j);
  rl_mem_free(scratch, scratch_bytes);
  rl_mem_free(pixels, pixel_bytes);
  rl_bytes_drop(&j.manifest);
  rl_bytes_drop(&j.fixations);
  return s;
}
