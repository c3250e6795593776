/* A growing byte buffer, whole files in, and atomic files out. */
#include "io/bytes.h"
#include "base/mem.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PENDING_BYTES ((size_t)1 << 18)

const char *rl_file_name(char *buf, const char *file) {
  return rl_quote(buf, RL_NAMEBUF, file, strlen(file));
}

rl_status rl_bytes_reserve(rl_bytes *b, size_t more) {
  size_t need;
  if (__builtin_add_overflow(b->len, more, &need))
    return rl_fail(RL_ENOMEM, "memory: a buffer's size overflows");
  if (need <= b->cap) return RL_OK;
  size_t cap = need < 256 ? 256 : need > SIZE_MAX / 8 ? need : need > 2 * b->cap ? need : 2 * b->cap;
  void *data;
  RL_TRY(rl_mem_alloc(&data, cap));
  if (b->len > 0) memcpy(data, b->data, b->len);
  rl_mem_free(b->data, b->cap);
  b->data = data;
  b->cap = cap;
  return RL_OK;
}

rl_status rl_bytes_put(rl_bytes *b, const void *data, size_t n) {
  RL_TRY(rl_bytes_reserve(b, n));
  if (n > 0) memcpy(b->data + b->len, data, n);
  b->len += n;
  return RL_OK;
}

rl_status rl_bytes_puts(rl_bytes *b, const char *text) { return rl_bytes_put(b, text, strlen(text)); }

void rl_bytes_drop(rl_bytes *b) {
  rl_mem_free(b->data, b->cap);
  *b = (rl_bytes){0};
}

static rl_status refused(const char *op, const char *file, const char *doing) {
  char name[RL_NAMEBUF];
  int e = errno;
  return rl_fail(e == ENOSPC ? RL_ENOSPC : RL_EIO, "%s: \"%s\": cannot %s: %s", op, rl_file_name(name, file),
                 doing, strerror(e));
}

rl_status rl_file_pread(int fd, const char *op, const char *file, void *to, size_t n, uint64_t offset) {
  char name[RL_NAMEBUF];
  for (size_t done = 0; done < n;) {
    ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refused(op, file, "read");
    if (got == 0)
      return rl_fail(RL_EFORMAT, "%s: \"%s\": the file became shorter while it was read; write it again", op,
                     rl_file_name(name, file));
    done += (size_t)got;
  }
  return RL_OK;
}

static rl_status read_open(rl_bytes *out, int fd, const char *op, const char *file, size_t max) {
  char name[RL_NAMEBUF];
  struct stat st;
  if (fstat(fd, &st) != 0) return refused(op, file, "read");
  if (S_ISDIR(st.st_mode))
    return rl_fail(RL_EIO, "%s: \"%s\" is a folder; name a file", op, rl_file_name(name, file));
  if (!S_ISREG(st.st_mode))
    return rl_fail(RL_EIO, "%s: \"%s\" is not a regular file; name one", op, rl_file_name(name, file));
  if ((uint64_t)st.st_size > max)
    return rl_fail(RL_EFORMAT, "%s: \"%s\" has %lld bytes, limit %zu; is it the right file?", op,
                   rl_file_name(name, file), (long long)st.st_size, max);
  size_t n = (size_t)st.st_size;
  RL_TRY(rl_bytes_reserve(out, n + 1));
  RL_TRY(rl_file_pread(fd, op, file, out->data, n, 0));
  out->data[n] = '\0';
  out->len = n;
  return RL_OK;
}

rl_status rl_file_read(rl_bytes *out, const char *op, const char *file, size_t max) {
  *out = (rl_bytes){0};
  int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without writer must not block */
  if (fd < 0) return refused(op, file, "open");
  rl_status s = read_open(out, fd, op, file, max);
  close(fd);
  if (s != RL_OK) rl_bytes_drop(out);
  return s;
}

