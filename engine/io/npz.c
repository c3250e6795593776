/* npz: zip archives (PKWARE APPNOTE 6.3, without zip64, encryption and multiple disks) of npy files. What
** the central directory says are claims: each is checked against the file, the npy header and the CRC-32. */
#include "io/npy.h"
#include "base/mem.h"
#include "base/status.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ENTRIES_MAX 65535
#define FILE_MAX    ((size_t)0xFFFFFFFF)
#define RATIO_MAX   1032 /* deflate cannot shrink further */

static uint32_t u16(const uint8_t *p) { return (uint32_t)(p[0] | p[1] << 8); }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }

static rl_status no(const rl_npz *z, const char *what) {
  return rl_fail(RL_EFORMAT, "io.load: %s: %s", z->shown, what);
}

static rl_status no_member(const rl_npz *z, const char *name, const char *what) {
  char shown[RL_NAMEBUF];
  return rl_fail(RL_EFORMAT, "io.load: %s: member \"%s\": %s", z->shown, rl_file_name(shown, name), what);
}

static const uint8_t *find_end(const rl_npz *z) { /* the end-of-directory record: last, but for a comment */
  size_t len = z->file.len;
  for (size_t back = 22; back <= len && back <= 22 + 65535; back++) {
    const uint8_t *p = z->file.data + len - back;
    if (memcmp(p, "PK\5\6", 4) == 0 && u16(p + 20) == back - 22) return p;
  }
  return NULL;
}

static rl_status take_name(rl_npz *z, rl_npz_entry *e, const uint8_t *name, size_t n) {
  char shown[RL_NAMEBUF];
  rl_quote(shown, sizeof shown, (const char *)name, n);
  if (n >= 8 && memcmp(name + n - 8, "data.pkl", 8) == 0)
    return no(z, "a PyTorch checkpoint, which rille never runs; convert it to safetensors in Python first");
  if (n < 5 || memcmp(name + n - 4, ".npy", 4) != 0 || memchr(name, '\0', n) != NULL)
    return rl_fail(RL_EFORMAT, "io.load: %s: member \"%s\" is not an .npy array; use numpy.savez", z->shown,
                   shown);
  e->name = malloc(n - 3);
  if (e->name == NULL) return rl_fail(RL_ENOMEM, "io.load: no memory for a name");
  memcpy(e->name, name, n - 4);
  e->name[n - 4] = '\0';
  return RL_OK;
}

static rl_status read_entry(rl_npz *z, const uint8_t **at, const uint8_t *end) {
  const uint8_t *p = *at;
  rl_npz_entry *e = &z->entry[z->count];
  if (end - p < 46 || memcmp(p, "PK\1\2", 4) != 0)
    return no(z, "the zip directory is damaged; write the file again");
  size_t name = u16(p + 28), more = u16(p + 30) + u16(p + 32);
  if ((size_t)(end - p) - 46 < name + more)
    return no(z, "the zip directory is cut off; write the file again");
  RL_TRY(take_name(z, e, p + 46, name));
  z->count++;
  e->method = (int)u16(p + 10);
  e->crc = u32(p + 16);
  e->packed = u32(p + 20);
  e->unpacked = u32(p + 24);
  e->local_at = u32(p + 42);
  if (u16(p + 8) & 1) return no_member(z, e->name, "is encrypted; use numpy.savez");
  if (e->method != 0 && e->method != 8)
    return no_member(z, e->name, "neither stored nor deflated; use numpy.savez");
  if (e->packed == 0xFFFFFFFF || e->unpacked == 0xFFFFFFFF || e->local_at == 0xFFFFFFFF)
    return no_member(z, e->name, "needs zip64 (4 GiB or more); save it as .npy");
  if (e->method == 0 && e->packed != e->unpacked)
    return no_member(z, e->name, "stored, but of two sizes; write the file again");
  if (e->unpacked / RATIO_MAX > e->packed)
    return no_member(z, e->name, "claims more bytes than it can hold; write the file again");
  *at = p + 46 + name + more;
  return RL_OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const rl_npz_entry *)a)->name, ((const rl_npz_entry *)b)->name);
}

static rl_status read_directory(rl_npz *z) {
  const uint8_t *end = find_end(z);
  if (end == NULL) return no(z, "not a complete zip archive: cut off, or something else");
  size_t n = u16(end + 10), at = u32(end + 16), bytes = u32(end + 12), sum = 0,
         room = (size_t)(end - z->file.data);
  if (at == 0xFFFFFFFF || n == ENTRIES_MAX) return no(z, "needs zip64; save the arrays as .npy");
  if (u16(end + 4) != 0 || at > room || bytes > room - at)
    return no(z, "the zip directory leaves the file; write it again");
  z->entry = calloc(n + 1, sizeof *z->entry);
  if (z->entry == NULL) return rl_fail(RL_ENOMEM, "io.load: no memory for %zu members", n);
  const uint8_t *p = z->file.data + at, *stop = p + bytes;
  for (size_t i = 0; i < n; i++) {
    RL_TRY(read_entry(z, &p, stop));
    sum += z->entry[i].packed;
  }
  if (p != stop) return no(z, "the zip directory has another length than it says; write the file again");
  if (sum > z->file.len) return no(z, "members overlap; write the file again");
  qsort(z->entry, (size_t)z->count, sizeof *z->entry, by_name);
  for (int i = 1; i < z->count; i++)
    if (by_name(&z->entry[i - 1], &z->entry[i]) == 0) return no_member(z, z->entry[i].name, "stands twice");
  return RL_OK;
}

