/* inspect.h: one row of a data set looked at closely, for checks before a run. */
#ifndef RL_DATA_INSPECT_H
#define RL_DATA_INSPECT_H

#include "data/manifest.h"

typedef struct rl_look {
  int width, height, channels;
  uint64_t hash; /* of size and pixels (FNV-1a): equal pictures have equal ones */
  bool constant; /* all pixels are the same */
  bool has_mask, has_saliency;
  bool mask_empty, saliency_empty; /* present, but all 0 */
} rl_look;

/* Reads the row's files. RL_EFORMAT, RL_EIO: one of them cannot be used, the text says which and why. */
rl_status rl_inspect(const rl_manifest *m, int row, rl_look *out);

#endif
