/* safetensors: eight bytes of header length, a JSON header, the data. Order of the checks: file size,
** header length, JSON (UTF-8, exact integers, depth), names, dtype, dimensions, their product, offsets,
** coverage; then memory. */
#include "io/safetensors.h"
#include "base/mem.h"
#include "base/status.h"
#include "io/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define SUM_PREFIX "crc32."
#define META_SUM   "__metadata__"

static const struct kind {
  const char *name;
  size_t stored_bytes, bytes;
  rl_dtype dtype;
} kinds[] = {{"F32", 4, 4, RL_F32}, {"F64", 8, 8, RL_F64},   {"I64", 8, 8, RL_I64}, {"I32", 4, 4, RL_I32},
             {"U8", 1, 1, RL_U8},   {"BOOL", 1, 1, RL_BOOL}, {"F16", 2, 4, RL_F32}, {"BF16", 2, 4, RL_F32}};

static const struct kind *find_kind(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
  return NULL;
}

/* ---- reading */

typedef struct reader {
  rl_st *st;
  rl_json json;
  rl_bytes header, entries, pairs,
      sums; /* the last three grow and are handed to st; names are offsets until then */
  char shown[RL_NAMEBUF];
} reader;

static rl_status no(reader *r, const char *what) {
  return rl_fail(RL_EFORMAT, "io.load: \"%s\": %s", r->shown, what);
}

static rl_status no_entry(reader *r, const rl_st_entry *e, const char *what) {
  char name[RL_NAMEBUF];
  return rl_fail(RL_EFORMAT, "io.load: \"%s\": tensor \"%s\": %s", r->shown, rl_file_name(name, e->name),
                 what);
}

static rl_status next(reader *r, rl_json_kind *kind) {
  rl_status s = rl_json_next(&r->json, kind);
  if (s != RL_EFORMAT) return s;
  char text[300];
  snprintf(text, sizeof text, "%s", rl_error_text());
  return rl_fail(s, "io.load: \"%s\": header is not valid JSON: %s; write the file again", r->shown, text);
}

static rl_status keep(reader *r, const char **out) { /* a copy of the last string */
  if (memchr(r->json.string, '\0', r->json.string_len) != NULL)
    return no(r, "a name in the header holds a NUL");
  size_t at = r->st->text.len;
  RL_TRY(rl_bytes_put(&r->st->text, r->json.string, r->json.string_len));
  RL_TRY(rl_bytes_put(&r->st->text, "", 1));
  *out = (const char *)(uintptr_t)at; /* text may still move */
  return RL_OK;
}

static bool key_is(const reader *r, const char *name) {
  return r->json.string_len == strlen(name) && memcmp(r->json.string, name, r->json.string_len) == 0;
}

static rl_status read_metadata(reader *r) {
  rl_json_kind k;
  RL_TRY(next(r, &k));
  if (k != RL_JSON_OBJECT) return no(r, "__metadata__ is not an object; write the file again");
  for (;;) {
    rl_st_pair pair;
    RL_TRY(next(r, &k));
    if (k == RL_JSON_OBJECT_END) return RL_OK;
    bool sum = r->json.string_len > 6 && memcmp(r->json.string, SUM_PREFIX, 6) == 0;
    RL_TRY(keep(r, &pair.key));
    RL_TRY(next(r, &k));
    if (k != RL_JSON_STRING)
      return no(r, "__metadata__ holds a value that is not a string; write the file again");
    RL_TRY(keep(r, &pair.value));
    if (sum) pair.key += 6;
    if ((r->sums.len + r->pairs.len) / sizeof pair >= 2 * RL_ST_ENTRIES_MAX)
      return no(r, "more than 100000 texts in __metadata__; split the file");
    RL_TRY(rl_bytes_put(sum ? &r->sums : &r->pairs, &pair, sizeof pair));
  }
}

