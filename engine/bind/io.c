/* rl.io: files in and out. Bad files give nil, message, code; wrong arguments raise. What the engine lends
** out while Lua may jump lives in a box, a userdata that gives it back. */
#include "bind/check.h"
#include "bind/io.h"
#include "io/csv.h"
#include "io/image.h"
#include "io/jpeg.h"
#include "io/npy.h"
#include "io/pack.h"
#include "io/png.h"
#include "io/safetensors.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOX_META "rille.io.Box"

typedef struct box {
  void (*drop)(void *what); /* NULL: empty */
  union {
    rl_st st;
    rl_npz npz;
    rl_bytes bytes;
    rl_image image;
  } u;
} box;

static void drop_st(void *p) { rl_st_close(p); }
static void drop_npz(void *p) { rl_npz_close(p); }
static void drop_bytes(void *p) { rl_bytes_drop(p); }
static void drop_image(void *p) { rl_image_drop(p); }

static int box_gc(lua_State *L) {
  box *b = lua_touserdata(L, 1);
  if (b->drop != NULL) b->drop(&b->u);
  b->drop = NULL;
  return 0;
}

static void box_drop(box *b) {
  if (b->drop != NULL) b->drop(&b->u);
  b->drop = NULL;
}

static box *push_box(lua_State *L, void (*drop)(void *)) { /* zeroed; to be filled after this */
  box *b = lua_newuserdatauv(L, sizeof *b, 0);
  memset(b, 0, sizeof *b);
  if (luaL_newmetatable(L, BOX_META)) {
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  b->drop = drop;
  if (drop == drop_st) b->u.st.fd = -1;
  return b;
}

int rl_push_failure(lua_State *L, rl_status s) {
  static const char *const codes[] = {"OK",  "ENOMEM",  "ESHAPE", "EARG",  "ETYPE",     "ESTATE",
                                      "EIO", "EFORMAT", "ENOSPC", "EINTR", "ECALLBACK", "EBUG"};
  lua_pushnil(L);
  lua_pushstring(L, rl_error_text());
  lua_pushstring(L, codes[s]);
  return 3;
}

rl_status rl_push_new(lua_State *L, rl_dtype dtype, const rl_shape *shape, rl_layout layout, rl_tensor **t) {
  rl_handle *h = rl_push_tensor(L);
  rl_status s = rl_tensor_make(t, dtype, shape, layout);
  if (s == RL_ENOMEM) { /* what nobody refers to any more may make room */
    lua_gc(L, LUA_GCCOLLECT);
    s = rl_tensor_make(t, dtype, shape, layout);
  }
  if (s == RL_OK) rl_own(h, *t);
  return s;
}

static rl_status push_sized(lua_State *L, rl_dtype dtype, int rank, const int64_t *size, rl_tensor **t) {
  rl_shape shape = rl_shape_make(rank, size);
  return rl_push_new(L, dtype, &shape, RL_ROWMAJOR, t);
}

/* ---- reading: each pushes its values and returns how many */

static int load_safetensors(lua_State *L) { /* file -> { name = tensor }, { key = text } */
  const char *file = luaL_checkstring(L, 1);
  box *b = push_box(L, drop_st);
  rl_status s = rl_st_open(&b->u.st, file);
  const rl_st *st = &b->u.st;
  lua_createtable(L, 0, s == RL_OK ? st->count : 0);
  for (int i = 0; s == RL_OK && i < st->count; i++) {
    const rl_st_entry *e = &st->entry[i];
    rl_tensor *t;
    lua_pushstring(L, e->name);
    s = push_sized(L, e->dtype, e->rank, e->size, &t);
    if (s == RL_OK) s = rl_st_read(st, e, rl_data(t));
    if (s == RL_OK) lua_rawset(L, -3);
  }
  if (s == RL_OK) {
    lua_createtable(L, 0, st->pairs);
    for (int i = 0; i < st->pairs; i++)
      lua_pushstring(L, st->pair[i].value), lua_setfield(L, -2, st->pair[i].key);
  }
  box_drop(b);
  if (s != RL_OK) return rl_push_failure(L, s);
  rl_pressure(L);
  return 2;
}

static rl_status read_npy(lua_State *L, rl_bytes *file, const char *name) {
  char quoted[RL_NAMEBUF + 2], shown[RL_NAMEBUF];
  rl_npy h;
  rl_tensor *t;
  RL_TRY(rl_file_read(file, "io.load", name, SIZE_MAX / 4));
  snprintf(quoted, sizeof quoted, "\"%s\"", rl_file_name(shown, name));
  RL_TRY(rl_npy_parse(&h, quoted, file->data, file->len, file->len));
  RL_TRY(push_sized(L, h.dtype, h.rank, h.size, &t));
  rl_npy_convert(&h, file->data + h.data_at, rl_data(t));
  return RL_OK;
}

static int load_npy(lua_State *L) { /* file -> tensor */
  const char *file = luaL_checkstring(L, 1);
  box *b = push_box(L, drop_bytes);
  rl_status s = read_npy(L, &b->u.bytes, file);
  box_drop(b);
  if (s != RL_OK) return rl_push_failure(L, s);
  rl_pressure(L);
  return 1;
}

static rl_status read_member(lua_State *L, const rl_npz *z, int i, rl_bytes *data) {
  rl_npy h;
  rl_tensor *t;
  RL_TRY(rl_npz_member(z, i, &h, data));
  RL_TRY(push_sized(L, h.dtype, h.rank, h.size, &t));
  rl_npy_convert(&h, data->data + h.data_at, rl_data(t));
  return RL_OK;
}

static int load_npz(lua_State *L) { /* file -> { name = tensor } */
  const char *file = luaL_checkstring(L, 1);
  box *z = push_box(L, drop_npz), *data = push_box(L, drop_bytes);
  rl_status s = rl_npz_open(&z->u.npz, file);
  lua_newtable(L);
  for (int i = 0; s == RL_OK && i < z->u.npz.count; i++) {
    lua_pushstring(L, z->u.npz.entry[i].name);
    s = read_member(L, &z->u.npz, i, &data->u.bytes);
    rl_bytes_drop(&data->u.bytes);
    if (s == RL_OK) lua_rawset(L, -3);
  }
  box_drop(z);
  if (s != RL_OK) return rl_push_failure(L, s);
  rl_pressure(L);
  return 1;
}

static int read_image(lua_State *L) { /* file -> u8 tensor C x H x W */
  const char *file = luaL_checkstring(L, 1);
  box *b = push_box(L, drop_image);
  const rl_image *m = &b->u.image;
  rl_tensor *t;
  rl_status s = rl_image_read(&b->u.image, file);
  if (s == RL_OK) s = push_sized(L, RL_U8, 3, (int64_t[]){m->channels, m->height, m->width}, &t);
  if (s == RL_OK) rl_unpack_image(m->pixels, m->width, m->height, m->channels, rl_data(t));
  box_drop(b);
  if (s != RL_OK) return rl_push_failure(L, s);
  rl_pressure(L);
  return 1;
}

static int read_csv(lua_State *L) { /* file -> rows { name = text }, names; by the header line */
  const char *file = luaL_checkstring(L, 1);
  char shown[RL_NAMEBUF];
  lua_settop(L, 1);
  lua_pushfstring(L, "\"%s\"", rl_file_name(shown, file));
  const char *quoted = lua_tostring(L, -1);
  box *text = push_box(L, drop_bytes), *scratch = push_box(L, drop_bytes);
  rl_csv *c = lua_newuserdatauv(L, sizeof *c, 0);
  lua_newtable(L); /* 6: rows */
  lua_newtable(L); /* 7: names */
  rl_status s = rl_file_read(&text->u.bytes, "csv", file, (size_t)1 << 30);
  rl_csv_open(c, quoted, (const char *)text->u.bytes.data, text->u.bytes.len);
  bool more = true;
  for (lua_Integer row = 0; s == RL_OK && more; row++) {
    s = rl_csv_next(c, &more);
    scratch->u.bytes = c->scratch; /* the box owns what the reader grew */
    if (s != RL_OK || !more) break;
    lua_Integer names = luaL_len(L, 7);
    if (row > 0 && c->fields != names) {
      s = rl_fail(RL_EFORMAT, "csv: %s:%d:1: %d fields, the header has %d; add or remove commas", quoted,
                  c->row_line, c->fields, (int)names);
      break;
    }
    lua_createtable(L, 0, c->fields);
    for (int i = 0; i < c->fields; i++) {
      if (row == 0)
        lua_pushinteger(L, i + 1);
      else
        lua_rawgeti(L, 7, i + 1);
      lua_pushstring(L, c->field[i].text);
      lua_rawset(L, row == 0 ? 7 : -3);
    }
    if (row > 0)
      lua_rawseti(L, 6, row);
    else
      lua_pop(L, 1);
  }
  box_drop(text);
  box_drop(scratch);
  return s == RL_OK ? 2 : rl_push_failure(L, s);
}

static int load(lua_State *L) { /* by content */
  const char *file = luaL_checkstring(L, 1);
  uint8_t head[8] = {0};
  FILE *f = fopen(file, "rb");
  size_t n = f != NULL ? fread(head, 1, sizeof head, f) : 0;
  if (f != NULL) fclose(f);
  lua_settop(L, 1);
  if (n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0) return load_npy(L);
  if (n >= 4 && memcmp(head, "PK\3\4", 4) == 0) return load_npz(L);
  if (rl_png_is(head, n) || rl_jpeg_is(head, n)) return read_image(L);
  return load_safetensors(L);
}

/* ---- writing: true, or nil, message, code */

typedef struct parts { /* what the format's writer asks its bytes from */
  rl_tensor **tensor;
  rl_bytes *scratch;
} parts;

static const void *give_part(void *ctx, int i) {
  parts *p = ctx;
  return rl_pack(p->tensor[i], p->scratch);
}

static int done(lua_State *L, rl_status s) {
  if (s != RL_OK) return rl_push_failure(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* The table at `at` as names and tensors; pushes what keeps them alive. Raises on anything else. */
static rl_tensor **check_named(lua_State *L, int at, int *n, rl_st_part **out) {
  luaL_checktype(L, at, LUA_TTABLE);
  *n = 0;
  for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || rl_test_tensor(L, -1) == NULL)
      luaL_error(L, "io.save: a table of names and tensors is needed, it has [%s] = %s",
                 luaL_tolstring(L, -2, NULL), luaL_typename(L, -2));
    if (strlen(lua_tostring(L, -2)) != lua_rawlen(L, -2)) luaL_error(L, "io.save: a name holds a NUL byte");
    ++*n;
  }
  rl_tensor **t = lua_newuserdatauv(L, (size_t)(*n + 1) * sizeof *t, 0);
  rl_st_part *part = lua_newuserdatauv(L, (size_t)(*n + 1) * sizeof *part, 0);
  int i = 0;
  for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), i++) {
    t[i] = rl_test_tensor(L, -1);
    part[i] = (rl_st_part){.name = lua_tostring(L, -2), .dtype = t[i]->dtype, .rank = t[i]->shape.rank};
    memcpy(part[i].size, t[i]->shape.size, sizeof part[i].size);
  }
  *out = part;
  return t;
}

