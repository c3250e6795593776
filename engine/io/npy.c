/* npy: a parser for exactly the header that NumPy writes, by hand; nothing is evaluated. */
#include "io/npy.h"
#include "base/mem.h"
#include "base/status.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct cursor { /* the header's text */
  const char *at, *end, *shown;
} cursor;

static rl_status no(const char *shown, const char *what) {
  return rl_fail(RL_EFORMAT, "io.load: %s: %s", shown, what);
}

static void skip_space(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take(cursor *c, const char *word) { /* and the space before it */
  size_t n = strlen(word);
  skip_space(c);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
  c->at += n;
  return true;
}

static bool take_text(cursor *c, const char **text, size_t *n) { /* 'abc' or "abc", without escapes */
  skip_space(c);
  if (c->at >= c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  const char *stop = memchr(c->at, quote, (size_t)(c->end - c->at));
  if (stop == NULL || memchr(c->at, '\\', (size_t)(stop - c->at)) != NULL) return false;
  *text = c->at;
  *n = (size_t)(stop - c->at);
  c->at = stop + 1;
  return true;
}

static const struct kind {
  char kind;
  int width;
  rl_dtype dtype;
} kinds[] = {{'f', 4, RL_F32}, {'f', 8, RL_F64},  {'i', 8, RL_I64}, {'i', 4, RL_I32},
             {'u', 1, RL_U8},  {'b', 1, RL_BOOL}, {'f', 2, RL_F32}, {'i', 1, RL_I32},
             {'i', 2, RL_I32}, {'u', 2, RL_I32},  {'u', 4, RL_I64}};

static rl_status unknown_dtype(const char *shown, const char *text, size_t n) {
  char name[60];
  rl_quote(name, sizeof name, text, n);
  char letter = n > 1 ? text[1] : ' ';
  if (letter == 'O')
    return rl_fail(RL_EFORMAT,
                   "io.load: %s: dtype '%s' holds Python objects (pickle), which rille never runs; "
                   "save with a numeric dtype",
                   shown, name);
  const char *what = letter == 'c'                                     ? "complex numbers"
                     : letter == 'M' || letter == 'm'                  ? "dates or times"
                     : letter == 'S' || letter == 'U' || letter == 'V' ? "text or records"
                                                                       : "no dtype of rille's";
  return rl_fail(RL_EFORMAT, "io.load: %s: dtype '%s' holds %s; save as f4, f8, i4, i8, u1 or b1", shown,
                 name, what);
}

static rl_status read_dtype(cursor *c, rl_npy *h) {
  const char *text;
  size_t n;
  if (take(c, "[")) return no(c->shown, "a structured dtype (records); save each field as its own array");
  if (!take_text(c, &text, &n)) return no(c->shown, "descr is not a dtype in quotes; write the file again");
  if (n == 3 && strchr("<>|=", text[0]) != NULL && isdigit((unsigned char)text[2])) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
      if (kinds[i].kind != text[1] || kinds[i].width != text[2] - '0') continue;
      if (text[0] == '=' || (text[0] == '|' && kinds[i].width > 1)) break;
      h->kind = text[1];
      h->width = kinds[i].width;
      h->dtype = kinds[i].dtype;
      h->big_endian = text[0] == '>';
      return RL_OK;
    }
  }
  return unknown_dtype(c->shown, text, n);
}

static rl_status read_size(cursor *c, int64_t *out) { /* 12, 12L (Python 2), np.int64(12) */
  bool wrapped = take(c, "np.int64(") || take(c, "np.int32(");
  uint64_t v = 0;
  skip_space(c);
  const char *first = c->at;
  for (; c->at < c->end && isdigit((unsigned char)*c->at); c->at++)
    if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*c->at - '0'), &v) ||
        v > INT64_MAX)
      return no(c->shown, "a size in shape is above 2^63-1; write the file again");
  if (c->at == first) return no(c->shown, "shape holds something that is not a size; write the file again");
  if (wrapped && !take(c, ")")) return no(c->shown, "shape is not a list of sizes; write the file again");
  if (c->at < c->end && *c->at == 'L') c->at++;
  *out = (int64_t)v;
  return RL_OK;
}

