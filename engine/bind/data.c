/* The engine's side of rl.data: manifests and loaders as userdata, the phantom. Options are checked in
** lua/rille/data; positions (rows, labels) step between 1 and 0 here. */
#include "bind/data.h"
#include "bind/io.h"
#include "base/status.h"
#include "data/inspect.h"
#include "data/loader.h"
#include "data/phantom.h"

#include <string.h>

#define SET_META    "rille.data.Manifest"
#define LOADER_META "rille.data.Loader"

/* ---- sets */

const rl_manifest *rl_check_set(lua_State *L, int i) {
  rl_manifest **m = luaL_checkudata(L, i, SET_META);
  luaL_argcheck(L, *m != NULL, i, "this data set was closed");
  return *m;
}

static int set_gc(lua_State *L) {
  rl_manifest_close(luaL_checkudata(L, 1, SET_META));
  return 0;
}

static const char **check_words(lua_State *L, int i, int *n) { /* nil, or a list of texts; NULL for nil */
  *n = 0;
  if (lua_isnoneornil(L, i)) return NULL;
  luaL_checktype(L, i, LUA_TTABLE);
  lua_Integer count = luaL_len(L, i);
  luaL_argcheck(L, count <= 1000, i, "more than 1000 labels");
  const char **words = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *words, 0);
  for (; *n < count; ++*n) {
    if (lua_geti(L, i, *n + 1) != LUA_TSTRING)
      luaL_error(L, "data.open: labels are texts, not %s", luaL_typename(L, -1));
    words[*n] = lua_tostring(L, -1); /* the table keeps it */
    lua_pop(L, 1);
  }
  return words;
}

static int set_open(lua_State *L) { /* dir; classes, leave_out, merge or nil -> set */
  const char *dir = luaL_checkstring(L, 1);
  rl_manifest_options o = {0};
  lua_settop(L, 4);
  o.classes = check_words(L, 2, &o.n_classes);
  o.leave_out = check_words(L, 3, &o.n_leave_out);
  o.merge = check_words(L, 4, &o.n_merge);
  rl_manifest **m = lua_newuserdatauv(L, sizeof *m, 0);
  *m = NULL;
  luaL_setmetatable(L, SET_META);
  rl_ok(L, rl_manifest_open(m, dir, &o));
  return 1;
}

static void push_words(lua_State *L, const char *const *words, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) lua_pushstring(L, words[i]), lua_rawseti(L, -2, i + 1);
}

static int set_info(lua_State *L) { /* -> { rows, columns, classes } */
  const rl_manifest *m = rl_check_set(L, 1);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, m->rows), lua_setfield(L, -2, "rows");
  push_words(L, m->column, m->columns), lua_setfield(L, -2, "columns");
  push_words(L, m->class_name, m->classes), lua_setfield(L, -2, "classes");
  return 1;
}

static int set_row(lua_State *L) { /* row from 1 -> { column = text }, class from 1 or nil */
  const rl_manifest *m = rl_check_set(L, 1);
  int64_t r = rl_check_position(L, 2, m->rows, "data set: row");
  lua_createtable(L, 0, m->columns);
  for (int i = 0; i < m->columns; i++) {
    lua_pushstring(L, m->cell[(size_t)r * (size_t)m->columns + (size_t)i]);
    lua_setfield(L, -2, m->column[i]);
  }
  if (m->row[r].class < 0) return 1;
  lua_pushinteger(L, m->row[r].class + 1);
  return 2;
}

static int check_split(lua_State *L, int i) { /* nil: all rows */
  if (lua_isnoneornil(L, i)) return RL_SPLIT_NONE;
  int split = rl_split_find(luaL_checkstring(L, i));
  if (split == RL_SPLIT_NONE)
    luaL_error(L, "data: split \"%s\" is none of train, val, test; name one of them", lua_tostring(L, i));
  return split;
}

