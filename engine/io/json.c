/* JSON as events. One byte says what may come next: 'v' a value, 'a' a value or ']', 'k' a key, 'o' a key
** or '}', ',' a comma or the closing bracket, 'e' the end. */
#include "io/json.h"
#include "base/status.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rl_json_open(rl_json *j, const char *text, size_t len, int max_depth) {
  *j = (rl_json){.text = text, .len = len, .max_depth = max_depth, .expect = 'v'};
}

void rl_json_close(rl_json *j) { rl_bytes_drop(&j->scratch); }

static rl_status bad(const rl_json *j, size_t at, const char *what) {
  char seen[40];
  if (at >= j->len) return rl_fail(RL_EFORMAT, "json: byte %zu: %s, but the text ends here", at, what);
  size_t left = j->len - at;
  rl_quote(seen, sizeof seen, j->text + at, left < 12 ? left : 12);
  return rl_fail(RL_EFORMAT, "json: byte %zu: %s, at '%s'", at, what, seen);
}

static int peek(const rl_json *j) { return j->pos < j->len ? (unsigned char)j->text[j->pos] : -1; }

static void skip_space(rl_json *j) {
  while (j->pos < j->len && strchr(" \t\r\n", j->text[j->pos]) != NULL && j->text[j->pos] != '\0') j->pos++;
}

static int utf8_length(const unsigned char *s, size_t left) { /* of one character, 0 if it is none */
  if (s[0] < 0x80) return 1;
  int n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
  if (n == 0 || (size_t)n > left) return 0;
  for (int i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  if (n == 3 && ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))) return 0;
  if (n == 4 && ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))) return 0;
  return n;
}

size_t rl_utf8_check(const char *s, size_t len) {
  for (size_t i = 0; i < len;) {
    int n = utf8_length((const unsigned char *)s + i, len - i);
    if (n == 0) return i;
    i += (size_t)n;
  }
  return len;
}

static bool hex4(const rl_json *j, size_t at, uint32_t *out) {
  if (j->len - at < 4 || at > j->len) return false;
  *out = 0;
  for (size_t i = at; i < at + 4; i++) {
    char c = j->text[i];
    int d = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : -1;
    if (d < 0) return false;
    *out = *out * 16 + (uint32_t)d;
  }
  return true;
}

static size_t utf8_put(char *to, uint32_t c) {
  if (c < 0x80) return to[0] = (char)c, 1;
  size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3F));
  to[0] = (char)((0xF00u >> n & 0xF0) | c);
  return n;
}

/* \uXXXX, with its partner where it is half of a pair. j->pos at the 'u'. */
static rl_status escape_u(rl_json *j, char *to, size_t *n) {
  uint32_t c, low;
  size_t at = j->pos - 1;
  if (!hex4(j, j->pos + 1, &c)) return bad(j, at, "\\u takes four hexadecimal digits");
  j->pos += 5;
  if (c >= 0xD800 && c < 0xDC00) {
    bool pair = j->len - j->pos >= 6 && j->text[j->pos] == '\\' && j->text[j->pos + 1] == 'u' &&
                hex4(j, j->pos + 2, &low) && low >= 0xDC00 && low < 0xE000;
    if (!pair) return bad(j, at, "the first half of a surrogate pair stands alone");
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    j->pos += 6;
  } else if (c >= 0xDC00 && c < 0xE000) {
    return bad(j, at, "the second half of a surrogate pair stands alone");
  }
  *n = utf8_put(to, c);
  return RL_OK;
}

static rl_status escape(rl_json *j) { /* j->pos at the backslash */
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  char to[4];
  size_t n = 1;
  j->pos++;
  int c = peek(j);
  const char *hit = c > 0 ? strchr(names, c) : NULL;
  if (c == 'u') {
    RL_TRY(escape_u(j, to, &n));
  } else if (hit != NULL) {
    to[0] = values[hit - names];
    j->pos++;
  } else {
    return bad(j, j->pos - 1, "an unknown escape in a string");
  }
  return rl_bytes_put(&j->scratch, to, n);
}

