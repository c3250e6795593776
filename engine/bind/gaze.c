/* The engine's side of gaze: fixations of a data set as a userdata, maps, and pictures on a canvas for the
** preparation of data sets. */
#include "bind/data.h"
#include "bind/io.h"
#include "data/canvas.h"
#include "data/gaze.h"

#include <string.h>

#define FIXATIONS_META "rille.data.Fixations"

const rl_fixations *rl_check_fixations(lua_State *L, int i) {
  rl_fixations **f = luaL_checkudata(L, i, FIXATIONS_META);
  luaL_argcheck(L, *f != NULL, i, "these fixations were closed");
  return *f;
}

static int fixations_gc(lua_State *L) {
  rl_fixations_close(luaL_checkudata(L, 1, FIXATIONS_META));
  return 0;
}

static int fixations_open(lua_State *L) { /* set -> fixations */
  const rl_manifest *m = rl_check_set(L, 1);
  rl_fixations **f = lua_newuserdatauv(L, sizeof *f, 1);
  *f = NULL;
  luaL_setmetatable(L, FIXATIONS_META);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1); /* the set outlives them */
  rl_ok(L, rl_fixations_open(f, m));
  return 1;
}

static bool move(const rl_placed *p, int width, int height, double *x, double *y) { /* false: outside */
  if (*x < 0 || *y < 0 || *x >= p->width || *y >= p->height) return false;
  *x *= p->scale_x;
  *y *= p->scale_y;
  rl_view_point(&p->view, x, y);
  return *x >= 0 && *y >= 0 && *x < width && *y < height;
}

void rl_push_fixations(lua_State *L, const rl_fixations *f, int row, const rl_placed *placed, int width,
                       int height) {
  lua_createtable(L, f->first[row + 1] - f->first[row], 0);
  lua_Integer n = 0;
  for (int i = f->first[row]; i < f->first[row + 1]; i++) {
    rl_fixation at = f->look[i].at;
    if (placed != NULL && !move(placed, width, height, &at.x, &at.y)) continue;
    lua_createtable(L, 0, 5);
    lua_pushnumber(L, at.x), lua_setfield(L, -2, "x");
    lua_pushnumber(L, at.y), lua_setfield(L, -2, "y");
    if (f->has_onset) lua_pushnumber(L, at.onset_s), lua_setfield(L, -2, "onset");
    if (f->has_duration) lua_pushnumber(L, at.duration_s), lua_setfield(L, -2, "duration");
    lua_pushstring(L, f->subject[f->look[i].subject]), lua_setfield(L, -2, "subject");
    lua_rawseti(L, -2, ++n);
  }
}

static int fixations_of(lua_State *L) { /* row from 1 -> list, in pixels of the file */
  const rl_fixations *f = rl_check_fixations(L, 1);
  int64_t row = rl_check_position(L, 2, f->rows, "data set: row");
  rl_push_fixations(L, f, (int)row, NULL, 0, 0);
  return 1;
}

static int fixations_info(lua_State *L) { /* -> { count, subjects, strange, strange_line, onset, duration } */
  const rl_fixations *f = rl_check_fixations(L, 1);
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, f->count), lua_setfield(L, -2, "count");
  lua_pushinteger(L, f->subjects), lua_setfield(L, -2, "subjects");
  lua_pushinteger(L, f->strange), lua_setfield(L, -2, "strange");
  lua_pushinteger(L, f->strange_line), lua_setfield(L, -2, "strange_line");
  lua_pushboolean(L, f->has_onset), lua_setfield(L, -2, "onset");
  lua_pushboolean(L, f->has_duration), lua_setfield(L, -2, "duration");
  return 1;
}

/* row from 1, width, height of its image -> fixations of it, and how many lie outside */
static int fixations_outside(lua_State *L) {
  const rl_fixations *f = rl_check_fixations(L, 1);
  int64_t row = rl_check_position(L, 2, f->rows, "data set: row");
  lua_Number width = luaL_checknumber(L, 3), height = luaL_checknumber(L, 4);
  int outside = 0, from = f->first[row], to = f->first[row + 1];
  for (int i = from; i < to; i++) {
    const rl_fixation *at = &f->look[i].at;
    outside += at->x < 0 || at->y < 0 || at->x >= width || at->y >= height;
  }
  lua_pushinteger(L, to - from);
  lua_pushinteger(L, outside);
  return 2;
}

/* ---- preparing data sets */

static int image_size(lua_State *L) { /* file -> width, height; or nil, message, code */
  int width, height;
  rl_status s = rl_image_size(luaL_checkstring(L, 1), &width, &height);
  if (s != RL_OK) return rl_push_failure(L, s);
  lua_pushinteger(L, width);
  lua_pushinteger(L, height);
  return 2;
}