static int set_count(lua_State *L) { /* split or nil -> rows, { rows per class } */
  const rl_manifest *m = rl_check_set(L, 1);
  int split = check_split(L, 2);
  lua_Integer n = 0;
  lua_createtable(L, m->classes, 0);
  for (int i = 0; i < m->classes; i++) lua_pushinteger(L, 0), lua_rawseti(L, -2, i + 1);
  for (int i = 0; i < m->rows; i++) {
    if (split != RL_SPLIT_NONE && m->row[i].split != split) continue;
    n++;
    if (m->row[i].class < 0) continue;
    lua_rawgeti(L, -1, m->row[i].class + 1);
    lua_pushinteger(L, lua_tointeger(L, -1) + 1);
    lua_rawseti(L, -3, m->row[i].class + 1);
    lua_pop(L, 1);
  }
  lua_pushinteger(L, n);
  lua_insert(L, -2);
  return 2;
}

static int set_inspect(lua_State *L) { /* row from 1 -> what rl_look holds, or nil, message, code */
  const rl_manifest *m = rl_check_set(L, 1);
  int64_t r = rl_check_position(L, 2, m->rows, "data set: row");
  rl_look k;
  rl_status s = rl_inspect(m, (int)r, &k);
  if (s != RL_OK) return rl_push_failure(L, s);
  lua_createtable(L, 0, 7);
  lua_pushinteger(L, k.width), lua_setfield(L, -2, "width");
  lua_pushinteger(L, k.height), lua_setfield(L, -2, "height");
  lua_pushinteger(L, k.channels), lua_setfield(L, -2, "channels");
  lua_pushinteger(L, (lua_Integer)k.hash), lua_setfield(L, -2, "hash");
  lua_pushboolean(L, k.constant), lua_setfield(L, -2, "constant");
  lua_pushboolean(L, k.mask_empty), lua_setfield(L, -2, "mask_empty");
  lua_pushboolean(L, k.saliency_empty), lua_setfield(L, -2, "saliency_empty");
  return 1;
}

/* ---- loaders */

static rl_loader *check_loader(lua_State *L, int i) {
  rl_loader **l = luaL_checkudata(L, i, LOADER_META);
  luaL_argcheck(L, *l != NULL, i, "this loader was closed");
  return *l;
}

static int loader_gc(lua_State *L) {
  rl_loader_close(luaL_checkudata(L, 1, LOADER_META));
  return 0;
}

