/* Reading fixations.csv, and maps from it. Rows are found by their image's name, sorted once. */
#include "data/fixations.h"
#include "base/mem.h"
#include "base/status.h"
#include "io/bytes.h"
#include "io/csv.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 30)

enum { FILE_, SUBJECT, X, Y, ONSET, DURATION, KNOWN };
static const char *const known[KNOWN][2] = {{"file"}, {"subject"},          {"x"},
                                            {"y"},    {"onset", "onset_s"}, {"duration", "duration_s"}};

typedef struct read_row { /* before they are in the manifest's order */
  rl_look_on look;
  int row;
} read_row;

struct rl_fixations_memory {
  rl_bytes read;          /* read_row, in the file's order */
  rl_bytes text, offsets; /* subjects: terminated, and where each begins */
  void *first, *look;
  size_t first_bytes, look_bytes;
};

typedef struct reader {
  rl_fixations *f;
  rl_csv csv;
  rl_bytes file;
  int at[KNOWN], fields;
  char path[4096], shown[RL_NAMEBUF + 2];
  const rl_row **order; /* the manifest's rows by file */
  int last_row, last_subject;
  locale_t c; /* numbers have a '.' whatever the program's locale is */
} reader;

static rl_status wrong(const reader *r, const rl_csv_field *f, const char *what, const char *advice) {
  char value[RL_NAMEBUF];
  return rl_fail(RL_EFORMAT, "fixations: %s:%d:%d: %s \"%s\"; %s", r->shown, r->csv.row_line, f->column, what,
                 rl_file_name(value, f->text), advice);
}

static rl_status read_header(reader *r) {
  bool more;
  RL_TRY(rl_csv_next(&r->csv, &more));
  if (!more)
    return rl_fail(RL_EFORMAT, "fixations: %s: is empty; give it a header line and rows, or remove it",
                   r->shown);
  r->fields = r->csv.fields;
  for (int k = 0; k < KNOWN; k++) {
    r->at[k] = -1;
    for (int i = 0; i < r->csv.fields; i++)
      for (int s = 0; s < 2; s++)
        if (known[k][s] != NULL && strcmp(known[k][s], r->csv.field[i].text) == 0) r->at[k] = i;
  }
  static const int needed[] = {FILE_, X, Y};
  for (int i = 0; i < 3; i++)
    if (r->at[needed[i]] < 0)
      return rl_fail(
          RL_EFORMAT,
          "fixations: %s:%d:1: column \"%s\" is missing; the first line names file, subject, x, y, "
          "onset, duration",
          r->shown, r->csv.row_line, known[needed[i]][0]);
  return RL_OK;
}

static rl_status number(const reader *r, int k, double least, double *to) {
  *to = 0;
  if (r->at[k] < 0) return RL_OK;
  const rl_csv_field *f = &r->csv.field[r->at[k]];
  char *end;
  double v = strtod_l(f->text, &end, r->c);
  if (end == f->text || *end != '\0' || !isfinite(v))
    return wrong(r, f, "this is no finite number:", "correct it or remove the row");
  if (v < least) return wrong(r, f, "this time is negative:", "correct it or remove the row");
  *to = v;
  return RL_OK;
}

/* ---- which row, which subject */

static int by_file(const void *a, const void *b) {
  return strcmp((*(const rl_row *const *)a)->file, (*(const rl_row *const *)b)->file);
}

static int find_row(reader *r, const char *file) { /* -1: none; rows of one image mostly follow each other */
  const rl_manifest *m = r->f->m;
  if (r->last_row >= 0 && strcmp(m->row[r->last_row].file, file) == 0) return r->last_row;
  rl_row key = {.file = file};
  const rl_row *want = &key;
  const rl_row **at = bsearch(&want, r->order, (size_t)m->rows, sizeof *r->order, by_file);
  if (at == NULL) return -1;
  r->last_row = (int)(*at - m->row);
  return r->last_row;
}

static const char *subject_name(const struct rl_fixations_memory *k, int i) {
  size_t at;
  memcpy(&at, k->offsets.data + (size_t)i * sizeof at, sizeof at);
  return (const char *)k->text.data + at;
}