static rl_status read_integers(reader *r, const rl_st_entry *e, int most, int64_t *to, int *n,
                               const char *what) {
  rl_json_kind k;
  char text[120];
  RL_TRY(next(r, &k));
  for (*n = 0; k == RL_JSON_ARRAY;) {
    rl_json_kind inner;
    RL_TRY(next(r, &inner));
    if (inner == RL_JSON_ARRAY_END) return RL_OK;
    if (inner != RL_JSON_INT || r->json.integer < 0) break;
    if (*n == most) {
      snprintf(text, sizeof text, "%s has more than %d numbers", what, most);
      return no_entry(r, e, text);
    }
    to[(*n)++] = r->json.integer;
  }
  snprintf(text, sizeof text, "%s is not a list of integers from 0 to 2^63-1; write the file again", what);
  return no_entry(r, e, text);
}

static rl_status read_dtype(reader *r, rl_st_entry *e) {
  rl_json_kind k;
  char text[160], name[40];
  RL_TRY(next(r, &k));
  if (k != RL_JSON_STRING) return no_entry(r, e, "dtype is not a string; write the file again");
  if (r->json.string_len < sizeof e->stored) memcpy(e->stored, r->json.string, r->json.string_len);
  if (find_kind(e->stored) != NULL && strlen(e->stored) == r->json.string_len) return RL_OK;
  rl_quote(name, sizeof name, r->json.string, r->json.string_len);
  snprintf(text, sizeof text,
           "dtype \"%s\" is not supported; save it as F32, F64, I64, I32, U8, BOOL, F16 or BF16", name);
  return no_entry(r, e, text);
}

static rl_status read_entry(reader *r) {
  rl_st_entry e = {0};
  rl_json_kind k;
  int64_t offset[2] = {0};
  int offsets = 0, seen = 0;
  RL_TRY(keep(r, &e.name));
  rl_st_entry named = e;
  named.name =
      (const char *)r->st->text.data + (uintptr_t)e.name; /* for messages: no string is kept meanwhile */
  RL_TRY(next(r, &k));
  if (k != RL_JSON_OBJECT) return no_entry(r, &named, "its entry is not an object; write the file again");
  for (;;) {
    RL_TRY(next(r, &k));
    if (k == RL_JSON_OBJECT_END) break;
    int bit = key_is(r, "dtype") ? 1 : key_is(r, "shape") ? 2 : key_is(r, "data_offsets") ? 4 : 0;
    if (bit == 0) return no_entry(r, &named, "an unknown key in its entry; write the file again");
    if (seen & bit) return no_entry(r, &named, "a key stands twice in its entry; write the file again");
    seen |= bit;
    if (bit == 1) RL_TRY(read_dtype(r, &named));
    if (bit == 2) RL_TRY(read_integers(r, &named, RL_MAXRANK, named.size, &named.rank, "shape"));
    if (bit == 4) RL_TRY(read_integers(r, &named, 2, offset, &offsets, "data_offsets"));
  }
  if (seen != 7) return no_entry(r, &named, "dtype, shape or data_offsets is missing; write the file again");
  if (offsets != 2) return no_entry(r, &named, "data_offsets needs two numbers; write the file again");
  named.begin = (uint64_t)offset[0];
  named.end = (uint64_t)offset[1];
  named.name = e.name;
  if (r->entries.len / sizeof e >= RL_ST_ENTRIES_MAX) return no(r, "more than 50000 tensors; split the file");
  return rl_bytes_put(&r->entries, &named, sizeof named);
}

