/* Reading and checking a manifest. Strings lie in one block that does not move any more once all rows are
** read. */
#include "data/manifest.h"
#include "base/mem.h"
#include "base/status.h"
#include "io/bytes.h"
#include "io/csv.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_MAX ((size_t)1 << 30)
#define RL_MERGE_MAX 500

enum { FILE_, LABEL, SPLIT, MASK, SALIENCY, GROUP, KNOWN };
static const char *const known[KNOWN] = {"file", "label", "split", "mask", "saliency", "group"};
static const char *const splits[RL_SPLITS] = {"train", "val", "test"};

struct rl_manifest_memory {
  rl_bytes text;  /* all cells, terminated */
  rl_bytes cells; /* size_t offsets while reading, then const char * */
  rl_bytes lines; /* int per row */
  size_t row_bytes, column_bytes, class_bytes;
};

typedef struct reader {
  rl_manifest *m;
  rl_csv csv;
  rl_bytes file;
  const rl_manifest_options *options;
  int at[KNOWN];             /* column of each known one, -1 */
  bool merged[RL_MERGE_MAX]; /* which labels of options->merge were met */
  char path[PATH_MAX], shown[RL_NAMEBUF + 2];
  char root[PATH_MAX], last_dir[PATH_MAX];
} reader;

const char *rl_split_name(int split) { return split >= 0 && split < RL_SPLITS ? splits[split] : ""; }

int rl_split_find(const char *name) {
  for (int i = 0; i < RL_SPLITS; i++)
    if (strcmp(splits[i], name) == 0) return i;
  return RL_SPLIT_NONE;
}

int rl_manifest_column(const rl_manifest *m, const char *name) {
  for (int i = 0; i < m->columns; i++)
    if (strcmp(m->column[i], name) == 0) return i;
  return -1;
}

/* ---- rows */

static rl_status bad_cell(const reader *r, int line, int column, const char *what, const char *value,
                          const char *advice) {
  char shown[RL_NAMEBUF];
  return rl_fail(RL_EFORMAT, "manifest: %s:%d:%d: %s \"%s\"%s", r->shown, line, column, what,
                 rl_file_name(shown, value), advice);
}

static rl_status keep(reader *r, const char *text) { /* as an offset in cells */
  struct rl_manifest_memory *k = r->m->memory;
  size_t at = k->text.len;
  RL_TRY(rl_bytes_put(&k->text, text, strlen(text) + 1));
  return rl_bytes_put(&k->cells, &at, sizeof at);
}

/* Whether a column's name is a known one in other case, with an s behind it, or with letters swapped. */
static bool misspells(const char *name, const char *right) {
  int left[256] = {0};
  size_t n = strlen(right), m = strlen(name);
  if (strncasecmp(name, right, n) == 0 && (m == n || (m == n + 1 && (name[n] == 's' || name[n] == 'S'))))
    return true;
  if (m != n) return false;
  for (size_t i = 0; i < n; i++) left[(uint8_t)name[i]]++, left[(uint8_t)right[i]]--;
  for (int c = 0; c < 256; c++)
    if (left[c] != 0) return false;
  return true;
}

static rl_status check_names(const reader *r) { /* a label column that is not found would be a silent loss */
  for (int k = 0; k < KNOWN; k++)
    for (int i = 0; r->at[k] < 0 && i < r->csv.fields; i++) {
      char advice[60];
      snprintf(advice, sizeof advice, "; did you mean \"%s\"?", known[k]);
      if (misspells(r->csv.field[i].text, known[k]))
        return bad_cell(r, r->csv.row_line, r->csv.field[i].column, "unknown column", r->csv.field[i].text,
                        advice);
    }
  return RL_OK;
}

static rl_status read_header(reader *r) {
  bool more;
  RL_TRY(rl_csv_next(&r->csv, &more));
  if (!more) return rl_fail(RL_EFORMAT, "manifest: %s: is empty; give it a header line and rows", r->shown);
  for (int k = 0; k < KNOWN; k++) r->at[k] = -1;
  for (int i = 0; i < r->csv.fields; i++) {
    const char *name = r->csv.field[i].text;
    for (int j = 0; j < i; j++)
      if (strcmp(r->csv.field[j].text, name) == 0)
        return bad_cell(r, r->csv.row_line, r->csv.field[i].column, "two columns are called", name,
                        "; rename one");
    for (int k = 0; k < KNOWN; k++)
      if (strcmp(known[k], name) == 0) r->at[k] = i;
    RL_TRY(keep(r, name));
  }
  r->m->columns = r->csv.fields;
  RL_TRY(check_names(r));
  if (r->options != NULL && r->options->n_merge > 2 * RL_MERGE_MAX)
    return rl_fail(RL_EARG, "manifest: merge names more than %d labels", RL_MERGE_MAX);
  if (r->at[FILE_] >= 0) return RL_OK;
  return rl_fail(RL_EFORMAT,
                 "manifest: %s:%d:1: column \"file\" is missing; the first line names the columns", r->shown,
                 r->csv.row_line);
}

