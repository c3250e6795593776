/* manifest.h: a data set is a folder with manifest.csv: file,label,split,mask,saliency,group (all but
** `file` may be missing; further columns are kept). Without a manifest, the folder's PNG and JPEG files are
** rows without labels. */
#ifndef RL_DATA_MANIFEST_H
#define RL_DATA_MANIFEST_H

#include "rille.h"

enum { RL_SPLIT_NONE = -1, RL_SPLIT_TRAIN, RL_SPLIT_VAL, RL_SPLIT_TEST, RL_SPLITS };

typedef struct rl_row { /* texts are "" where there is none; paths are relative to the folder */
  const char *file, *label, *mask, *saliency, *group;
  int split, class, line; /* class from 0, -1 without a label */
} rl_row;

typedef struct rl_manifest {
  char *dir;
  int rows, columns, classes;
  rl_row *row;
  const char **column;     /* names as in the header */
  const char **cell;       /* rows x columns */
  const char **class_name; /* sorted labels of train, or as given */
  struct rl_manifest_memory *memory;
} rl_manifest;

typedef struct rl_manifest_options {
  const char *const *classes; /* in order; NULL: found */
  int n_classes;
  const char *const *leave_out; /* labels whose rows are dropped */
  int n_leave_out;
  const char *const *merge; /* label, its new name, label, its new name ...: classes that are taken as one */
  int n_merge;              /* texts, twice as many as labels */
} rl_manifest_options;

/* Messages: `manifest: "DIR/manifest.csv":LINE:COLUMN: what; what to do`. Checks every path. */
rl_status rl_manifest_open(rl_manifest **out, const char *dir, const rl_manifest_options *options);
void rl_manifest_close(rl_manifest **m); /* takes NULL; empties *m */

const char *rl_split_name(int split);                           /* "train", "val", "test" */
int rl_split_find(const char *name);                            /* RL_SPLIT_NONE if it is none */
int rl_manifest_column(const rl_manifest *m, const char *name); /* -1 if there is none */

#endif