static rl_status read_header(reader *r) {
  rl_json_kind k;
  bool metadata = false;
  rl_json_open(&r->json, (const char *)r->header.data, r->header.len, 16);
  RL_TRY(next(r, &k));
  if (k != RL_JSON_OBJECT) return no(r, "the header is not a JSON object; write the file again");
  for (;;) {
    RL_TRY(next(r, &k));
    if (k == RL_JSON_OBJECT_END) break;
    if (!key_is(r, "__metadata__")) {
      RL_TRY(read_entry(r));
      continue;
    }
    if (metadata) return no(r, "__metadata__ stands twice in the header; write the file again");
    metadata = true;
    RL_TRY(read_metadata(r));
  }
  return next(r, &k);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const rl_st_entry *)a)->name, ((const rl_st_entry *)b)->name);
}
static int by_key(const void *a, const void *b) {
  return strcmp(((const rl_st_pair *)a)->key, ((const rl_st_pair *)b)->key);
}
static int by_begin(const void *a, const void *b) {
  const rl_st_entry *x = *(rl_st_entry *const *)a, *y = *(rl_st_entry *const *)b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

static void take_pairs(reader *r, rl_bytes *from, rl_st_pair **to, int *n, size_t *bytes) {
  const char *text = (const char *)r->st->text.data;
  *to = (rl_st_pair *)(void *)from->data;
  *n = (int)(from->len / sizeof **to);
  *bytes = from->cap;
  *from = (rl_bytes){0};
  for (int i = 0; i < *n; i++)
    (*to)[i] = (rl_st_pair){text + (uintptr_t)(*to)[i].key, text + (uintptr_t)(*to)[i].value};
  if (*n > 1) qsort(*to, (size_t)*n, sizeof **to, by_key);
}

static rl_status take_names(reader *r) { /* offsets become pointers; sorted; no name twice */
  rl_st *st = r->st;
  take_pairs(r, &r->pairs, &st->pair, &st->pairs, &st->pair_bytes);
  take_pairs(r, &r->sums, &st->sum, &st->sums, &st->sum_bytes);
  st->entry = (rl_st_entry *)(void *)r->entries.data;
  st->count = (int)(r->entries.len / sizeof *st->entry);
  st->entry_bytes = r->entries.cap;
  r->entries = (rl_bytes){0};
  for (int i = 0; i < st->count; i++)
    st->entry[i].name = (char *)st->text.data + (uintptr_t)st->entry[i].name;
  if (st->count > 1) qsort(st->entry, (size_t)st->count, sizeof *st->entry, by_name);
  for (int i = 1; i < st->count; i++)
    if (by_name(&st->entry[i - 1], &st->entry[i]) == 0)
      return no_entry(r, &st->entry[i], "the name stands twice; write the file again");
  for (int i = 1; i < st->pairs; i++)
    if (by_key(&st->pair[i - 1], &st->pair[i]) == 0) return no(r, "a key stands twice in __metadata__");
  for (int i = 1; i < st->sums; i++)
    if (by_key(&st->sum[i - 1], &st->sum[i]) == 0) return no(r, "a checksum stands twice in __metadata__");
  return RL_OK;
}

static const char *shape_text(const rl_st_entry *e, char *buf, size_t cap) {
  size_t n = (size_t)snprintf(buf, cap, e->rank == 0 ? "a number" : "%" PRId64, e->size[0]);
  for (int i = 1; i < e->rank && n < cap; i++)
    n += (size_t)snprintf(buf + n, cap - n, "x%" PRId64, e->size[i]);
  return buf;
}

static rl_status check_entry(reader *r, rl_st_entry *e, uint64_t data_bytes) {
  const struct kind *kind = find_kind(e->stored);
  char shape[200], text[420];
  size_t count = 1, nonzero = 1, stored;
  bool fits = true;
  for (int i = 0; i < e->rank; i++) {
    size_t d = (size_t)e->size[i];
    fits = fits && rl_size_mul(count, d, &count) && rl_size_mul(nonzero, d == 0 ? 1 : d, &nonzero);
  }
  fits = fits && nonzero <= INT64_MAX / 8 && rl_size_mul(count, kind->stored_bytes, &stored);
  shape_text(e, shape, sizeof shape);
  if (!fits) {
    snprintf(text, sizeof text, "%s %s overflows; write the file again", shape, e->stored);
    return no_entry(r, e, text);
  }
  if (e->begin > e->end) return no_entry(r, e, "data_offsets end before they begin; write the file again");
  if (e->end > data_bytes)
    return no_entry(r, e, "data_offsets leave the file: it was cut off; write it again");
  if (e->end - e->begin != stored) {
    snprintf(text, sizeof text, "%s %s needs %zu bytes, data_offsets give %" PRIu64 "; write the file again",
             shape, e->stored, stored, e->end - e->begin);
    return no_entry(r, e, text);
  }
  e->dtype = kind->dtype;
  e->bytes = count * kind->bytes; /* count * 8 fits, see above */
  return RL_OK;
}

static rl_status check_coverage(reader *r, uint64_t data_bytes) { /* the data part, once and without gaps */
  rl_st *st = r->st;
  void *block;
  size_t bytes = (size_t)st->count * sizeof(rl_st_entry *);
  RL_TRY(rl_mem_alloc(&block, bytes));
  rl_st_entry **order = block;
  for (int i = 0; i < st->count; i++) order[i] = &st->entry[i];
  if (st->count > 1) qsort(order, (size_t)st->count, sizeof *order, by_begin);
  uint64_t at = 0;
  rl_status s = RL_OK;
  for (int i = 0; i < st->count && s == RL_OK; i++) {
    if (order[i]->begin > at)
      s = no_entry(r, order[i], "a gap lies before its data; write the file again");
    else if (order[i]->begin < at)
      s = no_entry(r, order[i], "its data overlap another tensor's; write the file again");
    at = order[i]->end;
  }
  rl_mem_free(block, bytes);
  if (s == RL_OK && at != data_bytes) s = no(r, "bytes follow the last tensor; write the file again");
  return s;
}

static rl_status check_metadata(reader *r) {
  rl_st *st = r->st;
  uLong sum = crc32(0, NULL, 0);
  for (int i = 0; i < st->pairs; i++) {
    sum = crc32_z(sum, (const Bytef *)st->pair[i].key, strlen(st->pair[i].key) + 1);
    sum = crc32_z(sum, (const Bytef *)st->pair[i].value, strlen(st->pair[i].value) + 1);
  }
  char hex[16];
  snprintf(hex, sizeof hex, "%08lx", sum);
  rl_st_pair key = {META_SUM, NULL};
  const rl_st_pair *have =
      st->sums == 0 ? NULL : bsearch(&key, st->sum, (size_t)st->sums, sizeof key, by_key);
  if (have != NULL && strcmp(have->value, hex) != 0)
    return no(r, "the metadata's CRC-32 differs: the file is damaged");
  return RL_OK;
}

static rl_status what_else(reader *r, const uint8_t *head,
                           size_t n) { /* files that people take for this format */
  if (n >= 4 && memcmp(head, "PK\3\4", 4) == 0)
    return no(r, "a zip archive, perhaps a PyTorch checkpoint; convert it to safetensors in Python first");
  if (n >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5)
    return no(
        r,
        "a pickle or PyTorch checkpoint, which rille never runs; convert it to safetensors in Python first");
  if (n >= 8 && memcmp(head, "version ", 8) == 0)
    return no(r, "this is a Git LFS pointer; run \"git lfs pull\"");
  return RL_OK;
}

static rl_status read_all(reader *r) {
  rl_st *st = r->st;
  struct stat info;
  uint8_t head[8];
  uint64_t n = 0;
  if (fstat(st->fd, &info) != 0 || !S_ISREG(info.st_mode))
    return rl_fail(RL_EIO, "io.load: \"%s\" is not a regular file", r->shown);
  uint64_t size = (uint64_t)info.st_size;
  if (size < 8) return no(r, "too short for safetensors; write it again");
  RL_TRY(rl_file_pread(st->fd, "io.load", st->file, head, 8, 0));
  RL_TRY(what_else(r, head, 8));
  for (int i = 7; i >= 0; i--) n = n << 8 | head[i];
  if (n > size - 8) return no(r, "the header is longer than the file: cut off, or not safetensors");
  if (n > RL_ST_HEADER_MAX) return no(r, "the header is longer than 25000000 bytes; split the file");
  if (n < 2) return no(r, "the header is empty; write the file again");
  RL_TRY(rl_bytes_reserve(&r->header, (size_t)n));
  RL_TRY(rl_file_pread(st->fd, "io.load", st->file, r->header.data, (size_t)n, 8));
  r->header.len = (size_t)n;
  if (r->header.data[0] != '{') return no(r, "the header does not begin with '{': not safetensors");
  st->data_at = 8 + n;
  RL_TRY(read_header(r));
  RL_TRY(take_names(r));
  for (int i = 0; i < st->count; i++) RL_TRY(check_entry(r, &st->entry[i], size - st->data_at));
  RL_TRY(check_coverage(r, size - st->data_at));
  return check_metadata(r);
}

rl_status rl_st_open(rl_st *st, const char *file) {
  *st = (rl_st){.fd = -1};
  reader r = {.st = st};
  rl_file_name(r.shown, file);
  st->file = strdup(file);
  if (st->file == NULL) return rl_fail(RL_ENOMEM, "io.load: no memory for a file name");
  st->fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  rl_status s = st->fd < 0 ? rl_fail(RL_EIO, "io.load: \"%s\": cannot open: %s", r.shown, strerror(errno))
                           : read_all(&r);
  rl_json_close(&r.json);
  rl_bytes_drop(&r.header);
  rl_bytes_drop(&r.entries);
  rl_bytes_drop(&r.pairs);
  rl_bytes_drop(&r.sums);
  if (s != RL_OK) rl_st_close(st);
  return s;
}

void rl_st_close(rl_st *st) {
  if (st->fd >= 0) close(st->fd);
  free(st->file);
  rl_mem_free(st->entry, st->entry_bytes);
  rl_mem_free(st->pair, st->pair_bytes);
  rl_mem_free(st->sum, st->sum_bytes);
  rl_bytes_drop(&st->text);
  *st = (rl_st){.fd = -1};
}

const rl_st_entry *rl_st_find(const rl_st *st, const char *name) {
  rl_st_entry key = {.name = name};
  return st->count == 0 ? NULL : bsearch(&key, st->entry, (size_t)st->count, sizeof key, by_name);
}

const char *rl_st_meta(const rl_st *st, const char *name) {
  rl_st_pair key = {.key = name};
  const rl_st_pair *p =
      st->pairs == 0 ? NULL : bsearch(&key, st->pair, (size_t)st->pairs, sizeof key, by_key);
  return p == NULL ? NULL : p->value;
}

static float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023, bits;
  if (e == 31)
    bits = sign | 0x7F800000u | m << 13;
  else if (e > 0)
    bits = sign | (e + 112) << 23 | m << 13;
  else { /* denormal: m * 2^-24 */
    float f = (float)m * 0x1p-24f;
    return sign ? -f : f;
  }
  float out;
  memcpy(&out, &bits, 4);
  return out;
}