static rl_st_pair *check_pairs(lua_State *L, int at, int *n) {
  *n = 0;
  if (lua_isnoneornil(L, at)) return NULL;
  luaL_checktype(L, at, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), ++*n)
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "io.save: metadata is a table of texts by name");
  rl_st_pair *pair = lua_newuserdatauv(L, (size_t)(*n + 1) * sizeof *pair, 0);
  int i = 0;
  for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), i++)
    pair[i] = (rl_st_pair){lua_tostring(L, -2), lua_tostring(L, -1)};
  return pair;
}

static int save_safetensors(lua_State *L) { /* file, { name = tensor }, [{ key = text }] */
  const char *file = luaL_checkstring(L, 1);
  rl_st_part *part;
  int n, pairs;
  lua_settop(L, 3);
  rl_tensor **t = check_named(L, 2, &n, &part);
  rl_st_pair *pair = check_pairs(L, 3, &pairs);
  box *scratch = push_box(L, drop_bytes);
  rl_status s = rl_st_write(file, part, n, give_part, &(parts){t, &scratch->u.bytes}, pair, pairs);
  box_drop(scratch);
  return done(L, s);
}

static int save_npz(lua_State *L) { /* file, { name = tensor } */
  const char *file = luaL_checkstring(L, 1);
  rl_st_part *part;
  int n;
  lua_settop(L, 2);
  rl_tensor **t = check_named(L, 2, &n, &part);
  rl_npz_part *z = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *z, 0);
  for (int i = 0; i < n; i++) {
    z[i] = (rl_npz_part){.name = part[i].name, .dtype = part[i].dtype, .rank = part[i].rank};
    memcpy(z[i].size, part[i].size, sizeof z[i].size);
  }
  box *scratch = push_box(L, drop_bytes);
  rl_status s = rl_npz_write(file, z, n, give_part, &(parts){t, &scratch->u.bytes});
  box_drop(scratch);
  return done(L, s);
}