static double number(lua_State *L, const char *name) { /* a field of the options, argument 2 */
  lua_getfield(L, 2, name);
  double v = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static int integer(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  int exact;
  lua_Integer v = lua_tointegerx(L, -1, &exact);
  if (!exact || v < -1000000000 || v > 1000000000)
    luaL_error(L, "loader: %s is not an integer in range", name);
  lua_pop(L, 1);
  return (int)v;
}

static bool flag(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  bool v = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}

static void triple(lua_State *L, const char *name, double to[3]) {
  lua_getfield(L, 2, name);
  for (int i = 0; i < 3; i++) {
    lua_geti(L, -1, i + 1);
    to[i] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static rl_gaze_weight check_gaze(lua_State *L) {
  static const char *const words[] = {"file", "fixations", "duration", "thirds", NULL};
  lua_getfield(L, 2, "saliency");
  int at = luaL_checkoption(L, -1, "file", words);
  lua_pop(L, 1);
  return (rl_gaze_weight)at;
}

static const uint8_t *check_rows(lua_State *L, const rl_manifest *m) { /* a list of rows from 1; nil: all */
  if (lua_getfield(L, 2, "rows") == LUA_TNIL) return NULL;
  luaL_checktype(L, -1, LUA_TTABLE);
  uint8_t *only = lua_newuserdatauv(L, (size_t)m->rows, 0);
  memset(only, 0, (size_t)m->rows);
  for (lua_Integer i = 1; lua_geti(L, -2, i) != LUA_TNIL; i++, lua_pop(L, 1))
    only[rl_check_position(L, -1, m->rows, "loader: rows: row")] = 1;
  lua_pop(L, 1); /* the bytes stay on the stack, in sight of the collector */
  return only;
}

/* set, options complete and flat (lua/rille/data/loader.lua), fixations or nil -> loader */
static int loader_open(lua_State *L) {
  const rl_manifest *m = rl_check_set(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  const rl_fixations *fixations = lua_isnil(L, 3) ? NULL : rl_check_fixations(L, 3);
  lua_getfield(L, 2, "split");
  rl_loader_options o = {.split = check_split(L, 4),
                         .only = check_rows(L, m),
                         .batch = integer(L, "batch"),
                         .height = integer(L, "height"),
                         .width = integer(L, "width"),
                         .channels = integer(L, "channels"),
                         .resize = integer(L, "resize"),
                         .shuffle = flag(L, "shuffle"),
                         .drop_last = flag(L, "drop_last"),
                         .balance = flag(L, "balance"),
                         .fixations = fixations,
                         .gaze = check_gaze(L),
                         .sigma = number(L, "sigma"),
                         .skip_bad = flag(L, "skip_bad"),
                         .threads = integer(L, "threads")};
  o.views = rl_check_views(L, 2, o.view);
  o.augment = (rl_augment){.flip = number(L, "flip"),
                           .vertical = number(L, "vertical"),
                           .rotate = number(L, "rotate"),
                           .crop = number(L, "crop"),
                           .centred = flag(L, "centred"),
                           .brightness = number(L, "brightness"),
                           .contrast = number(L, "contrast")};
  lua_getfield(L, 2, "seed");
  o.seed = (uint64_t)luaL_checkinteger(L, -1);
  o.cache_bytes = (size_t)number(L, "cache");
  triple(L, "mean", o.mean);
  triple(L, "std", o.std);
  rl_loader **l = lua_newuserdatauv(L, sizeof *l, 2);
  *l = NULL;
  luaL_setmetatable(L, LOADER_META);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1); /* the set and its fixations outlive the loader */
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, -2, 2);
  rl_ok(L, rl_loader_open(l, m, &o));
  return 1;
}

typedef struct fields { /* a batch's tensors, pushed as a table's fields */
  rl_tensor *view[RL_VIEWS_MAX];
  rl_tensor *image, *mask, *saliency, *label, *row, *has_label, *has_mask, *has_saliency;
} fields;

static rl_tensor *push_field(lua_State *L, const char *name, rl_dtype dtype, int rank, const int64_t *size,
                             rl_layout layout) {
  rl_shape shape = rl_shape_make(rank, size);
  rl_tensor *t = NULL;
  rl_ok(L, rl_push_new(L, dtype, &shape, layout, &t));
  lua_setfield(L, -2, name);
  return t;
}

static void push_views(lua_State *L, fields *f, const int64_t image[4], int views) {
  lua_createtable(L, views, 0);
  for (int i = 0; i < views; i++) {
    rl_shape shape = rl_shape_make(4, image);
    rl_ok(L, rl_push_new(L, RL_F32, &shape, RL_NHWC, &f->view[i]));
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "views");
}

static void push_fields(lua_State *L, fields *f, int64_t n, const int64_t size[3], const rl_loader *l) {
  bool mask = rl_loader_has_masks(l);
  int maps = rl_loader_maps(l), views = rl_loader_views(l);
  int64_t image[4] = {n, size[0], size[1], size[2]}, one[4] = {n, 1, size[1], size[2]},
          map[4] = {n, maps, size[1], size[2]};
  lua_createtable(L, 0, 11);
  *f = (fields){0};
  f->image = push_field(L, "image", RL_F32, 4, image, RL_NHWC);
  f->label = push_field(L, "label", RL_I64, 1, &n, RL_ROWMAJOR);
  f->has_label = push_field(L, "has_label", RL_BOOL, 1, &n, RL_ROWMAJOR);
  f->row = push_field(L, "index", RL_I64, 1, &n, RL_ROWMAJOR);
  if (views > 0) push_views(L, f, image, views);
  if (mask) {
    f->mask = push_field(L, "mask", RL_F32, 4, one, RL_NHWC);
    f->has_mask = push_field(L, "has_mask", RL_BOOL, 1, &n, RL_ROWMAJOR);
  }
  if (maps > 0) { /* one after the other in memory */
    f->saliency = push_field(L, "saliency", RL_F32, 4, map, maps == 1 ? RL_NHWC : RL_ROWMAJOR);
    f->has_saliency = push_field(L, "has_saliency", RL_BOOL, 1, &n, RL_ROWMAJOR);
  }
}

static void shorten(rl_tensor *to, const rl_tensor *from) {
  if (to != NULL) memcpy(rl_data(to), rl_data(from), (size_t)rl_count(to) * rl_dtype_size(to->dtype));
}

static void shorten_all(fields *to, const fields *from) {
  shorten(to->image, from->image), shorten(to->mask, from->mask), shorten(to->saliency, from->saliency);
  shorten(to->label, from->label), shorten(to->row, from->row);
  shorten(to->has_label, from->has_label), shorten(to->has_mask, from->has_mask);
  shorten(to->has_saliency, from->has_saliency);
  for (int i = 0; i < RL_VIEWS_MAX; i++) shorten(to->view[i], from->view[i]);
}

static void *data_of(const rl_tensor *t) { return t == NULL ? NULL : rl_data(t); }

static void push_files(lua_State *L, const rl_manifest *m, const fields *f, int n) { /* names */
  int64_t *row = rl_data(f->row);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushstring(L, m->row[row[i]].file);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "file");
}

static void push_fixations(lua_State *L, const fields *f, const rl_placed *placed, int n,
                           const int64_t size[3]) { /* moved as the images were */
  lua_getiuservalue(L, 1, 2);
  const rl_fixations *all = rl_check_fixations(L, -1);
  lua_pop(L, 1);
  const int64_t *row = rl_data(f->row);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    rl_push_fixations(L, all, (int)row[i], &placed[i], (int)size[2], (int)size[1]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "fixations");
}

static void count_from_one(const fields *f, int n) { /* 0: no label */
  int64_t *row = rl_data(f->row), *label = rl_data(f->label);
  for (int i = 0; i < n; i++) row[i]++, label[i]++;
}

/* loader, channels, height, width, with fixations -> batch, or nil at the end of an epoch */
static int loader_next(lua_State *L) {
  rl_loader *l = check_loader(L, 1);
  int64_t size[3] = {luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)};
  bool gaze = lua_toboolean(L, 5);
  int upcoming = rl_loader_upcoming(l), n;
  fields f, g;
  lua_getiuservalue(L, 1, 1);
  const rl_manifest *m = rl_check_set(L, -1);
  if (upcoming == 0) {
    rl_ok(L, rl_loader_next(l, NULL, &n));
    return 0;
  }
  rl_placed *placed = gaze ? lua_newuserdatauv(L, (size_t)upcoming * sizeof *placed, 0) : NULL;
  push_fields(L, &f, upcoming, size, l);
  rl_batch b = {
      data_of(f.image),    data_of(f.mask),         data_of(f.saliency),  data_of(f.label), data_of(f.row),
      data_of(f.has_mask), data_of(f.has_saliency), data_of(f.has_label), placed,           {NULL}};
  for (int i = 0; i < RL_VIEWS_MAX; i++) b.view[i] = data_of(f.view[i]);
  rl_ok(L, rl_loader_next(l, &b, &n));
  if (n == 0) return 0;
  if (n < upcoming) { /* files were skipped at the end of an epoch */
    push_fields(L, &g, n, size, l);
    shorten_all(&g, &f);
    f = g;
  }
  push_files(L, m, &f, n);
  if (gaze) push_fixations(L, &f, placed, n, size);
  count_from_one(&f, n);
  rl_pressure(L);
  return 1;
}