static void widen(void *to, size_t count,
                  bool brain) { /* from the upper half of the buffer, in place, forwards */
  const uint8_t *from = (const uint8_t *)to + 2 * count;
  float *out = to;
  for (size_t i = 0; i < count; i++) {
    uint16_t h = (uint16_t)(from[2 * i] | from[2 * i + 1] << 8);
    uint32_t bits = (uint32_t)h << 16;
    float v = half_to_float(h);
    if (brain) memcpy(&v, &bits, 4);
    out[i] = v;
  }
}

rl_status rl_st_read(const rl_st *st, const rl_st_entry *e, void *to) {
  size_t stored = (size_t)(e->end - e->begin);
  uint8_t *at = (uint8_t *)to + (e->bytes - stored);
  RL_TRY(rl_file_pread(st->fd, "io.load", st->file, at, stored, st->data_at + e->begin));
  rl_st_pair key = {e->name, NULL};
  const rl_st_pair *sum = st->sums == 0 ? NULL : bsearch(&key, st->sum, (size_t)st->sums, sizeof key, by_key);
  char hex[16], shown[RL_NAMEBUF], name[RL_NAMEBUF];
  snprintf(hex, sizeof hex, "%08lx", crc32_z(crc32(0, NULL, 0), at, stored));
  if (sum != NULL && strcmp(sum->value, hex) != 0)
    return rl_fail(
        RL_EFORMAT,
        "io.load: \"%s\": tensor \"%s\": CRC-32 is %s, the file says %.20s: it is damaged; copy it again",
        rl_file_name(shown, st->file), rl_file_name(name, e->name), hex, sum->value);
  if (e->stored[0] == 'F' && e->stored[1] == '1') widen(to, e->bytes / 4, false);
  if (e->stored[0] == 'B' && e->stored[1] == 'F') widen(to, e->bytes / 4, true);
  if (e->dtype == RL_BOOL)
    for (size_t i = 0; i < stored; i++) at[i] = at[i] != 0;
  return RL_OK;
}