bool rl_file_is_lfs(const uint8_t *data, size_t len) {
  static const char head[] = "version https://git-lfs.github.com/spec/";
  return len >= sizeof head - 1 && len < 1024 && memcmp(data, head, sizeof head - 1) == 0;
}

static rl_status writer_failed(rl_writer *w, const char *doing) {
  rl_status s = refused(w->op, w->file, doing);
  rl_writer_abort(w);
  return s;
}

rl_status rl_writer_open(rl_writer *w, const char *op, const char *file) {
  *w = (rl_writer){.op = op, .file = file, .fd = -1};
  if (asprintf(&w->temporary, "%s.tmp-%ld", file, (long)getpid()) < 0) {
    w->temporary = NULL;
    return rl_fail(RL_ENOMEM, "%s: no memory for a file name", op);
  }
  w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (w->fd < 0) {
    rl_status s = refused(op, file, "create");
    rl_writer_abort(w);
    return s;
  }
  return RL_OK;
}

static bool write_all(int fd, const void *data, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t put = write(fd, (const char *)data + done, n - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    done += (size_t)put;
  }
  return true;
}

rl_status rl_writer_put(rl_writer *w, const void *data, size_t n) {
  if (w->pending.len + n > PENDING_BYTES) {
    if (!write_all(w->fd, w->pending.data, w->pending.len)) return writer_failed(w, "write");
    w->pending.len = 0;
    if (n > PENDING_BYTES) return write_all(w->fd, data, n) ? RL_OK : writer_failed(w, "write");
  }
  rl_status s = rl_bytes_put(&w->pending, data, n);
  if (s != RL_OK) rl_writer_abort(w);
  return s;
}

static void sync_folder(const char *file) { /* so that the rename itself survives a power cut */
  char *folder = strdup(file);
  if (folder == NULL) return;
  char *slash = strrchr(folder, '/');
  if (slash != NULL) slash[slash == folder ? 1 : 0] = '\0';
  int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  if (fd < 0) return;
  fsync(fd); /* some file systems refuse this on folders; there is nothing to do then */
  close(fd);
}

rl_status rl_writer_commit(rl_writer *w, bool sync) {
  if (!write_all(w->fd, w->pending.data, w->pending.len)) return writer_failed(w, "write");
  if (sync && fsync(w->fd) != 0) return writer_failed(w, "sync");
  int fd = w->fd;
  w->fd = -1;
  if (close(fd) != 0) return writer_failed(w, "close");
  if (rename(w->temporary, w->file) != 0) return writer_failed(w, "rename to");
  if (sync) sync_folder(w->file);
  free(w->temporary);
  w->temporary = NULL;
  rl_bytes_drop(&w->pending);
  return RL_OK;
}

void rl_writer_abort(rl_writer *w) {
  if (w->fd >= 0) close(w->fd);
  if (w->temporary != NULL) unlink(w->temporary);
  free(w->temporary);
  rl_bytes_drop(&w->pending);
  *w = (rl_writer){.fd = -1};
}

rl_status rl_file_write(const char *op, const char *file, const void *data, size_t n, bool sync) {
  rl_writer w;
  RL_TRY(rl_writer_open(&w, op, file));
  RL_TRY(rl_writer_put(&w, data, n));
  return rl_writer_commit(&w, sync);
}

rl_status rl_folder_make(const char *op, const char *folder) {
  char *path = strdup(folder);
  if (path == NULL) return rl_fail(RL_ENOMEM, "%s: no memory for a file name", op);
  rl_status s = RL_OK;
  for (char *end = path; s == RL_OK && end != NULL;) {
    end = strchr(end + 1, '/');
    if (end != NULL) *end = '\0';
    if (path[0] != '\0' && mkdir(path, 0777) != 0 && errno != EEXIST)
      s = refused(op, path, "make the folder");
    if (end != NULL) *end = '/';
  }
  free(path);
  return s;
}