static rl_status find_subject(reader *r, const char *name, int *to) {
  struct rl_fixations_memory *k = r->f->memory;
  int n = r->f->subjects;
  *to = r->last_subject;
  if (r->last_subject < n && strcmp(subject_name(k, r->last_subject), name) == 0) return RL_OK;
  for (*to = 0; *to < n && strcmp(subject_name(k, *to), name) != 0; ++*to) continue;
  r->last_subject = *to;
  if (*to < n) return RL_OK;
  size_t at = k->text.len;
  RL_TRY(rl_bytes_put(&k->offsets, &at, sizeof at));
  RL_TRY(rl_bytes_put(&k->text, name, strlen(name) + 1));
  if (++r->f->subjects <= 10000) return RL_OK;
  return rl_fail(RL_EFORMAT, "fixations: %s:%d: more than 10000 subjects; is it the right column?", r->shown,
                 r->csv.row_line);
}

static rl_status read_one(reader *r) {
  read_row new = {.row = find_row(r, r->csv.field[r->at[FILE_]].text)};
  rl_fixation *at = &new.look.at;
  RL_TRY(number(r, X, -INFINITY, &at->x));
  RL_TRY(number(r, Y, -INFINITY, &at->y));
  RL_TRY(number(r, ONSET, 0, &at->onset_s));
  RL_TRY(number(r, DURATION, 0, &at->duration_s));
  if (new.row < 0) {
    if (r->f->strange++ == 0) r->f->strange_line = r->csv.row_line;
    return RL_OK;
  }
  RL_TRY(find_subject(r, r->at[SUBJECT] >= 0 ? r->csv.field[r->at[SUBJECT]].text : "", &new.look.subject));
  if (++r->f->count == INT_MAX) return rl_fail(RL_EFORMAT, "fixations: %s: too many rows", r->shown);
  return rl_bytes_put(&r->f->memory->read, &new, sizeof new);
}

static rl_status read_rows(reader *r) {
  for (bool more = true;;) {
    RL_TRY(rl_csv_next(&r->csv, &more));
    if (!more) break;
    if (r->csv.fields != r->fields)
      return rl_fail(RL_EFORMAT, "fixations: %s:%d:1: %d fields, the header has %d; add or remove commas",
                     r->shown, r->csv.row_line, r->csv.fields, r->fields);
    RL_TRY(read_one(r));
  }
  if (r->f->count > 0 || r->f->strange == 0) return RL_OK;
  return rl_fail(
      RL_EFORMAT,
      "fixations: %s:%d: none of its %d rows names an image of the manifest; write `file` as there", r->shown,
      r->f->strange_line, r->f->strange);
}

/* ---- by the manifest's rows */

static rl_status
arrange(rl_fixations *f) { /* counted, then put in place: the file's order stays within a row */
  struct rl_fixations_memory *k = f->memory;
  const read_row *read = (const read_row *)(const void *)k->read.data;
  k->first_bytes = ((size_t)f->rows + 2) * sizeof(int);
  k->look_bytes = ((size_t)f->count + 1) * sizeof(rl_look_on);
  RL_TRY(rl_mem_alloc(&k->first, k->first_bytes));
  RL_TRY(rl_mem_alloc(&k->look, k->look_bytes));
  f->first = k->first;
  f->look = k->look;
  memset(f->first, 0, k->first_bytes);
  for (int i = 0; i < f->count; i++) f->first[read[i].row + 2]++;
  for (int i = 2; i < f->rows + 2; i++) f->first[i] += f->first[i - 1];
  for (int i = 0; i < f->count; i++) f->look[f->first[read[i].row + 1]++] = read[i].look;
  rl_bytes_drop(&k->read);
  const char **name = (const char **)(void *)k->offsets.data; /* offsets become pointers in place */
  for (int i = 0; i < f->subjects; i++) name[i] = subject_name(k, i);
  f->subject = name;
  return RL_OK;
}

static rl_status read_all(reader *r) {
  const rl_manifest *m = r->f->m;
  void *order;
  char shown[RL_NAMEBUF];
  if (snprintf(r->path, sizeof r->path, "%s/fixations.csv", m->dir) >= (int)sizeof r->path)
    return rl_fail(RL_EARG, "fixations: the folder's name is too long");
  snprintf(r->shown, sizeof r->shown, "\"%s\"", rl_file_name(shown, r->path));
  if (access(r->path, F_OK) != 0)
    return rl_fail(RL_EIO, "fixations: %s does not exist; list them there: file,subject,x,y,onset,duration",
                   r->shown);
  RL_TRY(rl_file_read(&r->file, "fixations", r->path, FILE_MAX));
  size_t bytes = (size_t)m->rows * sizeof *r->order;
  RL_TRY(rl_mem_alloc(&order, bytes));
  r->order = order;
  for (int i = 0; i < m->rows; i++) r->order[i] = &m->row[i];
  qsort(order, (size_t)m->rows, sizeof *r->order, by_file);
  rl_csv_open(&r->csv, r->shown, (const char *)r->file.data, r->file.len);
  rl_status s = read_header(r);
  if (s == RL_OK) s = read_rows(r);
  rl_mem_free(order, bytes);
  if (s != RL_OK) return s;
  r->f->has_onset = r->at[ONSET] >= 0, r->f->has_duration = r->at[DURATION] >= 0;
  return arrange(r->f);
}

