/* bytes.h: a growing byte buffer, whole files in, and files out that are there completely or not at all. */
#ifndef RL_IO_BYTES_H
#define RL_IO_BYTES_H

#include "rille.h"

typedef struct rl_bytes { /* zero it to start; data is counted memory of `cap` bytes */
  uint8_t *data;
  size_t len, cap;
} rl_bytes;

rl_status rl_bytes_reserve(rl_bytes *b, size_t more); /* room for `more` bytes after len */
rl_status rl_bytes_put(rl_bytes *b, const void *data, size_t n);
rl_status rl_bytes_puts(rl_bytes *b, const char *text);
void rl_bytes_drop(rl_bytes *b);

/* The whole file; a NUL stands after its last byte, uncounted. `op` opens the messages. Fails above `max`
** bytes. */
rl_status rl_file_read(rl_bytes *out, const char *op, const char *file, size_t max);

/* Exactly n bytes at an offset of an open file. */
rl_status rl_file_pread(int fd, const char *op, const char *file, void *to, size_t n, uint64_t offset);

/* A text of about 130 bytes that stands for a file kept elsewhere. */
bool rl_file_is_lfs(const uint8_t *data, size_t len);

/* A file written beside its place, synced, then renamed: at any moment the old or the new one is there. */
typedef struct rl_writer {
  const char *op, *file; /* borrowed until commit or abort */
  char *temporary;
  int fd;
  rl_bytes pending;
} rl_writer;

rl_status rl_writer_open(rl_writer *w, const char *op, const char *file);
rl_status rl_writer_put(rl_writer *w, const void *data, size_t n);
rl_status rl_writer_commit(rl_writer *w, bool sync); /* closes in every case; a failure leaves the old file */
void rl_writer_abort(rl_writer *w);                  /* after commit it does nothing */

/* One call for small files. Without sync a power cut may lose what was written last: for what can be made
** again. */
rl_status rl_file_write(const char *op, const char *file, const void *data, size_t n, bool sync);

/* The folder and those above it that are missing. */
rl_status rl_folder_make(const char *op, const char *folder);

/* "name" as messages show it: escaped and cut. buf of RL_NAMEBUF bytes. */
#define RL_NAMEBUF 200
const char *rl_file_name(char *buf, const char *file);

#endif
