/* loader.h: batches of decoded images, prepared ahead of training by threads of its own. Order and random
** draws are functions of (seed, epoch, row) alone (balanced: of seed, epoch, place in it), so batches do not
** depend on the number of threads, and a cursor restores them exactly. One consumer: every call but the threads' own work comes from one thread. */
#ifndef RL_DATA_LOADER_H
#define RL_DATA_LOADER_H

#include "data/augment.h"
#include "data/fixations.h"
#include "data/manifest.h"
#include "data/views.h"

#define RL_LOADER_THREADS_MAX 16

typedef struct rl_loader_options {
  int split;           /* RL_SPLIT_NONE: all rows */
  const uint8_t *only; /* per row of the manifest, 1: one of them; NULL: all. Read by rl_loader_open alone */
  int batch, height, width, channels;
  int resize; /* pixels that a picture's shorter side gets before the sample is cut from it; 0: the sample is
              ** the whole picture, its sides brought to height and width */
  bool shuffle, drop_last; /* drop_last: no smaller batch at the end of an epoch */
  bool balance;  /* each class equally often; an epoch is as long as without, and shuffled. Rows without label
                ** come once */
  bool skip_bad; /* unreadable files are counted and left out, up to 1 % of the rows; else they fail */
  rl_augment augment;
  int views; /* further pictures of each image, from the file's own pixels */
  rl_transform view[RL_VIEWS_MAX];
  uint64_t seed;
  int threads;        /* 0: the calling thread decodes */
  size_t cache_bytes; /* decoded and resized bytes that are kept between epochs, at most */
  double mean[3], std[3];
  const rl_fixations *fixations; /* of the same manifest, or NULL; must outlive the loader */
  rl_gaze_weight gaze;           /* saliency maps from fixations in place of the manifest's */
  double sigma;                  /* of them, in pixels of the image files; 0: 1/25 of the longer side */
} rl_loader_options;

typedef struct rl_loader rl_loader;

typedef struct rl_placed { /* how fixations of an image file come to lie in its sample */
  rl_view view;
  double scale_x, scale_y; /* pixels of the file to those of the resized picture, before the view */
  int width, height;       /* of the file */
} rl_placed;

typedef struct rl_batch {           /* buffers of the caller's, for `batch` samples */
  float *image;                     /* N x H x W x C in memory */
  float *mask, *saliency;           /* N x H x W, N x maps x H x W, or NULL: not wanted */
  int64_t *label;                   /* class from 0; -1 where there is none */
  int64_t *row;                     /* of the manifest, from 0 */
  uint8_t *has_mask, *has_saliency; /* with mask, saliency */
  uint8_t *has_label;
  rl_placed *placed;         /* or NULL: not wanted */
  float *view[RL_VIEWS_MAX]; /* each as image */
} rl_batch;

/* The manifest stays the caller's and must outlive the loader. */
rl_status rl_loader_open(rl_loader **out, const rl_manifest *m, const rl_loader_options *o);
void rl_loader_close(rl_loader **l); /* takes NULL; waits for its threads */

int rl_loader_samples(const rl_loader *l);  /* of an epoch */
int rl_loader_upcoming(const rl_loader *l); /* at most so many samples come next; 0 at the end of an epoch */
bool rl_loader_has_masks(const rl_loader *l); /* any row of the split */
int rl_loader_maps(const rl_loader *l);       /* saliency maps of a sample: 0, 1, or 3 thirds */
int rl_loader_views(const rl_loader *l);

/* Fills up to `batch` samples; *n of them. *n = 0 ends the epoch, and the cursor then stands at the next
** one. */
rl_status rl_loader_next(rl_loader *l, rl_batch *b, int *n);

/* The cursor: `index` samples of `epoch` are used up, skipped ones included. */
void rl_loader_tell(const rl_loader *l, uint32_t *epoch, int *index);
rl_status rl_loader_seek(rl_loader *l, uint32_t epoch, int index);

/* Files that were skipped so far, in the order of being met: row and text, valid until the next call. */
int rl_loader_bad(const rl_loader *l, int i, int *row,
                  const char **text); /* returns how many; i may be past them */

#endif
