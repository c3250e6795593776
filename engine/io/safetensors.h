/* safetensors.h: named arrays in one file (the format of huggingface/safetensors), written and read without
** executing anything. Reading refuses first and allocates later; every part and the metadata carry zlib's
** CRC-32. */
#ifndef RL_IO_SAFETENSORS_H
#define RL_IO_SAFETENSORS_H

#include "io/bytes.h"

#define RL_ST_HEADER_MAX  ((size_t)25000000) /* bytes; DenseNet-201 with its optimiser needs 300000 */
#define RL_ST_ENTRIES_MAX 50000              /* twice as many metadata pairs, checksums included */

typedef struct rl_st_entry {
  const char *name; /* terminated; may not hold NUL */
  rl_dtype dtype;   /* as given out: F16 and BF16 come out as f32 */
  char stored[8];   /* as in the file: "F32" ... */
  int rank;
  int64_t size[RL_MAXRANK];
  uint64_t begin, end; /* in the data part */
  size_t bytes;        /* when given out */
} rl_st_entry;

typedef struct rl_st_pair {
  const char *key, *value;
} rl_st_pair;

typedef struct rl_st { /* an open file; entries and pairs are sorted by name */
  char *file;
  int fd;
  uint64_t data_at;
  int count, pairs;
  rl_st_entry *entry;
  rl_st_pair *pair; /* without the checksums */
  int sums;
  rl_st_pair *sum; /* "name" -> eight hexadecimal digits */
  size_t entry_bytes, pair_bytes, sum_bytes;
  rl_bytes text; /* all strings */
} rl_st;

/* Checks everything but the data's checksums. On failure nothing is left open. */
rl_status rl_st_open(rl_st *st, const char *file);
void rl_st_close(rl_st *st);
const rl_st_entry *rl_st_find(const rl_st *st, const char *name); /* NULL if there is none */
const char *rl_st_meta(const rl_st *st, const char *key);         /* NULL if there is none */
rl_status rl_st_read(const rl_st *st, const rl_st_entry *e,
                     void *to); /* e->bytes, row-major; verifies the checksum */

typedef struct rl_st_part { /* to be written */
  const char *name;
  rl_dtype dtype;
  int rank;
  int64_t size[RL_MAXRANK];
} rl_st_part;

/* Row-major bytes of a part, valid until the next call; called twice per part. NULL fails (with a text
** kept). */
typedef const void *(*rl_st_source)(void *ctx, int part);

/* The same bytes for the same parts, in whatever order they come. Atomic, as rl_writer. */
rl_status rl_st_write(const char *file, const rl_st_part *part, int parts, rl_st_source source, void *ctx,
                      const rl_st_pair *meta, int pairs);

#endif
