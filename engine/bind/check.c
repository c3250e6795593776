/* Between Lua's stack and the engine. */
#include "bind/check.h"
#include "base/mem.h"
#include "autograd/node.h"

#include <stdlib.h>
#include <string.h>

static const char mark; /* its address is in every handle of this binding, and the metatable's key */

rl_handle *rl_test_handle(lua_State *L, int i) {
  rl_handle *h = lua_touserdata(L, i);
  return h != NULL && lua_rawlen(L, i) == sizeof *h && h->mark == &mark ? h : NULL;
}

rl_tensor *rl_test_tensor(lua_State *L, int i) {
  rl_handle *h = rl_test_handle(L, i);
  return h == NULL ? NULL : h->t;
}

rl_tensor *rl_check_tensor(lua_State *L, int i) {
  rl_handle *h = rl_test_handle(L, i);
  if (h == NULL) luaL_typeerror(L, i, "tensor");
  if (h->t == NULL) luaL_argerror(L, i, "this tensor was released; make a new one");
  return h->t;
}

rl_handle *rl_push_tensor(lua_State *L) {
  rl_handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (rl_handle){.mark = &mark};
  lua_rawgetp(L, LUA_REGISTRYINDEX, &mark);
  lua_setmetatable(L, -2);
  return h;
}

void rl_new_meta(lua_State *L) {
  luaL_newmetatable(L, RL_TENSOR_META);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &mark);
}

void rl_own(rl_handle *h, rl_tensor *t) {
  h->t = t;
  rl_storage_handle(t->storage, 1);
}

void rl_raise(lua_State *L) {
  luaL_error(L, "%s", rl_error_text());
  abort(); /* not reached: luaL_error jumps */
}

void rl_ok(lua_State *L, rl_status s) {
  if (s == RL_OK) return;
  if (s == RL_ECALLBACK) { /* the host's own error waits in the registry */
    lua_getfield(L, LUA_REGISTRYINDEX, "rille.error");
    lua_error(L);
  }
  rl_raise(L);
}

void rl_pressure(lua_State *L) {
  static size_t loose_after, graph_after; /* survivors of the last full collection */
  size_t loose = rl_loose_bytes(), graph = rl_graph_bytes();
  size_t room = graph / 4 > ((size_t)64 << 20) ? graph / 4 : (size_t)64 << 20;
  if (loose < loose_after) loose_after = loose;
  if (graph < graph_after) graph_after = graph;
  if (loose <= loose_after + room && graph <= 2 * graph_after + ((size_t)256 << 20)) return;
  lua_gc(L, LUA_GCCOLLECT);
  loose_after = rl_loose_bytes();
  graph_after = rl_graph_bytes();
}

void rl_before_walk(lua_State *L) {
  static size_t survivors; /* of the last collection here: handles that a script does hold */
  size_t both = rl_both_bytes();
  if (both < survivors) survivors = both;
  if (both <= survivors + ((size_t)32 << 20)) return;
  lua_gc(L, LUA_GCCOLLECT);
  survivors = rl_both_bytes();
}

int64_t rl_check_position(lua_State *L, int i, int64_t limit, const char *what) {
  int isnum = 0;
  lua_Integer v = lua_tointegerx(L, i, &isnum);
  if (!isnum) luaL_error(L, "%s: a position is an integer, not %s", what, luaL_tolstring(L, i, NULL));
  if (v == 0) luaL_error(L, "%s: 0 is not a position; positions start at 1", what);
  int64_t p = v > 0 ? v - 1 : v + limit;
  if (p < 0 || p >= limit)
    luaL_error(L, "%s: %I is outside 1 to %I (or -1 to -%I from the end)", what, v, (lua_Integer)limit,
               (lua_Integer)limit);
  return p;
}

rl_shape rl_check_shape(lua_State *L, int i, const char *op) {
  rl_shape s = {0};
  bool table = lua_istable(L, i);
  lua_Integer n = table ? luaL_len(L, i) : lua_gettop(L) - i + 1;
  if (n > RL_MAXRANK) luaL_error(L, "%s: %I dims; at most %d", op, n, RL_MAXRANK);
  for (int d = 0; d < n; d++) {
    int isnum = 0;
    if (table)
      lua_geti(L, i, d + 1);
    else
      lua_pushvalue(L, i + d);
    s.size[s.rank++] = lua_tointegerx(L, -1, &isnum);
    if (!isnum) luaL_error(L, "%s: size %d is not an integer", op, d + 1);
    lua_pop(L, 1);
  }
  return s;
}

rl_dtype rl_check_dtype(lua_State *L, int i, const char *op) {
  const char *name = lua_type(L, i) == LUA_TSTRING ? lua_tostring(L, i) : "";
  int d = rl_dtype_find(name);
  if (d < 0)
    luaL_error(L, "%s: dtype is one of \"f32\", \"f64\", \"i64\", \"i32\", \"u8\", \"bool\", not %s", op,
               luaL_tolstring(L, i, NULL));
  return (rl_dtype)d;
}

rl_tensor **rl_check_list(lua_State *L, int i, int *n, const char *op) {
  i = lua_absindex(L, i);
  luaL_argcheck(L, lua_istable(L, i), i, "a list of tensors is needed");
  *n = (int)luaL_len(L, i);
  rl_tensor **list = lua_newuserdatauv(L, (size_t)(*n + 1) * sizeof *list, 0);
  for (int j = 0; j < *n; j++) {
    lua_geti(L, i, j + 1);
    list[j] = rl_test_tensor(L, -1);
    if (list[j] == NULL)
      luaL_error(L, "%s: item %d of the list is %s, not a tensor", op, j + 1, luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  return list;
}

bool rl_is_options(lua_State *L, int i) {
  if (!lua_istable(L, i)) return false;
  lua_pushnil(L);
  bool empty = true;
  i = i < 0 ? lua_absindex(L, i) - 1 : i;
  while (lua_next(L, i)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      lua_pop(L, 1);
      return true;
    }
    empty = false;
  }
  return empty;
}

static int distance(const char *a, const char *b) { /* edits between two short words */
  size_t n = strlen(a), m = strlen(b);
  int row[64];
  if (n > 60 || m > 60) return 99;
  for (size_t j = 0; j <= m; j++) row[j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      int keep = diagonal + (a[i - 1] != b[j - 1]), best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
      diagonal = row[j];
      row[j] = keep < best ? keep : best;
    }
  }
  return row[m];
}

const char *rl_nearest(const char *word, const char *const *words, int n) {
  const char *best = NULL;
  int least = (int)strlen(word) / 2 + 2;
  for (int i = 0; i < n; i++) {
    int d = distance(word, words[i]);
    if (d < least) least = d, best = words[i];
  }
  return best;
}