/* j->pos at the opening quote. A string without escapes is borrowed from the text. */
static rl_status read_string(rl_json *j) {
  size_t start = ++j->pos;
  bool copied = false;
  j->scratch.len = 0;
  for (;;) {
    size_t from = j->pos;
    while (j->pos < j->len && j->text[j->pos] != '"' && j->text[j->pos] != '\\') {
      int n = utf8_length((const unsigned char *)j->text + j->pos, j->len - j->pos);
      if (n == 0) return bad(j, j->pos, "a string is not UTF-8");
      if ((unsigned char)j->text[j->pos] < 0x20) return bad(j, j->pos, "a control character must be escaped");
      j->pos += (size_t)n;
    }
    if (j->pos >= j->len) return bad(j, j->pos, "a string needs its closing quote");
    bool last = j->text[j->pos] == '"';
    if (last && !copied) break;
    copied = true;
    RL_TRY(rl_bytes_put(&j->scratch, j->text + from, j->pos - from));
    if (last) break;
    RL_TRY(escape(j));
  }
  j->string = copied ? (const char *)j->scratch.data : j->text + start;
  j->string_len = copied ? j->scratch.len : j->pos - start;
  j->pos++;
  return RL_OK;
}

static locale_t c_locale(void) { /* numbers have a '.' whatever the program's locale is */
  static locale_t cached;
  locale_t have = __atomic_load_n(&cached, __ATOMIC_ACQUIRE);
  if (have == (locale_t)0) {
    have = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    __atomic_store_n(&cached, have, __ATOMIC_RELEASE);
  }
  return have;
}

static size_t digits(const rl_json *j, size_t at) {
  while (at < j->len && j->text[at] >= '0' && j->text[at] <= '9') at++;
  return at;
}

static bool at_char(const rl_json *j, size_t at, const char *set) {
  return at < j->len && j->text[at] != '\0' && strchr(set, j->text[at]) != NULL;
}

static bool scan_number(const rl_json *j, size_t *end, bool *whole) { /* the RFC's grammar */
  size_t p = j->pos;
  if (at_char(j, p, "-")) p++;
  size_t q = digits(j, p);
  if (q == p || (j->text[p] == '0' && q > p + 1)) return false;
  *whole = true;
  if (at_char(j, q, ".")) {
    *whole = false;
    p = q + 1;
    if ((q = digits(j, p)) == p) return false;
  }
  if (at_char(j, q, "eE")) {
    *whole = false;
    p = q + 1;
    if (at_char(j, p, "+-")) p++;
    if ((q = digits(j, p)) == p) return false;
  }
  *end = q;
  return true;
}

static rl_status read_number(rl_json *j, rl_json_kind *kind) {
  size_t end;
  bool whole;
  if (!scan_number(j, &end, &whole)) return bad(j, j->pos, "not a number");
  j->scratch.len = 0;
  RL_TRY(rl_bytes_put(&j->scratch, j->text + j->pos, end - j->pos));
  RL_TRY(rl_bytes_put(&j->scratch, "", 1));
  const char *text = (const char *)j->scratch.data;
  *kind = RL_JSON_NUMBER;
  if (whole && strcmp(text, "-0") != 0) {
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    if (errno == 0) {
      j->integer = v;
      *kind = RL_JSON_INT;
    }
  }
  j->number = strtod_l(text, NULL, c_locale());
  if (!isfinite(j->number)) return bad(j, j->pos, "a number is too large for a double");
  j->pos = end;
  return RL_OK;
}

static rl_status read_word(rl_json *j, rl_json_kind *kind) {
  static const struct {
    const char *word;
    rl_json_kind kind;
    bool value;
  } words[] = {{"null", RL_JSON_NULL, false}, {"true", RL_JSON_BOOL, true}, {"false", RL_JSON_BOOL, false}};
  for (size_t i = 0; i < 3; i++) {
    size_t n = strlen(words[i].word);
    if (j->len - j->pos < n || memcmp(j->text + j->pos, words[i].word, n) != 0) continue;
    j->pos += n;
    *kind = words[i].kind;
    j->boolean = words[i].value;
    return RL_OK;
  }
  return bad(j, j->pos, "expected a value");
}

static void after_value(rl_json *j) { j->expect = j->depth == 0 ? 'e' : ','; }