static rl_status read_shape(cursor *c, rl_npy *h) {
  if (!take(c, "(")) return no(c->shown, "shape does not begin with '('; write the file again");
  bool comma = true;
  for (h->rank = 0; !take(c, ")"); h->rank++) {
    if (!comma) return no(c->shown, "shape lacks a comma or ')'; write the file again");
    if (h->rank == RL_MAXRANK) return no(c->shown, "more than 8 dims; reshape before saving");
    RL_TRY(read_size(c, &h->size[h->rank]));
    comma = take(c, ",");
  }
  return RL_OK;
}

static rl_status read_dict(cursor *c, rl_npy *h) {
  const char *key;
  size_t n;
  int seen = 0;
  if (!take(c, "{")) return no(c->shown, "the header is not a dictionary; write the file again");
  while (!take(c, "}")) {
    if (!take_text(c, &key, &n) || !take(c, ":"))
      return no(c->shown, "a key in the header is malformed; write the file again");
    int bit = n == 5 && memcmp(key, "descr", 5) == 0             ? 1
              : n == 5 && memcmp(key, "shape", 5) == 0           ? 2
              : n == 13 && memcmp(key, "fortran_order", 13) == 0 ? 4
                                                                 : 0;
    if (bit == 0) return no(c->shown, "an unknown key in the header; write the file again");
    if (seen & bit) return no(c->shown, "a key stands twice in the header; write the file again");
    seen |= bit;
    if (bit == 1) RL_TRY(read_dtype(c, h));
    if (bit == 2) RL_TRY(read_shape(c, h));
    if (bit == 4) {
      h->fortran = take(c, "True");
      if (!h->fortran && !take(c, "False"))
        return no(c->shown, "fortran_order is neither True nor False; write the file again");
    }
    if (take(c, ",")) continue;
    if (!take(c, "}")) return no(c->shown, "the header lacks a comma or '}'; write the file again");
    break;
  }
  if (seen != 7) return no(c->shown, "descr, fortran_order or shape is missing; write the file again");
  skip_space(c);
  return c->at == c->end ? RL_OK
                         : no(c->shown, "something follows the header's dictionary; write the file again");
}

static rl_status check_bytes(rl_npy *h, const char *shown, size_t total) {
  size_t count = 1, nonzero = 1, wide;
  bool fits = true;
  for (int i = 0; i < h->rank; i++) {
    size_t d = (size_t)h->size[i];
    fits = fits && rl_size_mul(count, d, &count) && rl_size_mul(nonzero, d == 0 ? 1 : d, &nonzero);
  }
  if (!fits || nonzero > INT64_MAX / 8)
    return no(shown, "the product of shape overflows; write the file again");
  h->stored_bytes = count * (size_t)h->width;
  wide = h->dtype == RL_F32 || h->dtype == RL_I32 ? 4 : h->dtype == RL_F64 || h->dtype == RL_I64 ? 8 : 1;
  h->bytes = count * wide;
  if (total - h->data_at == h->stored_bytes) return RL_OK;
  return rl_fail(RL_EFORMAT, "io.load: %s: the shape needs %zu bytes, %zu follow the header; %s", shown,
                 h->stored_bytes, total - h->data_at,
                 total - h->data_at < h->stored_bytes ? "it was cut off" : "write the file again");
}

static rl_status what_else(const char *shown, const uint8_t *data, size_t len) {
  if (rl_file_is_lfs(data, len)) return no(shown, "this is a Git LFS pointer; run \"git lfs pull\"");
  if (len >= 2 && data[0] == 0x80 && data[1] <= 5)
    return no(shown, "a pickle, which rille never runs; use numpy.save");
  return no(shown, "not an npy file; use numpy.save");
}

rl_status rl_npy_parse(rl_npy *h, const char *shown, const uint8_t *data, size_t len, size_t total) {
  *h = (rl_npy){0};
  if (len < 6 || memcmp(data, "\x93NUMPY", 6) != 0) return what_else(shown, data, len);
  if (len < 10) return no(shown, "cut off in the header");
  size_t head = data[6] == 1 ? 10 : 12, n = data[8] | (size_t)data[9] << 8;
  if (data[6] < 1 || data[6] > 3 || data[7] != 0) return no(shown, "an unknown version of the npy format");
  if (len < head) return no(shown, "cut off in the header");
  if (head == 12) n |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
  if (n > RL_NPY_HEADER_MAX) return no(shown, "the header is longer than 10000 bytes; write the file again");
  if (n > len - head) return no(shown, "cut off in the header");
  cursor c = {(const char *)data + head, (const char *)data + head + n, shown};
  RL_TRY(read_dict(&c, h));
  h->data_at = head + n;
  return check_bytes(h, shown, total);
}

