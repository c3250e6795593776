/* Random views in Lua: how they are drawn, one draw as a table, and what a draw makes of a picture. Options
** are checked and completed in lua/rille/data/views.lua. */
#include "bind/data.h"
#include "bind/io.h"
#include "base/status.h"

#include <string.h>

static double field(lua_State *L, int i, const char *name) {
  lua_getfield(L, i, name);
  double v = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static void pair(lua_State *L, int i, const char *name, double to[2]) {
  lua_getfield(L, i, name);
  for (int k = 0; k < 2; k++) {
    lua_geti(L, -1, k + 1);
    to[k] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static rl_transform check_transform(lua_State *L, int i) {
  rl_transform t = {.flip = field(L, i, "flip"),
                    .rotate = field(L, i, "rotate"),
                    .jitter = field(L, i, "jitter"),
                    .brightness = field(L, i, "brightness"),
                    .contrast = field(L, i, "contrast"),
                    .saturation = field(L, i, "saturation"),
                    .hue = field(L, i, "hue"),
                    .grayscale = field(L, i, "grayscale"),
                    .blur = field(L, i, "blur"),
                    .kernel = (int)field(L, i, "kernel"),
                    .solarize = field(L, i, "solarize"),
                    .threshold = field(L, i, "threshold")};
  pair(L, i, "crop", t.crop);
  pair(L, i, "ratio", t.ratio);
  pair(L, i, "sigma", t.sigma);
  return t;
}

int rl_check_views(lua_State *L, int options, rl_transform *to) {
  lua_getfield(L, options, "views");
  int n = lua_istable(L, -1) ? (int)luaL_len(L, -1) : 0;
  if (n > RL_VIEWS_MAX) luaL_error(L, "views: %d of an image; at most %d can be made", n, RL_VIEWS_MAX);
  for (int k = 0; k < n; k++) {
    lua_geti(L, -1, k + 1);
    to[k] = check_transform(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return n;
}

static const char *const jitters[RL_JITTERS] = {"brightness", "contrast", "saturation", "hue"};

/* transform, seed, epoch, sample (row or place), view from 1, width, height -> draw */
static int view_draw(lua_State *L) {
  rl_transform t = check_transform(L, 1);
  rl_ok(L, rl_transform_check(&t));
  int width = (int)luaL_checkinteger(L, 6), height = (int)luaL_checkinteger(L, 7);
  luaL_argcheck(L, width >= 1 && height >= 1, 6, "a picture has at least one pixel");
  rl_drawn d = rl_transform_draw(&t, (uint64_t)luaL_checkinteger(L, 2), (uint32_t)luaL_checkinteger(L, 3),
                                 (uint32_t)luaL_checkinteger(L, 4) - 1, (int)luaL_checkinteger(L, 5) - 1,
                                 width, height);
  lua_createtable(L, 0, 16);
  lua_pushinteger(L, d.x + 1), lua_setfield(L, -2, "x");
  lua_pushinteger(L, d.y + 1), lua_setfield(L, -2, "y");
  lua_pushinteger(L, d.width), lua_setfield(L, -2, "width");
  lua_pushinteger(L, d.height), lua_setfield(L, -2, "height");
  lua_pushboolean(L, d.flip), lua_setfield(L, -2, "flip");
  lua_pushnumber(L, d.angle), lua_setfield(L, -2, "angle");
  lua_pushboolean(L, d.grayscale), lua_setfield(L, -2, "grayscale");
  lua_pushnumber(L, d.sigma), lua_setfield(L, -2, "sigma");
  lua_pushinteger(L, d.kernel), lua_setfield(L, -2, "kernel");
  lua_pushboolean(L, d.solarize), lua_setfield(L, -2, "solarize");
  lua_pushnumber(L, d.threshold), lua_setfield(L, -2, "threshold");
  lua_createtable(L, RL_JITTERS, 0); /* empty: no jitter */
  for (int i = 0; i < RL_JITTERS && d.jitter; i++)
    lua_pushstring(L, jitters[d.order[i]]), lua_rawseti(L, -2, i + 1);
  lua_setfield(L, -2, "order");
  for (int i = 0; i < RL_JITTERS; i++) lua_pushnumber(L, d.factor[i]), lua_setfield(L, -2, jitters[i]);
  return 1;
}

static rl_drawn check_drawn(lua_State *L, int i) {
  rl_drawn d = {.x = (int)field(L, i, "x") - 1,
                .y = (int)field(L, i, "y") - 1,
                .width = (int)field(L, i, "width"),
                .height = (int)field(L, i, "height"),
                .flip = field(L, i, "flip") != 0,
                .angle = field(L, i, "angle"),
                .grayscale = field(L, i, "grayscale") != 0,
                .sigma = field(L, i, "sigma"),
                .kernel = (int)field(L, i, "kernel"),
                .solarize = field(L, i, "solarize") != 0,
                .threshold = field(L, i, "threshold")};
  for (int k = 0; k < RL_JITTERS; k++) d.factor[k] = field(L, i, jitters[k]);
  lua_getfield(L, i, "order");
  int n = (int)luaL_len(L, -1);
  d.jitter = n > 0;
  for (int k = 0; k < RL_JITTERS && d.jitter; k++) {
    lua_geti(L, -1, k + 1);
    d.order[k] = luaL_checkoption(L, -1, NULL, jitters);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return d;
}

/* image u8 C x H x W, draw, height, width, channels -> f32 channels x height x width, 0 to 1 */
static int view_apply(lua_State *L) {
  static const double zero[3] = {0, 0, 0}, one[3] = {1, 1, 1};
  rl_tensor *x = rl_check_tensor(L, 1), *t = NULL;
  if (x->dtype != RL_U8 || x->shape.rank != 3 || (x->shape.size[0] != 1 && x->shape.size[0] != 3))
    return luaL_error(L, "views: the image is %s %s; it must be u8 1xHxW or 3xHxW", rl_dtype_name(x->dtype),
                      rl_shape_text(&x->shape));
  int64_t c = x->shape.size[0], h = x->shape.size[1], w = x->shape.size[2];
  rl_drawn d = check_drawn(L, 2);
  lua_Integer height = luaL_checkinteger(L, 3), width = luaL_checkinteger(L, 4),
              out = luaL_checkinteger(L, 5);
  if (d.x < 0 || d.y < 0 || d.width < 1 || d.height < 1 || d.x + d.width > w || d.y + d.height > h ||
      h > 8192 || w > 8192)
    return luaL_error(L, "views: the crop does not lie within the image of %dx%d", (int)h, (int)w);
  luaL_argcheck(L, height >= 1 && height <= 8192 && width >= 1 && width <= 8192, 3, "a side is 1 to 8192");
  luaL_argcheck(L, out == 1 || out == 3, 5, "channels are 1 or 3");
  rl_image m = {(int)w, (int)h, (int)c, lua_newuserdatauv(L, (size_t)(c * h * w), 0)};
  for (int64_t k = 0; k < c; k++)
    for (int64_t i = 0; i < h * w; i++)
      m.pixels[i * c + k] =
          *((const uint8_t *)rl_data(x) + k * x->stride[0] + i / w * x->stride[1] + i % w * x->stride[2]);
  rl_shape shape = rl_shape_make(4, (int64_t[]){1, out, height, width});
  rl_ok(L, rl_push_new(L, RL_F32, &shape, RL_NHWC, &t));
  rl_ok(L, rl_drawn_apply(&d, &m, (int)width, (int)height, (int)out, zero, one, rl_data(t)));
  return 1;
}

void rl_open_views(lua_State *L) {
  static const luaL_Reg functions[] = {{"view_draw", view_draw}, {"view_apply", view_apply}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
