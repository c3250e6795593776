/* fixations.h: where people looked, from fixations.csv beside the manifest: file, subject, index, x, y, onset,
** duration. `file`, `x`, `y` must be there; onset_s and duration_s are understood, further columns passed over.
** x, y: pixels of the image file, 0 at the left or upper edge of the first one; times in seconds. */
#ifndef RL_DATA_FIXATIONS_H
#define RL_DATA_FIXATIONS_H

#include "data/gaze.h"
#include "data/manifest.h"

typedef struct rl_look_on { /* one fixation; onset and duration are 0 without their columns */
  rl_fixation at;
  int subject; /* position in rl_fixations.subject */
} rl_look_on;

typedef struct rl_fixations {
  int rows, count, subjects;
  int *
      first; /* of each manifest row, and one more: fixations first[r] to first[r+1]-1, in the file's order */
  rl_look_on *look;
  const char **subject; /* names as in the file; "" without the column */
  bool has_onset, has_duration;
  int strange;          /* rows of the file whose image is not in the manifest */
  int strange_line;     /* the first of them */
  const rl_manifest *m; /* must outlive this */
  struct rl_fixations_memory *memory;
} rl_fixations;

/* Messages: `fixations: "DIR/fixations.csv":LINE:COLUMN: what; what to do`. */
rl_status rl_fixations_open(rl_fixations **out, const rl_manifest *m);
void rl_fixations_close(rl_fixations **f); /* takes NULL; empties *f */

/* What a map is made of. */
typedef enum rl_gaze_weight {
  RL_GAZE_NONE,
  RL_GAZE_COUNT,    /* each fixation alike */
  RL_GAZE_DURATION, /* by its seconds */
  RL_GAZE_THIRDS    /* three maps: the seconds that fall into each third of its viewer's time */
} rl_gaze_weight;

int rl_gaze_maps(rl_gaze_weight by); /* how many: 0, 1, 3 */

/* The maps of one manifest row as bytes, each scaled to 255, height x width each: for an image of image_width x
** image_height pixels whose sigma is given in them (0: 1/25 of its longer side). Fixations outside the image
** are left out. */
rl_status rl_fixations_map(const rl_fixations *f, int row, rl_gaze_weight by, double sigma, int image_width,
                           int image_height, int width, int height, uint8_t *to);

#endif
