/* csv.h: comma-separated text (RFC 4180): quoted fields, also with line breaks in them; \n or \r\n; a BOM
** is skipped. */
#ifndef RL_IO_CSV_H
#define RL_IO_CSV_H

#include "io/bytes.h"

#define RL_CSV_FIELDS_MAX 1024

typedef struct rl_csv_field {
  const char *text; /* terminated; holds no NUL */
  int column;       /* of its first byte in its line, from 1 */
} rl_csv_field;

typedef struct rl_csv {
  const char *text, *shown; /* borrowed; shown: what messages call it, quotes included */
  size_t len, pos;
  int line; /* the next row's first line, from 1 */

  /* of the last row */
  int row_line, fields;
  rl_csv_field field[RL_CSV_FIELDS_MAX];
  rl_bytes scratch;
} rl_csv;

void rl_csv_open(rl_csv *c, const char *shown, const char *text, size_t len);
/* The next row; empty lines are skipped; *more false at the end. Errors are `csv: "x.csv":3:7: ...` (line,
** column). */
rl_status rl_csv_next(rl_csv *c, bool *more);
void rl_csv_close(rl_csv *c);

rl_status rl_csv_put(rl_bytes *b, const char *field, size_t len, bool first,
                     bool last); /* quoted where it must be */

#endif
