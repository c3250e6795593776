/* rille: a launcher with Lua inside. `rille COMMAND ...` runs lua/rille/cli; `rille FILE.lua ...` runs a
** script. The library is found beside it: ../lua in the source tree, ../share/lua/5.4 where it is installed.
** */
#include "bind/check.h"
#include "bind/pool.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int with_traceback(lua_State *L) {
  if (lua_type(L, 1) != LUA_TSTRING) return 1; /* an exit request or a value of the caller's own */
  if (getenv("RILLE_TRACEBACK") == NULL) return 1;
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

static void find_library(lua_State *L) {
  char dir[4096];
  ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
  if (n <= 0) return;
  dir[n] = '\0';
  char *slash = strrchr(dir, '/');
  if (slash != NULL) *slash = '\0';
  lua_getglobal(L, "package");
  lua_pushfstring(
      L, "%s/../lua/?.lua;%s/../lua/?/init.lua;%s/../share/lua/5.4/?.lua;%s/../share/lua/5.4/?/init.lua;",
      dir, dir, dir, dir);
  lua_getfield(L, -2, "path");
  lua_concat(L, 2);
  lua_setfield(L, -2, "path");
  lua_pop(L, 1);
}

static int run(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_openlibs(L);
  lua_gc(L, LUA_GCGEN, 0,
         0); /* as stock lua5.4 does: many short-lived handles cost a third of the incremental mode */
  luaL_requiref(L, "rille.core", luaopen_rille_core, 0);
  find_library(L);
  size_t len = argc > 1 ? strlen(argv[1]) : 0;
  bool script = len > 4 && strcmp(argv[1] + len - 4, ".lua") == 0;
  lua_createtable(L, argc, 2);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - (script ? 1 : 0));
  }
  lua_setglobal(L, "arg");
  if (script) {
    if (luaL_loadfilex(L, argv[1], "t") != LUA_OK) return lua_error(L);
    for (int i = 2; i < argc; i++) lua_pushstring(L, argv[i]);
    lua_call(L, argc - 2, 0);
    lua_pushinteger(L, 0);
    return 1;
  }
  lua_getglobal(L, "require");
  lua_pushliteral(L, "rille.cli");
  lua_call(L, 1, 1);
  for (int i = 1; i < argc; i++) lua_pushstring(L, argv[i]);
  lua_call(L, argc - 1, 1); /* the exit code */
  return 1;
}

int main(int argc, char **argv) {
  lua_State *L = rl_new_state();
  if (L == NULL) return fputs("rille: no memory\n", stderr), 1;
  lua_pushcfunction(L, with_traceback);
  lua_pushcfunction(L, run);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  int status = lua_pcall(L, 2, 1, 1), code = 1;
  if (status == LUA_OK)
    code = (int)lua_tointeger(L, -1);
  else
    fprintf(stderr, "rille: %s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return code;
}