rl_status rl_npz_open(rl_npz *z, const char *file) {
  char name[RL_NAMEBUF];
  *z = (rl_npz){0};
  snprintf(z->shown, sizeof z->shown, "\"%s\"", rl_file_name(name, file));
  RL_TRY(rl_file_read(&z->file, "io.load", file, FILE_MAX));
  rl_status s = read_directory(z);
  if (s != RL_OK) rl_npz_close(z);
  return s;
}

void rl_npz_close(rl_npz *z) {
  for (int i = 0; i < z->count; i++) free(z->entry[i].name);
  free(z->entry);
  rl_bytes_drop(&z->file);
  z->entry = NULL;
  z->count = 0;
}

/* At most `room` bytes of a member into `to`; *done tells whether it ended there. */
static rl_status unpack(const rl_npz *z, const rl_npz_entry *e, const uint8_t *from, uint8_t *to, size_t room,
                        size_t *got, bool *done) {
  if (e->method == 0) {
    *got = e->unpacked < room ? e->unpacked : room;
    memcpy(to, from, *got);
    *done = e->unpacked <= room;
    return RL_OK;
  }
  z_stream s = {.next_in = (Bytef *)(uintptr_t)from,
                .avail_in = (uInt)e->packed,
                .next_out = to,
                .avail_out = (uInt)room};
  if (inflateInit2(&s, -15) != Z_OK) return rl_fail(RL_ENOMEM, "io.load: no memory to unpack");
  int code = inflate(&s, Z_FINISH);
  *got = room - s.avail_out;
  *done = code == Z_STREAM_END && s.avail_in == 0;
  inflateEnd(&s);
  if (code == Z_STREAM_END || (code == Z_BUF_ERROR && s.avail_out == 0)) return RL_OK;
  return no_member(z, e->name, "its packed data are damaged; write the file again");
}

static rl_status find_data(const rl_npz *z, const rl_npz_entry *e, const uint8_t **from) {
  const uint8_t *p = z->file.data + e->local_at;
  size_t left = z->file.len > e->local_at ? z->file.len - e->local_at : 0;
  if (left < 30 || memcmp(p, "PK\3\4", 4) != 0)
    return no_member(z, e->name, "its local header is missing; write the file again");
  size_t skip = 30 + u16(p + 26) + u16(p + 28);
  if (left < skip || left - skip < e->packed) return no_member(z, e->name, "leaves the file; write it again");
  *from = p + skip;
  return RL_OK;
}

rl_status rl_npz_member(const rl_npz *z, int i, rl_npy *h, rl_bytes *data) {
  const rl_npz_entry *e = &z->entry[i];
  const uint8_t *from = NULL;
  uint8_t front[RL_NPY_HEADER_MAX + 12];
  char key[RL_NAMEBUF], shown[2 * RL_NAMEBUF + 16];
  size_t got;
  bool done;
  *data = (rl_bytes){0};
  snprintf(shown, sizeof shown, "%s: member \"%s\"", z->shown, rl_file_name(key, e->name));
  RL_TRY(find_data(z, e, &from));
  RL_TRY(unpack(z, e, from, front, sizeof front, &got, &done));
  RL_TRY(rl_npy_parse(h, shown, front, got, e->unpacked)); /* so `unpacked` is what the shape needs */
  RL_TRY(rl_bytes_reserve(data, e->unpacked + 1));
  rl_status s = unpack(z, e, from, data->data, e->unpacked + 1, &got, &done);
  data->len = got;
  if (s == RL_OK && (!done || got != e->unpacked))
    s = no_member(z, e->name, "unpacks to another length than it says");
  if (s == RL_OK && crc32_z(crc32(0, NULL, 0), data->data, got) != e->crc)
    s = no_member(z, e->name, "its CRC-32 differs: it is damaged; copy the file again");
  if (s != RL_OK) rl_bytes_drop(data);
  return s;
}

/* ---- writing */

typedef struct made { /* one member written */
  const rl_npz_part *part;
  size_t at, bytes;
  uint32_t crc;
  int index;
} made;

static int by_part(const void *a, const void *b) {
  return strcmp(((const made *)a)->part->name, ((const made *)b)->part->name);
}