static rl_status draw_canvas(rl_image *m, const char *file, int width, int height, rl_tensor *to, int *most) {
  rl_image sized = {0};
  RL_TRY(rl_image_read(m, file));
  RL_TRY(rl_image_channels(m, 1));
  *most = rl_image_stretch(m);
  RL_TRY(rl_image_pad(m, width, height));
  RL_TRY(rl_image_resize(&sized, m, (int)to->shape.size[2], (int)to->shape.size[1]));
  memcpy(rl_data(to), sized.pixels, rl_image_bytes(&sized));
  rl_image_drop(&sized);
  return RL_OK;
}

/* file, canvas { width, height }, out { width, height } -> u8 tensor 1 x H x W, the largest value before; or
** nil, message, code */
static int image_on_canvas(lua_State *L) {
  const char *file = luaL_checkstring(L, 1);
  int size[4], most = 0;
  for (int i = 0; i < 4; i++) {
    lua_geti(L, 2 + i / 2, 1 + i % 2);
    size[i] = (int)luaL_checkinteger(L, -1);
    luaL_argcheck(L, size[i] >= 1 && size[i] <= 100000, 2 + i / 2, "a side is 1 to 100000 pixels");
  }
  int64_t sides[3] = {1, size[3], size[2]};
  rl_shape shape = rl_shape_make(3, sides);
  rl_tensor *t = NULL;
  rl_ok(L, rl_push_new(L, RL_U8, &shape, RL_ROWMAJOR, &t));
  rl_image m = {0};
  rl_status s = draw_canvas(&m, file, size[0], size[1], t, &most);
  rl_image_drop(&m);
  if (s != RL_OK) return rl_push_failure(L, s);
  rl_pressure(L);
  lua_pushinteger(L, most);
  return 2;
}

static void clear_outside(float *map, int width, int height, const lua_Integer box[4]) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      if (x < box[0] || y < box[1] || x >= box[2] || y >= box[3])
        map[(size_t)y * (size_t)width + (size_t)x] = 0;
}

/* x, y, weight (three lists of equal length, pixels of the map), width, height, sigma, { left, top, right,
** bottom } -> u8 tensor 1 x H x W, 0 outside the box, the largest value 255 */
static int gaze_map(lua_State *L) {
  lua_Integer n = luaL_len(L, 1), width = luaL_checkinteger(L, 4), height = luaL_checkinteger(L, 5);
  double sigma = luaL_checknumber(L, 6);
  luaL_argcheck(L, width >= 1 && width <= 8192 && height >= 1 && height <= 8192, 4, "a side is 1 to 8192");
  luaL_argcheck(L, n <= 100000000, 1, "too many points");
  lua_Integer box[4];
  for (int i = 0; i < 4; i++) {
    lua_geti(L, 7, i + 1);
    box[i] = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  rl_gaze_at *at = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *at, 0);
  for (lua_Integer i = 0; i < n; i++) {
    double v[3];
    for (int k = 0; k < 3; k++) {
      lua_geti(L, 1 + k, i + 1);
      v[k] = luaL_checknumber(L, -1);
      lua_pop(L, 1);
    }
    at[i] = (rl_gaze_at){v[0], v[1], v[2]};
  }
  int64_t sides[3] = {1, height, width};
  rl_shape shape = rl_shape_make(3, sides);
  rl_tensor *map = NULL, *bytes = NULL;
  rl_ok(L, rl_push_new(L, RL_F32, &shape, RL_ROWMAJOR, &map));
  rl_ok(L, rl_push_new(L, RL_U8, &shape, RL_ROWMAJOR, &bytes));
  memset(rl_data(map), 0, (size_t)rl_count(map) * sizeof(float));
  rl_ok(L, rl_gaze_map(rl_data(map), (int)width, (int)height, at, (int)n, sigma, sigma));
  clear_outside(rl_data(map), (int)width, (int)height, box);
  rl_gaze_bytes(rl_data(map), (size_t)rl_count(map), rl_data(bytes));
  return 1;
}

void rl_open_gaze(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"of", fixations_of}, {"info", fixations_info}, {"outside", fixations_outside}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"fixations", fixations_open},
                                       {"image_size", image_size},
                                       {"image_on_canvas", image_on_canvas},
                                       {"gaze_map", gaze_map},
                                       {NULL, NULL}};
  luaL_newmetatable(L, FIXATIONS_META);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, fixations_gc), lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, fixations_gc), lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