static int save_npy(lua_State *L) { /* file, tensor */
  const char *file = luaL_checkstring(L, 1);
  const rl_tensor *t = rl_check_tensor(L, 2);
  box *scratch = push_box(L, drop_bytes);
  const void *data = rl_pack(t, &scratch->u.bytes);
  rl_status s = data == NULL ? RL_ENOMEM : rl_npy_write(file, t->dtype, t->shape.rank, t->shape.size, data);
  box_drop(scratch);
  return done(L, s);
}

static int write_image(lua_State *L) { /* upvalue: JPEG or not; file, tensor, [{ quality = 90 }] */
  const char *file = luaL_checkstring(L, 1);
  const rl_tensor *t = rl_check_tensor(L, 2);
  bool jpeg = lua_toboolean(L, lua_upvalueindex(1));
  int width, height, channels, quality = 90;
  lua_settop(L, 3);
  if (jpeg && lua_istable(L, 3) && lua_getfield(L, 3, "quality") != LUA_TNIL)
    quality = (int)luaL_checkinteger(L, -1);
  rl_ok(L, rl_pack_image(t, NULL, &width, &height, &channels));
  box *b = push_box(L, drop_image);
  rl_image *m = &b->u.image;
  rl_status s = rl_image_alloc(m, width, height, channels);
  if (s == RL_OK) s = rl_pack_image(t, m->pixels, &width, &height, &channels);
  if (s == RL_OK) s = jpeg ? rl_jpeg_write(file, m, quality) : rl_png_write(file, m);
  box_drop(b);
  if (s == RL_EARG) rl_raise(L);
  return done(L, s);
}