/* ---- writing */

static size_t part_bytes(const rl_st_part *p) {
  size_t n = kinds[p->dtype].bytes; /* the first six rows stand in the order of rl_dtype */
  for (int i = 0; i < p->rank; i++) n *= (size_t)p->size[i];
  return n;
}

typedef struct order {
  const char *name;
  int part;
  size_t bytes;
  uint32_t sum;
} order;

static int by_order(const void *a, const void *b) {
  return strcmp(((const order *)a)->name, ((const order *)b)->name);
}

static rl_status sum_parts(order *o, const rl_st_part *part, int parts, rl_st_source source, void *ctx) {
  char name[RL_NAMEBUF];
  for (int i = 0; i < parts; i++)
    o[i] = (order){.name = part[i].name, .part = i, .bytes = part_bytes(&part[i])};
  if (parts > 1) qsort(o, (size_t)parts, sizeof *o, by_order);
  for (int i = 0; i < parts; i++) {
    rl_file_name(name, o[i].name);
    if (i > 0 && strcmp(o[i - 1].name, o[i].name) == 0)
      return rl_fail(RL_EARG, "io.save: the name \"%s\" stands twice; rename one", name);
    if (strcmp(o[i].name, META_SUM) == 0)
      return rl_fail(RL_EARG, "io.save: \"%s\" is not a name for a tensor", name);
    const void *data = source(ctx, o[i].part);
    if (data == NULL) return RL_ENOMEM;
    o[i].sum = (uint32_t)crc32_z(crc32(0, NULL, 0), data, o[i].bytes);
  }
  return RL_OK;
}