static int loader_tell(lua_State *L) { /* -> epoch, index */
  uint32_t epoch;
  int index;
  rl_loader_tell(check_loader(L, 1), &epoch, &index);
  lua_pushinteger(L, epoch);
  lua_pushinteger(L, index);
  return 2;
}

static int loader_seek(lua_State *L) { /* epoch, index */
  lua_Integer epoch = luaL_checkinteger(L, 2), index = luaL_checkinteger(L, 3);
  luaL_argcheck(L, epoch >= 0 && epoch < UINT32_MAX, 2, "an epoch is 0 to 4294967294");
  luaL_argcheck(L, index >= 0 && index <= INT32_MAX, 3, "no such sample");
  rl_ok(L, rl_loader_seek(check_loader(L, 1), (uint32_t)epoch, (int)index));
  return 0;
}

static int loader_samples(lua_State *L) {
  lua_pushinteger(L, rl_loader_samples(check_loader(L, 1)));
  return 1;
}

static int loader_bad(lua_State *L) { /* -> { { index, message } } of skipped files */
  const rl_loader *l = check_loader(L, 1);
  int row = 0, n = rl_loader_bad(l, -1, NULL, NULL);
  const char *text = "";
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    rl_loader_bad(l, i, &row, &text);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, row + 1), lua_setfield(L, -2, "index");
    lua_pushstring(L, text), lua_setfield(L, -2, "message");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* ---- the phantom */

