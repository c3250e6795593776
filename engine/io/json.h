/* json.h: JSON (RFC 8259) read as a sequence of events, and the pieces of a writer. Exact: integers stay
** int64, doubles round-trip, UTF-8 is checked, nothing is accepted that the RFC does not have. */
#ifndef RL_IO_JSON_H
#define RL_IO_JSON_H

#include "io/bytes.h"

#define RL_JSON_DEPTH 64

typedef enum rl_json_kind {
  RL_JSON_NULL,
  RL_JSON_BOOL,
  RL_JSON_INT,    /* no '.', no exponent, fits int64 */
  RL_JSON_NUMBER, /* every other number, as the nearest double */
  RL_JSON_STRING,
  RL_JSON_KEY, /* the member's value comes next. Equal keys are the caller's business */
  RL_JSON_ARRAY,
  RL_JSON_ARRAY_END,
  RL_JSON_OBJECT,
  RL_JSON_OBJECT_END,
  RL_JSON_END /* the text is over; only white space stood after the value */
} rl_json_kind;

typedef struct rl_json {
  const char *text; /* borrowed */
  size_t len, pos;
  int depth, max_depth;
  char open[RL_JSON_DEPTH]; /* '[' or '{' */
  char expect;              /* what may come next, see json.c */
  rl_bytes scratch;

  /* of the last event */
  size_t at; /* its first byte */
  bool boolean;
  int64_t integer;
  double number;
  const char *string; /* KEY, STRING: not terminated, valid until the next event */
  size_t string_len;
} rl_json;

void rl_json_open(rl_json *j, const char *text, size_t len, int max_depth); /* at most RL_JSON_DEPTH */
rl_status rl_json_next(rl_json *j, rl_json_kind *kind);                     /* RL_EFORMAT, RL_ENOMEM */
void rl_json_close(rl_json *j);

/* Appends; the caller writes brackets, commas and colons. */
rl_status rl_json_put_string(rl_bytes *b, const char *s, size_t len); /* RL_EARG when it is not UTF-8 */
rl_status rl_json_put_int(rl_bytes *b, int64_t v);
rl_status rl_json_put_number(rl_bytes *b,
                             double v); /* always with '.' or 'e'; RL_EARG for NaN and infinities */

/* The position of the first byte that is not UTF-8 (no surrogates, no overlong forms), or len. */
size_t rl_utf8_check(const char *s, size_t len);

#endif
