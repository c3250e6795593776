/* rl.io.json_decode and json_encode. Integers stay integers, null is rl.io.null, keys are written sorted,
** so the same value gives the same text. */
#include "bind/check.h"
#include "bind/io.h"
#include "io/json.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY_META "rille.io.Array"
#define BUF_META   "rille.io.JsonText"

typedef struct decoder { /* a userdata: gives its memory back when Lua jumps */
  rl_json json;
} decoder;

static int decoder_gc(lua_State *L) {
  rl_json_close(&((decoder *)lua_touserdata(L, 1))->json);
  return 0;
}

static int text_gc(lua_State *L) {
  rl_bytes_drop(lua_touserdata(L, 1));
  return 0;
}

static void *push_owner(lua_State *L, size_t bytes, const char *meta, lua_CFunction gc) {
  void *p = lua_newuserdatauv(L, bytes, 0);
  memset(p, 0, bytes);
  if (luaL_newmetatable(L, meta)) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return p;
}

static void push_null(lua_State *L) { lua_pushlightuserdata(L, NULL); }

static void push_scalar(lua_State *L, const rl_json *j, rl_json_kind k) {
  if (k == RL_JSON_NULL)
    push_null(L);
  else if (k == RL_JSON_BOOL)
    lua_pushboolean(L, j->boolean);
  else if (k == RL_JSON_INT)
    lua_pushinteger(L, j->integer);
  else if (k == RL_JSON_NUMBER)
    lua_pushnumber(L, j->number);
  else
    lua_pushlstring(L, j->string, j->string_len);
}

/* Stores the value on top in the container below: under the key between them, or at an array's end. */
static void store(lua_State *L, const rl_json *j, lua_Integer *filled) {
  if (j->depth == 0) return;
  if (j->open[j->depth - 1] == '[')
    lua_rawseti(L, -2, ++filled[j->depth - 1]);
  else
    lua_rawset(L, -3);
}

static rl_status decode(lua_State *L, rl_json *j) { /* leaves the value on top */
  lua_Integer filled[RL_JSON_DEPTH] = {0};
  for (;;) {
    rl_json_kind k;
    RL_TRY(rl_json_next(j, &k));
    if (k == RL_JSON_END) return RL_OK;
    if (k == RL_JSON_ARRAY || k == RL_JSON_OBJECT) {
      filled[j->depth - 1] = 0;
      lua_newtable(L);
      if (k == RL_JSON_ARRAY) luaL_setmetatable(L, ARRAY_META);
    } else if (k == RL_JSON_KEY) {
      lua_pushlstring(L, j->string, j->string_len);
      lua_pushvalue(L, -1);
      if (lua_rawget(L, -3) != LUA_TNIL)
        return rl_fail(RL_EFORMAT, "json: byte %zu: a key stands twice in an object", j->at);
      lua_pop(L, 1);
    } else {
      if (k != RL_JSON_ARRAY_END && k != RL_JSON_OBJECT_END) push_scalar(L, j, k);
      store(L, j, filled);
    }
  }
}

static int json_decode(lua_State *L) { /* text -> value, or nil, message, code */
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  luaL_checkstack(L, 3 * RL_JSON_DEPTH + 10, "json");
  decoder *d = push_owner(L, sizeof *d, "rille.io.JsonDecoder", decoder_gc);
  rl_json_open(&d->json, text, n, RL_JSON_DEPTH);
  rl_status s = decode(L, &d->json);
  rl_json_close(&d->json);
  return s == RL_OK ? 1 : rl_push_failure(L, s);
}

/* ---- encoding */

static void encode(lua_State *L, rl_bytes *b, int depth);

static lua_Integer array_length(lua_State *L) { /* of the table on top: n if its keys are 1..n, else -1 */
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1), seen = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > n)
      return lua_pop(L, 2), -1;
    seen++;
  }
  if (seen != n) return -1;
  if (n > 0) return n;
  if (!lua_getmetatable(L, -1)) return -1;
  luaL_getmetatable(L, ARRAY_META);
  bool marked = lua_rawequal(L, -1, -2);
  return marked ? 0 : -1;
}