static rl_status open_bracket(rl_json *j, char c, rl_json_kind *kind) {
  if (j->depth == j->max_depth)
    return rl_fail(RL_EFORMAT, "json: byte %zu: nested deeper than %d levels", j->pos, j->max_depth);
  j->open[j->depth++] = c;
  j->pos++;
  j->expect = c == '[' ? 'a' : 'o';
  *kind = c == '[' ? RL_JSON_ARRAY : RL_JSON_OBJECT;
  return RL_OK;
}

static void close_bracket(rl_json *j, rl_json_kind *kind) {
  *kind = j->open[--j->depth] == '[' ? RL_JSON_ARRAY_END : RL_JSON_OBJECT_END;
  j->pos++;
  after_value(j);
}

static rl_status read_value(rl_json *j, rl_json_kind *kind) {
  int c = peek(j);
  if (c == '[' || c == '{') return open_bracket(j, (char)c, kind);
  if (c == '"') {
    *kind = RL_JSON_STRING;
    RL_TRY(read_string(j));
  } else if (c == '-' || (c >= '0' && c <= '9')) {
    RL_TRY(read_number(j, kind));
  } else {
    RL_TRY(read_word(j, kind));
  }
  after_value(j);
  return RL_OK;
}

static rl_status read_key(rl_json *j, rl_json_kind *kind) {
  if (peek(j) != '"') return bad(j, j->pos, "expected a key in quotes");
  RL_TRY(read_string(j));
  skip_space(j);
  if (peek(j) != ':') return bad(j, j->pos, "expected ':' after a key");
  j->pos++;
  *kind = RL_JSON_KEY;
  j->expect = 'v';
  return RL_OK;
}

rl_status rl_json_next(rl_json *j, rl_json_kind *kind) {
  skip_space(j);
  bool in_array = j->depth > 0 && j->open[j->depth - 1] == '[';
  if (j->expect == ',') {
    if (peek(j) == (in_array ? ']' : '}')) return j->at = j->pos, close_bracket(j, kind), RL_OK;
    if (peek(j) != ',') return bad(j, j->pos, in_array ? "expected ',' or ']'" : "expected ',' or '}'");
    j->pos++;
    j->expect = in_array ? 'v' : 'k';
    skip_space(j);
  }
  j->at = j->pos;
  if (j->expect == 'e') {
    if (j->pos < j->len) return bad(j, j->pos, "something stands after the value");
    *kind = RL_JSON_END;
    return RL_OK;
  }
  if ((j->expect == 'a' && peek(j) == ']') || (j->expect == 'o' && peek(j) == '}'))
    return close_bracket(j, kind), RL_OK;
  if (j->expect == 'o' || j->expect == 'k') return read_key(j, kind);
  return read_value(j, kind);
}

rl_status rl_json_put_string(rl_bytes *b, const char *s, size_t len) {
  static const char hex[] = "0123456789abcdef", names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
  size_t wrong = rl_utf8_check(s, len);
  if (wrong < len)
    return rl_fail(RL_EARG, "json: a string is not UTF-8 at its byte %zu; encode it first", wrong);
  RL_TRY(rl_bytes_puts(b, "\""));
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];
    const char *hit = c != 0 ? strchr(names, c) : NULL;
    char to[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (hit != NULL) to[1] = letters[hit - names];
    bool plain = hit == NULL && c >= 0x20;
    RL_TRY(plain ? rl_bytes_put(b, s + i, 1) : rl_bytes_put(b, to, hit != NULL ? 2 : 6));
  }
  return rl_bytes_puts(b, "\"");
}

rl_status rl_json_put_int(rl_bytes *b, int64_t v) {
  char text[24];
  snprintf(text, sizeof text, "%" PRId64, v);
  return rl_bytes_puts(b, text);
}

rl_status rl_json_put_number(rl_bytes *b, double v) {
  char text[40];
  if (!isfinite(v)) return rl_fail(RL_EARG, "json: %g is not a JSON number; write null or a string", v);
  locale_t before = uselocale(c_locale());
  for (int precision = 15; precision <= 17; precision++) { /* the shortest that reads back the same */
    snprintf(text, sizeof text, "%.*g", precision, v);
    if (strtod(text, NULL) == v) break;
  }
  uselocale(before);
  if (strpbrk(text, ".e") == NULL) strcat(text, ".0");
  return rl_bytes_puts(b, text);
}
