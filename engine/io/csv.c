/* CSV rows, one at a time. */
#include "io/csv.h"
#include "base/status.h"

#include <string.h>

void rl_csv_open(rl_csv *c, const char *shown, const char *text, size_t len) {
  *c = (rl_csv){.text = text, .shown = shown, .len = len, .line = 1};
  if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) c->pos = 3;
}

void rl_csv_close(rl_csv *c) { rl_bytes_drop(&c->scratch); }

static rl_status bad(const rl_csv *c, size_t line_at, size_t at, const char *what) {
  return rl_fail(RL_EFORMAT, "csv: %s:%d:%zu: %s", c->shown, c->line, at - line_at + 1, what);
}

static bool ends_line(const rl_csv *c) {
  if (c->pos >= c->len || c->text[c->pos] == '\n') return true;
  return c->text[c->pos] == '\r' && c->pos + 1 < c->len && c->text[c->pos + 1] == '\n';
}

static rl_status quoted(rl_csv *c, size_t *line_at) { /* c->pos at the opening quote */
  size_t open = c->pos++, open_line = *line_at;
  int first = c->line;
  for (;;) {
    size_t from = c->pos;
    while (c->pos < c->len && c->text[c->pos] != '"' && c->text[c->pos] != '\0') {
      if (c->text[c->pos++] != '\n') continue;
      c->line++;
      *line_at = c->pos;
    }
    RL_TRY(rl_bytes_put(&c->scratch, c->text + from, c->pos - from));
    if (c->pos >= c->len) {
      c->line = first;
      return bad(c, open_line, open, "a quoted field is never closed; put a quote behind it");
    }
    if (c->text[c->pos] == '\0') return bad(c, *line_at, c->pos, "a NUL byte; is it a text file?");
    c->pos++;
    if (c->pos >= c->len || c->text[c->pos] != '"') break;
    c->pos++; /* two quotes: one of them is meant */
    RL_TRY(rl_bytes_put(&c->scratch, "\"", 1));
  }
  if (ends_line(c) || c->text[c->pos] == ',') return RL_OK;
  return bad(c, *line_at, c->pos, "text follows a closing quote; double the quotes inside a field");
}

static rl_status plain(rl_csv *c, size_t line_at) {
  size_t from = c->pos;
  while (!ends_line(c) && c->text[c->pos] != ',') {
    if (c->text[c->pos] == '"')
      return bad(c, line_at, c->pos,
                 "a quote inside a field that is not quoted; quote the whole field, and double the quote");
    if (c->text[c->pos] == '\0') return bad(c, line_at, c->pos, "a NUL byte; is it a text file?");
    c->pos++;
  }
  return rl_bytes_put(&c->scratch, c->text + from, c->pos - from);
}

static rl_status read_fields(rl_csv *c, size_t *start) {
  size_t line_at = c->pos;
  for (c->fields = 0;; c->pos++) {
    if (c->fields == RL_CSV_FIELDS_MAX)
      return bad(c, line_at, c->pos, "more than 1024 fields in a row; is it comma-separated?");
    start[c->fields] = c->scratch.len;
    c->field[c->fields++].column = (int)(c->pos - line_at) + 1;
    RL_TRY(c->pos < c->len && c->text[c->pos] == '"' ? quoted(c, &line_at) : plain(c, line_at));
    RL_TRY(rl_bytes_put(&c->scratch, "", 1));
    if (ends_line(c)) return RL_OK;
  }
}

static void end_line(rl_csv *c) {
  if (c->pos < c->len && c->text[c->pos] == '\r') c->pos++;
  if (c->pos < c->len) c->pos++;
  c->line++;
}

rl_status rl_csv_next(rl_csv *c, bool *more) {
  size_t start[RL_CSV_FIELDS_MAX];
  while (c->pos < c->len && ends_line(c)) end_line(c);
  *more = c->pos < c->len;
  if (!*more) return RL_OK;
  c->scratch.len = 0;
  c->row_line = c->line;
  RL_TRY(read_fields(c, start));
  for (int i = 0; i < c->fields; i++) c->field[i].text = (const char *)c->scratch.data + start[i];
  end_line(c);
  return RL_OK;
}

rl_status rl_csv_put(rl_bytes *b, const char *field, size_t len, bool first, bool last) {
  bool quote = false;
  for (size_t i = 0; i < len; i++) quote = quote || strchr(",\"\r\n", field[i]) != NULL;
  quote = quote || (len == 0 && first && last);
  if (!first) RL_TRY(rl_bytes_put(b, ",", 1));
  if (quote) RL_TRY(rl_bytes_put(b, "\"", 1));
  for (size_t i = 0; i < len; i++) {
    if (field[i] == '"') RL_TRY(rl_bytes_put(b, "\"", 1));
    RL_TRY(rl_bytes_put(b, field + i, 1));
  }
  if (quote) RL_TRY(rl_bytes_put(b, "\"", 1));
  return last ? rl_bytes_put(b, "\n", 1) : RL_OK;
}