static void put_cell(lua_State *L, rl_bytes *b, bool first, bool last) { /* the value on top; popped */
  size_t n;
  if (lua_isnil(L, -1)) lua_pushliteral(L, "");
  const char *text = luaL_tolstring(L, -1, &n);
  rl_ok(L, rl_csv_put(b, text, n, first, last));
}

static int write_csv(lua_State *L) { /* file, rows { name = value }, names */
  const char *file = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  box *b = push_box(L, drop_bytes);
  lua_Integer columns = luaL_len(L, 3), rows = luaL_len(L, 2);
  luaL_argcheck(L, columns > 0, 3, "at least one column is needed");
  for (lua_Integer r = 0; r <= rows; r++) {
    for (lua_Integer c = 1; c <= columns; c++) {
      if (r == 0) {
        lua_geti(L, 3, c);
      } else {
        if (lua_geti(L, 2, r) != LUA_TTABLE) luaL_error(L, "io.write_csv: row %I is not a table", r);
        lua_geti(L, 3, c);
        lua_gettable(L, -2);
      }
      put_cell(L, &b->u.bytes, c == 1, c == columns);
      lua_settop(L, 4);
    }
  }
  rl_status s = rl_file_write("csv", file, b->u.bytes.data, b->u.bytes.len, true);
  box_drop(b);
  return done(L, s);
}

static int save(lua_State *L) { /* by suffix */
  const char *file = luaL_checkstring(L, 1), *dot = strrchr(file, '.');
  static const struct {
    const char *suffix;
    lua_CFunction f;
  } by[] = {{".safetensors", save_safetensors}, {".npz", save_npz}, {".npy", save_npy}};
  for (int i = 0; dot != NULL && i < 3; i++)
    if (strcmp(by[i].suffix, dot) == 0) return by[i].f(L);
  return luaL_error(L, "io.save: \"%s\" ends in none of .safetensors, .npz, .npy; for pictures use write_png",
                    file);
}

void rl_open_io(lua_State *L) {
  static const luaL_Reg functions[] = {{"load", load},
                                       {"load_safetensors", load_safetensors},
                                       {"load_npy", load_npy},
                                       {"load_npz", load_npz},
                                       {"read_image", read_image},
                                       {"read_csv", read_csv},
                                       {"save", save},
                                       {"save_safetensors", save_safetensors},
                                       {"save_npy", save_npy},
                                       {"save_npz", save_npz},
                                       {"write_csv", write_csv},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  for (int jpeg = 0; jpeg <= 1; jpeg++) {
    lua_pushboolean(L, jpeg);
    lua_pushcclosure(L, write_image, 1);
    lua_setfield(L, -2, jpeg ? "write_jpeg" : "write_png");
  }
  rl_open_json(L);
  lua_setfield(L, -2, "io");
}