static float half_to_float(uint16_t h) {
  float v = (float)(h & 1023) * 0x1p-24f; /* denormals */
  uint32_t e = h >> 10 & 31, bits = (e == 31 ? 0x7F800000u : (e + 112) << 23) | (uint32_t)(h & 1023) << 13;
  if (e > 0) memcpy(&v, &bits, 4);
  return h & 0x8000 ? -v : v;
}

static void put_element(const rl_npy *h, const uint8_t *from, void *to, size_t i) {
  uint64_t v = 0;
  for (int b = 0; b < h->width; b++) v |= (uint64_t)from[h->big_endian ? h->width - 1 - b : b] << 8 * b;
  if (h->kind == 'i' && h->width < 8 && v >> (8 * h->width - 1)) v |= ~(uint64_t)0 << 8 * h->width;
  if (h->kind == 'f' && h->width == 2) {
    ((float *)to)[i] = half_to_float((uint16_t)v);
    return;
  }
  if (h->dtype == RL_BOOL) v = v != 0;
  uint32_t low = (uint32_t)v;
  if (h->dtype == RL_U8 || h->dtype == RL_BOOL)
    ((uint8_t *)to)[i] = (uint8_t)v;
  else if (h->dtype == RL_F32 || h->dtype == RL_I32)
    memcpy((char *)to + 4 * i, &low, 4);
  else
    memcpy((char *)to + 8 * i, &v, 8);
}

void rl_npy_convert(const rl_npy *h, const uint8_t *from, void *to) {
  int64_t at[RL_MAXRANK] = {0};
  size_t count = h->stored_bytes / (size_t)h->width;
  if (!h->fortran && !h->big_endian && h->bytes == h->stored_bytes && h->dtype != RL_BOOL && h->kind != 'u') {
    if (h->bytes > 0) memcpy(to, from, h->bytes);
    return;
  }
  for (size_t i = 0; i < count; i++) { /* i runs row-major; where it lies depends on the stored order */
    size_t where = i;
    if (h->fortran) {
      where = 0;
      for (int d = h->rank - 1; d >= 0; d--) where = where * (size_t)h->size[d] + (size_t)at[d];
    }
    put_element(h, from + where * (size_t)h->width, to, i);
    for (int d = h->rank - 1; d >= 0 && ++at[d] == h->size[d]; d--) at[d] = 0;
  }
}

rl_status rl_npy_head(rl_bytes *b, rl_dtype dtype, int rank, const int64_t *size) {
  char text[400];
  const struct kind *k = &kinds[dtype]; /* the first six rows stand in the order of rl_dtype */
  int n = snprintf(text, sizeof text, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                   k->width > 1 ? '<' : '|', k->kind, k->width);
  for (int i = 0; i < rank; i++)
    n += snprintf(text + n, sizeof text - (size_t)n,
                  rank == 1 ? "%" PRId64 ","
                  : i > 0   ? ", %" PRId64
                            : "%" PRId64,
                  size[i]);
  n += snprintf(text + n, sizeof text - (size_t)n, "), }");
  size_t padded = ((size_t)n + 1 + 10 + 63) / 64 * 64 - 10;
  const uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)padded, (uint8_t)(padded >> 8)};
  RL_TRY(rl_bytes_put(b, head, 10));
  RL_TRY(rl_bytes_put(b, text, (size_t)n));
  RL_TRY(rl_bytes_reserve(b, padded));
  memset(b->data + b->len, ' ', padded - (size_t)n - 1);
  b->len += padded - (size_t)n - 1;
  return rl_bytes_put(b, "\n", 1);
}

rl_status rl_npy_write(const char *file, rl_dtype dtype, int rank, const int64_t *size, const void *data) {
  rl_bytes head = {0};
  rl_writer w = {.fd = -1};
  size_t bytes = (size_t)kinds[dtype].width;
  for (int i = 0; i < rank; i++) bytes *= (size_t)size[i];
  rl_status s = rl_npy_head(&head, dtype, rank, size);
  if (s == RL_OK) s = rl_writer_open(&w, "io.save", file);
  if (s == RL_OK) s = rl_writer_put(&w, head.data, head.len);
  if (s == RL_OK && bytes > 0) s = rl_writer_put(&w, data, bytes);
  if (s == RL_OK) s = rl_writer_commit(&w, true);
  rl_writer_abort(&w);
  rl_bytes_drop(&head);
  return s;
}