rl_status rl_fixations_open(rl_fixations **out, const rl_manifest *m) {
  *out = NULL;
  reader *r = calloc(1, sizeof *r);
  rl_fixations *f = calloc(1, sizeof *f);
  if (f != NULL) f->memory = calloc(1, sizeof *f->memory);
  rl_status s = rl_fail(RL_ENOMEM, "fixations: no memory");
  if (r != NULL && f != NULL && f->memory != NULL) {
    f->m = m;
    f->rows = m->rows;
    r->f = f;
    r->last_row = -1;
    r->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (r->c != (locale_t)0) s = read_all(r);
    if (r->c != (locale_t)0) freelocale(r->c);
    rl_csv_close(&r->csv);
    rl_bytes_drop(&r->file);
  }
  free(r);
  if (s != RL_OK) rl_fixations_close(&f);
  *out = f;
  return s;
}

void rl_fixations_close(rl_fixations **at) {
  rl_fixations *f = *at;
  *at = NULL;
  if (f == NULL) return;
  if (f->memory != NULL) {
    rl_bytes_drop(&f->memory->read);
    rl_bytes_drop(&f->memory->text);
    rl_bytes_drop(&f->memory->offsets);
    rl_mem_free(f->memory->first, f->memory->first_bytes);
    rl_mem_free(f->memory->look, f->memory->look_bytes);
  }
  free(f->memory);
  free(f);
}

/* ---- maps */

int rl_gaze_maps(rl_gaze_weight by) { return by == RL_GAZE_NONE ? 0 : by == RL_GAZE_THIRDS ? 3 : 1; }

/* Seconds of a fixation within third `k` of its viewer's time, which ends with the last fixation. */
static double within(const rl_look_on *all, int n, const rl_look_on *f, int k) {
  double end = 0, from = f->at.onset_s, to = from + f->at.duration_s;
  for (int i = 0; i < n; i++)
    if (all[i].subject == f->subject) end = fmax(end, all[i].at.onset_s + all[i].at.duration_s);
  return fmax(0, fmin(to, end * (k + 1) / 3) - fmax(from, end * k / 3));
}

static double weight_of(const rl_look_on *all, int n, const rl_look_on *f, rl_gaze_weight by, int k) {
  if (by == RL_GAZE_COUNT) return 1;
  return by == RL_GAZE_DURATION ? f->at.duration_s : within(all, n, f, k);
}

static int gather(const rl_look_on *all, int n, rl_gaze_weight by, int k, int width, int height, double sx,
                  double sy, rl_gaze_at *to) {
  int count = 0;
  for (int i = 0; i < n; i++) {
    const rl_fixation *at = &all[i].at;
    double w = weight_of(all, n, &all[i], by, k);
    if (w > 0 && at->x >= 0 && at->y >= 0 && at->x < width && at->y < height)
      to[count++] = (rl_gaze_at){at->x * sx, at->y * sy, w};
  }
  return count;
}

rl_status rl_fixations_map(const rl_fixations *f, int row, rl_gaze_weight by, double sigma, int image_width,
                           int image_height, int width, int height, uint8_t *to) {
  int from = f->first[row], n = f->first[row + 1] - from;
  size_t pixels = (size_t)width * (size_t)height, points = (size_t)n * sizeof(rl_gaze_at);
  double sx = (double)width / image_width, sy = (double)height / image_height;
  void *map = NULL, *at = NULL;
  if (!(sigma > 0)) sigma = fmax(image_width, image_height) / 25;
  rl_status s = rl_mem_alloc(&map, pixels * sizeof(float));
  if (s == RL_OK) s = rl_mem_alloc(&at, points + 1);
  for (int k = 0; s == RL_OK && k < rl_gaze_maps(by); k++) {
    int count = gather(f->look + from, n, by, k, image_width, image_height, sx, sy, at);
    memset(map, 0, pixels * sizeof(float));
    s = rl_gaze_map(map, width, height, at, count, sigma * sx, sigma * sy);
    rl_gaze_bytes(map, pixels, to + (size_t)k * pixels);
  }
  rl_mem_free(map, pixels * sizeof(float));
  rl_mem_free(at, points + 1);
  return s;
}