static rl_status put_pair(rl_bytes *b, const char *prefix, const char *key, const char *value, bool comma) {
  rl_bytes joined = {0};
  if (comma) RL_TRY(rl_bytes_puts(b, ","));
  rl_status s = rl_bytes_puts(&joined, prefix);
  if (s == RL_OK) s = rl_bytes_puts(&joined, key);
  if (s == RL_OK) s = rl_json_put_string(b, (char *)joined.data, joined.len);
  rl_bytes_drop(&joined);
  RL_TRY(s);
  RL_TRY(rl_bytes_puts(b, ":"));
  return rl_json_put_string(b, value, strlen(value));
}

static rl_status put_metadata(rl_bytes *b, const order *o, int parts, const rl_st_pair *meta, int pairs) {
  char hex[16];
  uLong sum = crc32(0, NULL, 0);
  bool comma = false;
  RL_TRY(rl_bytes_puts(b, "{\"__metadata__\":{"));
  for (int i = 0; i < parts; i++, comma = true) {
    snprintf(hex, sizeof hex, "%08" PRIx32, o[i].sum);
    RL_TRY(put_pair(b, SUM_PREFIX, o[i].name, hex, comma));
  }
  for (int i = 0; i < pairs; i++) {
    sum = crc32_z(sum, (const Bytef *)meta[i].key, strlen(meta[i].key) + 1);
    sum = crc32_z(sum, (const Bytef *)meta[i].value, strlen(meta[i].value) + 1);
  }
  snprintf(hex, sizeof hex, "%08lx", sum);
  RL_TRY(put_pair(b, SUM_PREFIX, META_SUM, hex, comma));
  for (int i = 0; i < pairs; i++) {
    if (strncmp(meta[i].key, SUM_PREFIX, 6) == 0 || (i > 0 && strcmp(meta[i - 1].key, meta[i].key) == 0))
      return rl_fail(RL_EARG, "io.save: a metadata key stands twice or begins with crc32.; rename it");
    RL_TRY(put_pair(b, "", meta[i].key, meta[i].value, true));
  }
  return rl_bytes_puts(b, "}");
}