static bool leaves_folder(const char *path) { /* absolute, or with a ".." in it */
  if (path[0] == '/') return true;
  for (const char *p = path; p != NULL; p = strchr(p, '/')) {
    if (*p == '/') p++;
    if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0')) return true;
  }
  return false;
}

static rl_status check_row(reader *r) { /* what needs line and column */
  const rl_csv *c = &r->csv;
  if (c->fields != r->m->columns)
    return rl_fail(RL_EFORMAT, "manifest: %s:%d:1: %d fields, the header has %d; add or remove commas",
                   r->shown, c->row_line, c->fields, r->m->columns);
  const rl_csv_field *f = c->field;
  if (f[r->at[FILE_]].text[0] == '\0')
    return bad_cell(r, c->row_line, f[r->at[FILE_]].column, "no file is named:", "",
                    "; name one or remove the line");
  static const int paths[] = {FILE_, MASK, SALIENCY};
  for (int i = 0; i < 3; i++) {
    int at = r->at[paths[i]];
    if (at >= 0 && leaves_folder(f[at].text))
      return bad_cell(r, c->row_line, f[at].column, "a path leaves the folder:", f[at].text,
                      "; move the file inside");
  }
  int at = r->at[SPLIT];
  if (at >= 0 && f[at].text[0] != '\0' && rl_split_find(f[at].text) == RL_SPLIT_NONE)
    return bad_cell(r, c->row_line, f[at].column, "unknown split", f[at].text, "; use train, val or test");
  return RL_OK;
}

static bool left_out(const reader *r) {
  const rl_manifest_options *o = r->options;
  for (int i = 0; o != NULL && r->at[LABEL] >= 0 && i < o->n_leave_out; i++)
    if (strcmp(o->leave_out[i], r->csv.field[r->at[LABEL]].text) == 0) return true;
  return false;
}

static const char *merged(reader *r, const char *label) { /* the label's new name, or itself */
  const rl_manifest_options *o = r->options;
  for (int i = 0; o != NULL && i + 1 < o->n_merge; i += 2)
    if (strcmp(o->merge[i], label) == 0) {
      r->merged[i / 2] = true;
      return o->merge[i + 1];
    }
  return label;
}

static rl_status check_merged(const reader *r) { /* a misspelt label would stay a class of its own */
  const rl_manifest_options *o = r->options;
  for (int i = 0; o != NULL && i + 1 < o->n_merge; i += 2)
    if (!r->merged[i / 2])
      return rl_fail(RL_EARG, "manifest: %s: merge: no row is labelled \"%s\"; correct the name", r->shown,
                     o->merge[i]);
  return RL_OK;
}

static rl_status keep_row(reader *r) {
  for (int i = 0; i < r->csv.fields; i++) {
    const char *text = r->csv.field[i].text;
    RL_TRY(keep(r, i == r->at[LABEL] ? merged(r, text) : text));
  }
  return RL_OK;
}

static rl_status read_rows(reader *r) {
  for (bool more = true;;) {
    RL_TRY(rl_csv_next(&r->csv, &more));
    if (!more) return check_merged(r);
    RL_TRY(check_row(r));
    if (left_out(r)) continue;
    RL_TRY(keep_row(r));
    RL_TRY(rl_bytes_put(&r->m->memory->lines, &r->csv.row_line, sizeof(int)));
    if (++r->m->rows >= INT_MAX / RL_CSV_FIELDS_MAX)
      return rl_fail(RL_EFORMAT, "manifest: %s: too many rows", r->shown);
  }
}

static rl_status read_csv(reader *r) {
  RL_TRY(rl_file_read(&r->file, "manifest", r->path, MANIFEST_MAX));
  rl_csv_open(&r->csv, r->shown, (const char *)r->file.data, r->file.len);
  RL_TRY(read_header(r));
  return read_rows(r);
}

/* ---- a folder without a manifest */

