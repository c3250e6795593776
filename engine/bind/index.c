/* x[i], x[{ i, { a, b }, {}, picks }] and assignment through them. From 1, both ends included. */
#include "bind/check.h"

#include <string.h>

/* Calls op `name` on the tensor at the top of the stack and leaves the result there instead. */
static void through(lua_State *L, const char *name, int nargs) {
  int top = lua_gettop(L);
  luaL_getmetatable(L, RL_TENSOR_META);
  lua_getfield(L, -1, "methods");
  lua_getfield(L, -1, name);
  lua_insert(L, top - nargs);
  lua_settop(L, top + 1);
  lua_call(L, nargs + 1, 1);
}

/* One entry of the index applied to dim `dim` (from 1) of the tensor on top; returns the next dim. */
static int one_entry(lua_State *L, int entry, int dim) {
  const rl_tensor *x = rl_check_tensor(L, -1);
  entry = lua_absindex(L, entry);
  if (dim > x->shape.rank)
    luaL_error(L, "index: too many places for a tensor of %s", rl_shape_text(&x->shape));
  int64_t limit = x->shape.size[dim - 1];
  if (lua_isinteger(L, entry)) {
    lua_pushinteger(L, dim);
    lua_pushinteger(L, rl_check_position(L, entry, limit, "index") + 1);
    through(L, "select", 2);
    return dim;
  }
  if (rl_test_tensor(L, entry) != NULL) {
    lua_pushinteger(L, dim);
    lua_pushvalue(L, entry);
    lua_insert(L, -2); /* x, picks, dim */
    through(L, "index_select", 2);
    return dim + 1;
  }
  if (!lua_istable(L, entry))
    luaL_error(L, "index: %s is no place; use a number, { from, to }, {} or an i64 tensor",
               luaL_tolstring(L, entry, NULL));
  lua_Integer n = luaL_len(L, entry);
  if (n == 0) return dim + 1;
  if (n != 2) luaL_error(L, "index: a range has two ends, { from, to }, not %I; picks take an i64 tensor", n);
  lua_geti(L, entry, 1), lua_geti(L, entry, 2);
  int64_t from = rl_check_position(L, -2, limit, "index"), to = rl_check_position(L, -1, limit, "index");
  lua_pop(L, 2);
  if (to < from)
    luaL_error(L, "index: the range { %I, %I } runs backwards", (lua_Integer)from + 1, (lua_Integer)to + 1);
  lua_pushinteger(L, dim), lua_pushinteger(L, from + 1), lua_pushinteger(L, to - from + 1);
  through(L, "narrow", 3);
  return dim + 1;
}

/* Leaves x[key] on the stack; key: an integer, a tensor or a table of entries. */
static void apply_index(lua_State *L, int x, int key) {
  x = lua_absindex(L, x), key = lua_absindex(L, key);
  lua_pushvalue(L, x);
  if (!lua_istable(L, key)) {
    one_entry(L, key, 1);
    return;
  }
  lua_Integer n = luaL_len(L, key);
  int dim = 1;
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, key, i);
    lua_insert(L, -2);
    dim = one_entry(L, -2, dim);
    lua_remove(L, -2);
  }
}

int rl_tensor_index(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    if (!lua_isnil(L, -1)) return 1;
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
  }
  rl_check_tensor(L, 1);
  apply_index(L, 1, 2);
  return 1;
}

int rl_tensor_newindex(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 3, 0);
    return 0;
  }
  rl_check_tensor(L, 1);
  if (rl_test_tensor(L, 2) != NULL)
    return luaL_error(L, "index: assignment through picks is not there; use ranges");
  apply_index(L, 1, 2);
  lua_pushvalue(L, 3);
  through(L, "copy_", 1);
  return 0;
}
