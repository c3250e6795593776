/* npy.h: NumPy's array files (numpy/lib/format.py, versions 1 to 3) and archives of them (npz). Nothing in
** a file is evaluated: pickles, structured and text dtypes are refused by name. */
#ifndef RL_IO_NPY_H
#define RL_IO_NPY_H

#include "io/bytes.h"

#define RL_NPY_HEADER_MAX 10000 /* bytes, NumPy's own limit */

typedef struct rl_npy { /* what a header says */
  rl_dtype dtype;       /* as given out: f2 comes as f32; i1, i2, u2 as i32; u4 as i64 */
  int rank;
  int64_t size[RL_MAXRANK];
  size_t bytes; /* when given out */

  char kind; /* as stored: f i u b */
  int width; /* bytes per element */
  bool big_endian, fortran;
  size_t data_at, stored_bytes;
} rl_npy;

/* Reads the header at the front of `data`. `len` may be the front only; `total` is the whole file's length,
** which must be exactly what the shape needs. `shown`: what messages call it, quotes included. */
rl_status rl_npy_parse(rl_npy *h, const char *shown, const uint8_t *data, size_t len, size_t total);
void rl_npy_convert(const rl_npy *h, const uint8_t *from,
                    void *to); /* from data_at; to row-major, h->bytes */

/* The header for row-major bytes to follow. */
rl_status rl_npy_head(rl_bytes *b, rl_dtype dtype, int rank, const int64_t *size);
rl_status rl_npy_write(const char *file, rl_dtype dtype, int rank, const int64_t *size, const void *data);

/* ---- npz: a zip archive of npy files. Member names are keys, never paths. */
typedef struct rl_npz_entry {
  char *name; /* without ".npy" */
  size_t local_at, packed, unpacked;
  uint32_t crc;
  int method;
} rl_npz_entry;

typedef struct rl_npz {
  rl_bytes file; /* all of it */
  char shown[RL_NAMEBUF + 2];
  int count;
  rl_npz_entry *entry; /* sorted by name */
} rl_npz;

rl_status rl_npz_open(rl_npz *z, const char *file);
void rl_npz_close(rl_npz *z);
/* Header and bytes of one member, CRC-32 verified; *data is dropped by the caller. */
rl_status rl_npz_member(const rl_npz *z, int i, rl_npy *h, rl_bytes *data);

typedef struct rl_npz_part {
  const char *name;
  rl_dtype dtype;
  int rank;
  int64_t size[RL_MAXRANK];
} rl_npz_part;

/* Stored, sorted by name, without times: the same bytes for the same parts. source as in safetensors.h. */
rl_status rl_npz_write(const char *file, const rl_npz_part *part, int parts,
                       const void *(*source)(void *ctx, int part), void *ctx);

#endif