static bool looks_like_image(const char *name) {
  const char *dot = strrchr(name, '.');
  return name[0] != '.' && dot != NULL &&
         (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

static int keep_image(const struct dirent *d) { return looks_like_image(d->d_name); }

static int by_bytes(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static rl_status read_folder(reader *r) {
  struct dirent **list;
  char shown[RL_NAMEBUF];
  int n = scandir(r->m->dir, &list, keep_image, by_bytes), line = 0;
  if (n < 0)
    return rl_fail(RL_EIO, "manifest: \"%s\": cannot open: %s; name the data set's folder",
                   rl_file_name(shown, r->m->dir), strerror(errno));
  rl_status s = keep(r, "file");
  for (int i = 0; i < n; i++) {
    if (s == RL_OK) s = keep(r, list[i]->d_name);
    if (s == RL_OK) s = rl_bytes_put(&r->m->memory->lines, &line, sizeof line);
    free(list[i]);
  }
  free(list);
  for (int k = 0; k < KNOWN; k++) r->at[k] = k == FILE_ ? 0 : -1;
  r->m->columns = 1;
  r->m->rows = n;
  if (s == RL_OK && n == 0)
    s = rl_fail(RL_EFORMAT,
                "manifest: \"%s\" has neither manifest.csv nor PNG or JPEG files; name the data set's folder",
                rl_file_name(shown, r->m->dir));
  return s;
}

/* ---- checks over all rows */

static rl_status take_cells(reader *r) { /* offsets become pointers; rows are filled */
  rl_manifest *m = r->m;
  struct rl_manifest_memory *k = m->memory;
  _Static_assert(sizeof(size_t) == sizeof(char *), "cells are converted in place");
  void *rows;
  size_t n = k->cells.len / sizeof(size_t);
  const char **cell = (const char **)(void *)k->cells.data;
  for (size_t i = 0; i < n; i++) {
    size_t at;
    memcpy(&at, &cell[i], sizeof at);
    cell[i] = (const char *)k->text.data + at;
  }
  m->column = cell;
  m->cell = cell + m->columns;
  k->row_bytes = (size_t)m->rows * sizeof(rl_row);
  RL_TRY(rl_mem_alloc(&rows, k->row_bytes));
  m->row = rows;
  for (int i = 0; i < m->rows; i++) {
    const char *v[KNOWN], **of = m->cell + (size_t)i * (size_t)m->columns;
    for (int j = 0; j < KNOWN; j++) v[j] = r->at[j] >= 0 ? of[r->at[j]] : "";
    m->row[i] = (rl_row){v[FILE_], v[LABEL],
                         v[MASK],  v[SALIENCY],
                         v[GROUP], rl_split_find(v[SPLIT]),
                         -1,       ((const int *)(const void *)k->lines.data)[i]};
  }
  return RL_OK;
}

static bool inside(reader *r, const char *path) { /* links are followed, but only inside */
  char real[PATH_MAX];
  size_t n = strlen(r->root);
  return realpath(path, real) != NULL && strncmp(real, r->root, n) == 0 &&
         (real[n] == '/' || real[n] == '\0');
}

/* 0 fine, 1 missing, 2 leaves the folder by a link. A folder is looked up once per run of rows in it. */
static int look_at(reader *r, const char *file) {
  char path[2 * PATH_MAX];
  struct stat st;
  int n = snprintf(path, sizeof path, "%s/%s", r->m->dir, file);
  if (n >= PATH_MAX || lstat(path, &st) != 0) return 1;
  bool link = S_ISLNK(st.st_mode);
  if (link && stat(path, &st) != 0) return 1;
  if (!S_ISREG(st.st_mode)) return 1;
  if (link && !inside(r, path)) return 2;
  *strrchr(path, '/') = '\0';
  if (strcmp(path, r->last_dir) == 0) return 0;
  if (!inside(r, path)) return 2;
  memcpy(r->last_dir, path, strlen(path) + 1);
  return 0;
}

static rl_status check_files(reader *r) {
  rl_manifest *m = r->m;
  const char *first = NULL, *kind = NULL;
  int line = 0, missing = 0;
  char shown[RL_NAMEBUF], more[60] = "";
  if (realpath(m->dir, r->root) == NULL)
    return rl_fail(RL_EIO, "manifest: %s: cannot open its folder", r->shown);
  for (int i = 0; i < m->rows; i++) {
    const char *files[3] = {m->row[i].file, m->row[i].mask, m->row[i].saliency};
    static const char *const kinds[3] = {"image", "mask", "saliency map"};
    for (int k = 0; k < 3; k++) {
      int wrong = files[k][0] == '\0' ? 0 : look_at(r, files[k]);
      if (wrong == 2)
        return rl_fail(RL_EFORMAT,
                       "manifest: %s:%d: %s \"%s\" is a link out of the folder; move the file inside",
                       r->shown, m->row[i].line, kinds[k], rl_file_name(shown, files[k]));
      if (wrong != 1) continue;
      if (missing++ == 0) first = files[k], kind = kinds[k], line = m->row[i].line;
    }
  }
  if (missing == 0) return RL_OK;
  if (missing > 1) snprintf(more, sizeof more, ", and %d more", missing - 1);
  return rl_fail(RL_EFORMAT, "manifest: %s:%d: %s \"%s\" does not exist%s; correct the paths", r->shown, line,
                 kind, rl_file_name(shown, first), more);
}

static const char *group_of(const rl_row *r) { return r->group[0] != '\0' ? r->group : r->file; }

static int by_group(const void *a, const void *b) {
  const rl_row *x = *(rl_row *const *)a, *y = *(rl_row *const *)b;
  int c = strcmp(group_of(x), group_of(y));
  return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

static rl_status check_groups(reader *r) { /* no split parts a group; a row without group is its own */
  rl_manifest *m = r->m;
  void *block;
  char shown[RL_NAMEBUF];
  size_t bytes = (size_t)m->rows * sizeof(rl_row *);
  RL_TRY(rl_mem_alloc(&block, bytes));
  rl_row **order = block;
  for (int i = 0; i < m->rows; i++) order[i] = &m->row[i];
  qsort(order, (size_t)m->rows, sizeof *order, by_group);
  rl_status s = RL_OK;
  for (int i = 1; i < m->rows && s == RL_OK; i++) {
    const rl_row *a = order[i - 1], *b = order[i];
    if (strcmp(group_of(a), group_of(b)) != 0 || a->split == b->split) continue;
    s = rl_fail(
        RL_EFORMAT,
        "manifest: %s:%d: %s \"%s\" is in split \"%s\", but in \"%s\" at line %d; put it in one split",
        r->shown, b->line, b->group[0] != '\0' ? "group" : "image", rl_file_name(shown, group_of(b)),
        rl_split_name(b->split), rl_split_name(a->split), a->line);
  }
  rl_mem_free(block, bytes);
  return s;
}

static int by_file(const void *a, const void *b) {
  const rl_row *x = *(rl_row *const *)a, *y = *(rl_row *const *)b;
  int c = strcmp(x->file, y->file);
  return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

static rl_status compare_rows(const reader *r, const rl_row *a, const rl_row *b) { /* neighbours by file */
  char shown[RL_NAMEBUF], one[80], other[80];
  if (strcmp(a->file, b->file) != 0) return RL_OK;
  rl_file_name(shown, b->file);
  if (strcmp(a->label, b->label) != 0)
    return rl_fail(RL_EFORMAT,
                   "manifest: %s:%d: image \"%s\" is labelled \"%s\", but \"%s\" at line %d; keep one",
                   r->shown, b->line, shown, rl_quote(one, sizeof one, b->label, strlen(b->label)),
                   rl_quote(other, sizeof other, a->label, strlen(a->label)), a->line);
  return rl_fail(RL_EFORMAT, "manifest: %s:%d: image \"%s\" is listed at line %d already; remove one of them",
                 r->shown, b->line, shown, a->line);
}

static rl_status check_twice(reader *r) {
  rl_manifest *m = r->m;
  void *block;
  size_t bytes = (size_t)m->rows * sizeof(rl_row *);
  RL_TRY(rl_mem_alloc(&block, bytes));
  rl_row **order = block;
  for (int i = 0; i < m->rows; i++) order[i] = &m->row[i];
  qsort(order, (size_t)m->rows, sizeof *order, by_file);
  rl_status s = RL_OK;
  for (int i = 1; i < m->rows && s == RL_OK; i++) s = compare_rows(r, order[i - 1], order[i]);
  rl_mem_free(block, bytes);
  return s;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int find_class(const rl_manifest *m, const char *label) {
  for (int i = 0; i < m->classes; i++)
    if (strcmp(m->class_name[i], label) == 0) return i;
  return -1;
}

static rl_status add_class(reader *r, const char *label, int line) {
  rl_manifest *m = r->m;
  if (m->classes == 1000)
    return rl_fail(RL_EFORMAT, "manifest: %s:%d: more than 1000 classes; is label the right column?",
                   r->shown, line);
  m->class_name[m->classes++] = label;
  return RL_OK;
}

static rl_status name_classes(reader *r) {
  rl_manifest *m = r->m;
  const rl_manifest_options *o = r->options;
  bool given = o != NULL && o->classes != NULL, train = false;
  void *names;
  m->memory->class_bytes = 1000 * sizeof(char *);
  RL_TRY(rl_mem_alloc(&names, m->memory->class_bytes));
  m->class_name = names;
  for (int i = 0; given && i < o->n_classes; i++) {
    size_t at = m->memory->text.len; /* reserved in rl_manifest_open: nothing moves */
    if (find_class(m, o->classes[i]) >= 0)
      return rl_fail(RL_EARG, "manifest: class \"%s\" is given twice", o->classes[i]);
    RL_TRY(rl_bytes_put(&m->memory->text, o->classes[i], strlen(o->classes[i]) + 1));
    RL_TRY(add_class(r, (const char *)m->memory->text.data + at, 1));
  }
  for (int i = 0; i < m->rows; i++) train = train || m->row[i].split == RL_SPLIT_TRAIN;
  for (int i = 0; !given && i < m->rows; i++) {
    const rl_row *row = &m->row[i];
    if (row->label[0] == '\0' || (train && row->split != RL_SPLIT_TRAIN) || find_class(m, row->label) >= 0)
      continue;
    RL_TRY(add_class(r, row->label, row->line));
  }
  if (!given && m->classes > 1) qsort(m->class_name, (size_t)m->classes, sizeof *m->class_name, by_text);
  return RL_OK;
}

static rl_status set_classes(reader *r) {
  rl_manifest *m = r->m;
  char shown[RL_NAMEBUF];
  for (int i = 0; i < m->rows; i++) {
    rl_row *row = &m->row[i];
    if (row->label[0] == '\0') continue;
    row->class = find_class(m, row->label);
    if (row->class < 0)
      return rl_fail(RL_EFORMAT,
                     "manifest: %s:%d: label \"%s\" is not among the %d classes%s; list it or leave it out",
                     r->shown, row->line, rl_file_name(shown, row->label), m->classes,
                     r->options != NULL && r->options->classes != NULL ? " given" : " of train");
  }
  return RL_OK;
}

static rl_status read_all(reader *r) {
  rl_manifest *m = r->m;
  size_t more = 0;
  int n = snprintf(r->path, sizeof r->path, "%s/manifest.csv", m->dir);
  if (n >= PATH_MAX) return rl_fail(RL_EARG, "manifest: the folder's name is too long");
  char shown[RL_NAMEBUF];
  snprintf(r->shown, sizeof r->shown, "\"%s\"", rl_file_name(shown, r->path));
  RL_TRY(access(r->path, F_OK) == 0 ? read_csv(r) : read_folder(r));
  if (m->rows == 0) return rl_fail(RL_EFORMAT, "manifest: %s: has no rows; add some", r->shown);
  for (int i = 0; r->options != NULL && i < r->options->n_classes; i++)
    more += strlen(r->options->classes[i]) + 1;
  RL_TRY(rl_bytes_reserve(&m->memory->text, more));
  RL_TRY(take_cells(r));
  RL_TRY(check_files(r));
  RL_TRY(check_groups(r));
  RL_TRY(check_twice(r));
  RL_TRY(name_classes(r));
  return set_classes(r);
}

rl_status rl_manifest_open(rl_manifest **out, const char *dir, const rl_manifest_options *options) {
  *out = NULL;
  reader *r = calloc(1, sizeof *r);
  rl_manifest *m = calloc(1, sizeof *m);
  if (m != NULL) m->memory = calloc(1, sizeof *m->memory), m->dir = strdup(dir);
  rl_status s = rl_fail(RL_ENOMEM, "manifest: no memory");
  if (r != NULL && m != NULL && m->memory != NULL && m->dir != NULL) {
    r->m = m;
    r->options = options;
    s = read_all(r);
    rl_csv_close(&r->csv);
    rl_bytes_drop(&r->file);
  }
  free(r);
  if (s != RL_OK) rl_manifest_close(&m);
  *out = m;
  return s;
}

void rl_manifest_close(rl_manifest **m) {
  rl_manifest *old = *m;
  *m = NULL;
  if (old == NULL) return;
  if (old->memory != NULL) {
    rl_bytes_drop(&old->memory->text);
    rl_bytes_drop(&old->memory->cells);
    rl_bytes_drop(&old->memory->lines);
    rl_mem_free(old->row, old->memory->row_bytes);
    rl_mem_free(old->class_name, old->memory->class_bytes);
  }
  free(old->memory);
  free(old->dir);
  free(old);
}