static void put16(uint8_t *p, size_t v) { p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8); }
static void put32(uint8_t *p, size_t v) { put16(p, v), put16(p + 2, v >> 16); }

/* The fields that local header and directory share: 26 bytes from "version needed" on. Time: 1980-01-01. */
static void put_fields(uint8_t *p, const made *m) {
  memset(p, 0, 26);
  put16(p, 20);
  put16(p + 2, 0x800); /* names are UTF-8 */
  put16(p + 8, 0x21);
  put32(p + 10, m->crc);
  put32(p + 14, m->bytes);
  put32(p + 18, m->bytes);
  put16(p + 22, strlen(m->part->name) + 4);
}

static size_t element_bytes(rl_dtype t) {
  return t == RL_F64 || t == RL_I64 ? 8 : t == RL_F32 || t == RL_I32 ? 4 : 1;
}

static rl_status write_member(rl_writer *w, made *m, rl_bytes *head, const void *data, size_t at) {
  uint8_t local[30] = "PK\3\4";
  size_t n = element_bytes(m->part->dtype);
  for (int i = 0; i < m->part->rank; i++) n *= (size_t)m->part->size[i];
  head->len = 0;
  RL_TRY(rl_npy_head(head, m->part->dtype, m->part->rank, m->part->size));
  m->at = at;
  m->bytes = head->len + n;
  if (n > FILE_MAX / 2 || at > FILE_MAX / 2)
    return rl_fail(RL_EARG, "io.save: an npz of 2 GiB or more is not supported; use safetensors");
  m->crc = (uint32_t)crc32_z(crc32_z(crc32(0, NULL, 0), head->data, head->len), data, n);
  put_fields(local + 4, m);
  RL_TRY(rl_writer_put(w, local, 30));
  RL_TRY(rl_writer_put(w, m->part->name, strlen(m->part->name)));
  RL_TRY(rl_writer_put(w, ".npy", 4));
  RL_TRY(rl_writer_put(w, head->data, head->len));
  return n > 0 ? rl_writer_put(w, data, n) : RL_OK;
}

static rl_status write_directory(rl_writer *w, const made *m, int parts, size_t at) {
  uint8_t end[22] = "PK\5\6";
  size_t bytes = 0;
  for (int i = 0; i < parts; i++) {
    uint8_t entry[46] = "PK\1\2";
    put16(entry + 4, 20);
    put_fields(entry + 6, &m[i]);
    put32(entry + 42, m[i].at);
    RL_TRY(rl_writer_put(w, entry, 46));
    RL_TRY(rl_writer_put(w, m[i].part->name, strlen(m[i].part->name)));
    RL_TRY(rl_writer_put(w, ".npy", 4));
    bytes += 46 + strlen(m[i].part->name) + 4;
  }
  put16(end + 8, (size_t)parts);
  put16(end + 10, (size_t)parts);
  put32(end + 12, bytes);
  put32(end + 16, at);
  return rl_writer_put(w, end, 22);
}

static rl_status write_all(rl_writer *w, made *m, int parts, const void *(*source)(void *, int), void *ctx) {
  rl_bytes head = {0};
  size_t at = 0;
  rl_status s = RL_OK;
  for (int i = 0; i < parts && s == RL_OK; i++) {
    const void *data = source(ctx, m[i].index);
    s = data == NULL ? RL_ENOMEM : write_member(w, &m[i], &head, data, at);
    at += 30 + strlen(m[i].part->name) + 4 + m[i].bytes;
  }
  rl_bytes_drop(&head);
  RL_TRY(s);
  RL_TRY(write_directory(w, m, parts, at));
  return rl_writer_commit(w, true);
}

rl_status rl_npz_write(const char *file, const rl_npz_part *part, int parts,
                       const void *(*source)(void *, int), void *ctx) {
  if (parts >= ENTRIES_MAX)
    return rl_fail(RL_EARG, "io.save: more than 65534 arrays in an npz; use safetensors");
  made *m = calloc((size_t)parts + 1, sizeof *m);
  if (m == NULL) return rl_fail(RL_ENOMEM, "io.save: no memory for %d arrays", parts);
  for (int i = 0; i < parts; i++) m[i] = (made){.part = &part[i], .index = i};
  qsort(m, (size_t)parts, sizeof *m, by_part);
  rl_status s = RL_OK;
  for (int i = 0; i < parts && s == RL_OK; i++)
    if (m[i].part->name[0] == '\0' || strlen(m[i].part->name) > 60000 ||
        (i > 0 && by_part(&m[i - 1], &m[i]) == 0))
      s = rl_fail(RL_EARG, "io.save: a name is empty, longer than 60000 bytes or stands twice; rename it");
  rl_writer w = {.fd = -1};
  if (s == RL_OK) s = rl_writer_open(&w, "io.save", file);
  if (s == RL_OK) s = write_all(&w, m, parts, source, ctx);
  rl_writer_abort(&w);
  free(m);
  return s;
}