static void encode_array(lua_State *L, rl_bytes *b, int table, lua_Integer n, int depth) {
  rl_ok(L, rl_bytes_puts(b, "["));
  for (lua_Integer i = 1; i <= n; i++) {
    if (i > 1) rl_ok(L, rl_bytes_puts(b, ","));
    lua_rawgeti(L, table, i);
    encode(L, b, depth);
    lua_pop(L, 1);
  }
  rl_ok(L, rl_bytes_puts(b, "]"));
}

typedef struct key {
  const char *text;
  size_t len;
} key;

static int by_bytes(const void *a, const void *b) {
  const key *x = a, *y = b;
  int c = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
  return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

static void encode_object(lua_State *L, rl_bytes *b, int table, int depth) {
  size_t n = 0, i = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), n++)
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "json: a table has the key %s; keys are texts, or 1 to n for an array",
                 luaL_tolstring(L, -2, NULL));
  key *keys = lua_newuserdatauv(L, (n + 1) * sizeof *keys, 0);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), i++)
    keys[i].text = lua_tolstring(L, -2, &keys[i].len);
  qsort(keys, n, sizeof *keys, by_bytes);
  rl_ok(L, rl_bytes_puts(b, "{"));
  for (i = 0; i < n; i++) {
    if (i > 0) rl_ok(L, rl_bytes_puts(b, ","));
    rl_ok(L, rl_json_put_string(b, keys[i].text, keys[i].len));
    rl_ok(L, rl_bytes_puts(b, ":"));
    lua_pushlstring(L, keys[i].text, keys[i].len);
    lua_rawget(L, table);
    encode(L, b, depth);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  rl_ok(L, rl_bytes_puts(b, "}"));
}

static void encode_table(lua_State *L, rl_bytes *b, int depth) {
  int top = lua_gettop(L);
  if (depth >= RL_JSON_DEPTH)
    luaL_error(L, "json: nested deeper than %d levels; does a table hold itself?", RL_JSON_DEPTH);
  luaL_checkstack(L, 12, "json");
  lua_Integer n = array_length(L);
  lua_settop(L, top);
  if (n >= 0)
    encode_array(L, b, top, n, depth + 1);
  else
    encode_object(L, b, top, depth + 1);
}

static void encode(lua_State *L, rl_bytes *b, int depth) { /* the value on top */
  size_t n;
  const char *text;
  switch (lua_type(L, -1)) {
  case LUA_TTABLE: encode_table(L, b, depth); return;
  case LUA_TBOOLEAN: rl_ok(L, rl_bytes_puts(b, lua_toboolean(L, -1) ? "true" : "false")); return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, -1))
      rl_ok(L, rl_json_put_int(b, lua_tointeger(L, -1)));
    else
      rl_ok(L, rl_json_put_number(b, lua_tonumber(L, -1)));
    return;
  case LUA_TSTRING:
    text = lua_tolstring(L, -1, &n);
    rl_ok(L, rl_json_put_string(b, text, n));
    return;
  default:
    if (lua_islightuserdata(L, -1) && lua_touserdata(L, -1) == NULL)
      rl_ok(L, rl_bytes_puts(b, "null"));
    else
      luaL_error(L, "json: a %s has no JSON form; use rl.io.null for nothing", luaL_typename(L, -1));
  }
}

static int json_encode(lua_State *L) { /* value -> text; raises what has no JSON form */
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  rl_bytes *b = push_owner(L, sizeof *b, BUF_META, text_gc);
  lua_pushvalue(L, 1);
  encode(L, b, 0);
  lua_pushlstring(L, (const char *)b->data, b->len);
  rl_bytes_drop(b);
  return 1;
}

static int json_array(lua_State *L) { /* table -> the same, an array even when it is empty */
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, ARRAY_META);
  return 1;
}

void rl_open_json(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"json_decode", json_decode}, {"json_encode", json_encode}, {"json_array", json_array}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  push_null(L);
  lua_setfield(L, -2, "null");
  luaL_newmetatable(L, ARRAY_META);
  lua_pop(L, 1);
}