static int phantom_folder(lua_State *L) { /* dir, train, val, test, size, seed */
  rl_ok(L, rl_phantom_folder(luaL_checkstring(L, 1), (int)luaL_checkinteger(L, 2),
                             (int)luaL_checkinteger(L, 3), (int)luaL_checkinteger(L, 4),
                             (int)luaL_checkinteger(L, 5), (uint64_t)luaL_checkinteger(L, 6)));
  return 0;
}

/* seed, patient from 1, size -> { image, mask, saliency, class, fixations } */
static int phantom_draw(lua_State *L) {
  lua_Integer seed = luaL_checkinteger(L, 1), size = luaL_checkinteger(L, 3);
  int64_t patient = rl_check_position(L, 2, UINT32_MAX, "phantom: patient");
  rl_phantom about;
  if (size < RL_PHANTOM_MIN_SIZE || size > RL_PHANTOM_MAX_SIZE)
    return luaL_error(L, "phantom: size %I is not between %d and %d", size, RL_PHANTOM_MIN_SIZE,
                      RL_PHANTOM_MAX_SIZE);
  lua_createtable(L, 0, 6);
  int64_t shape[3] = {1, size, size};
  rl_tensor *image = push_field(L, "image", RL_U8, 3, shape, RL_ROWMAJOR),
            *mask = push_field(L, "mask", RL_U8, 3, shape, RL_ROWMAJOR);
  rl_tensor *gaze = push_field(L, "saliency", RL_U8, 3, shape, RL_ROWMAJOR);
  rl_ok(L, rl_phantom_draw((uint64_t)seed, (uint32_t)patient, (int)size, rl_data(image), rl_data(mask),
                           rl_data(gaze), &about));
  lua_pushstring(L, rl_phantom_class(about.label)), lua_setfield(L, -2, "class");
  lua_createtable(L, about.fixations, 0);
  for (int i = 0; i < about.fixations; i++) {
    const rl_fixation *f = &about.fixation[i];
    lua_createtable(L, 0, 4);
    lua_pushnumber(L, f->x), lua_setfield(L, -2, "x");
    lua_pushnumber(L, f->y), lua_setfield(L, -2, "y");
    lua_pushnumber(L, f->onset_s), lua_setfield(L, -2, "onset");
    lua_pushnumber(L, f->duration_s), lua_setfield(L, -2, "duration");
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "fixations");
  return 1;
}

static void add_class(lua_State *L, const char *meta, const luaL_Reg *methods, lua_CFunction gc) {
  luaL_newmetatable(L, meta);
  lua_createtable(L, 0, 8);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, gc), lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, gc), lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
}

void rl_open_data(lua_State *L) {
  static const luaL_Reg set[] = {
      {"info", set_info}, {"row", set_row}, {"count", set_count}, {"inspect", set_inspect}, {NULL, NULL}};
  static const luaL_Reg loader[] = {{"next", loader_next}, {"tell", loader_tell},       {"seek", loader_seek},
                                    {"bad", loader_bad},   {"samples", loader_samples}, {"close", loader_gc},
                                    {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", set_open},
                                       {"loader", loader_open},
                                       {"phantom_folder", phantom_folder},
                                       {"phantom_draw", phantom_draw},
                                       {NULL, NULL}};
  add_class(L, SET_META, set, set_gc);
  add_class(L, LOADER_META, loader, loader_gc);
  luaL_newlib(L, functions);
  rl_open_gaze(L);
  rl_open_views(L);
  lua_setfield(L, -2, "_data");
}