static rl_status put_entry(rl_bytes *b, const rl_st_part *p, size_t begin, size_t end) {
  char text[80];
  RL_TRY(rl_bytes_puts(b, ","));
  RL_TRY(rl_json_put_string(b, p->name, strlen(p->name)));
  snprintf(text, sizeof text, ":{\"dtype\":\"%s\",\"shape\":[", kinds[p->dtype].name);
  RL_TRY(rl_bytes_puts(b, text));
  for (int i = 0; i < p->rank; i++) {
    if (i > 0) RL_TRY(rl_bytes_puts(b, ","));
    RL_TRY(rl_json_put_int(b, p->size[i]));
  }
  snprintf(text, sizeof text, "],\"data_offsets\":[%zu,%zu]}", begin, end);
  return rl_bytes_puts(b, text);
}

static rl_status make_header(rl_bytes *b, const order *o, const rl_st_part *part, int parts,
                             const rl_st_pair *meta, int pairs) {
  size_t at = 0;
  RL_TRY(rl_bytes_put(b, "\0\0\0\0\0\0\0\0", 8));
  RL_TRY(put_metadata(b, o, parts, meta, pairs));
  for (int i = 0; i < parts; i++) {
    RL_TRY(put_entry(b, &part[o[i].part], at, at + o[i].bytes));
    at += o[i].bytes;
  }
  RL_TRY(rl_bytes_puts(b, "}"));
  while (b->len % 8 != 0) RL_TRY(rl_bytes_puts(b, " "));
  size_t n = b->len - 8;
  if (n > RL_ST_HEADER_MAX)
    return rl_fail(RL_EARG, "io.save: the header would be longer than 25000000 bytes; split the file");
  for (int i = 0; i < 8; i++) b->data[i] = (uint8_t)(n >> 8 * i);
  return RL_OK;
}

static rl_status write_parts(rl_writer *w, const rl_bytes *header, const order *o, int parts,
                             rl_st_source source, void *ctx) {
  RL_TRY(rl_writer_put(w, header->data, header->len));
  for (int i = 0; i < parts; i++) {
    const void *data = source(ctx, o[i].part);
    if (data == NULL) return RL_ENOMEM;
    RL_TRY(rl_writer_put(w, data, o[i].bytes));
  }
  return rl_writer_commit(w, true);
}

rl_status rl_st_write(const char *file, const rl_st_part *part, int parts, rl_st_source source, void *ctx,
                      const rl_st_pair *meta, int pairs) {
  void *orders = NULL, *sorted = NULL;
  size_t order_bytes = (size_t)parts * sizeof(order), pair_bytes = (size_t)pairs * sizeof(rl_st_pair);
  rl_bytes header = {0};
  rl_writer w = {.fd = -1};
  if (parts > RL_ST_ENTRIES_MAX || pairs > RL_ST_ENTRIES_MAX - 1)
    return rl_fail(RL_EARG, "io.save: more than %d tensors or texts; split the file", RL_ST_ENTRIES_MAX - 1);
  rl_status s = rl_mem_alloc(&orders, order_bytes);
  if (s == RL_OK) s = rl_mem_alloc(&sorted, pair_bytes);
  if (s == RL_OK && pairs > 0) {
    memcpy(sorted, meta, pair_bytes);
    qsort(sorted, (size_t)pairs, sizeof *meta, by_key);
  }
  if (s == RL_OK) s = sum_parts(orders, part, parts, source, ctx);
  if (s == RL_OK) s = make_header(&header, orders, part, parts, sorted, pairs);
  if (s == RL_OK) s = rl_writer_open(&w, "io.save", file);
  if (s == RL_OK) s = write_parts(&w, &header, orders, parts, source, ctx);
  rl_writer_abort(&w);
  rl_mem_free(orders, order_bytes);
  rl_mem_free(sorted, pair_bytes);
  rl_bytes_drop(&header);
  return s;
}
