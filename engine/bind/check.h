/* check.h: between Lua's stack and the engine. Positions step from 1 to 0 here, and nowhere else in the
** binding. Order in every binding: check arguments (may raise, owns nothing), push an empty owner, call the
** engine, raise or return. */
#ifndef RL_BIND_CHECK_H
#define RL_BIND_CHECK_H

#include <lauxlib.h>
#include <lua.h>

#include "ops/op.h"

#define RL_TENSOR_META "rille.Tensor"

/* The userdata: exactly one count. `mark` tells it from other libraries' userdata of its size, so that a check
** needs no look at a metatable. */
typedef struct rl_handle {
  const void *mark;
  rl_tensor *t;
} rl_handle;

rl_handle *rl_test_handle(lua_State *L, int i);  /* NULL if it is none; also a released one */
rl_tensor *rl_check_tensor(lua_State *L, int i); /* raises "x is not a tensor", or that it was released */
rl_tensor *rl_test_tensor(lua_State *L, int i);  /* NULL if it is none */
rl_handle *rl_push_tensor(lua_State *L);         /* an empty owner, with its metatable */
void rl_new_meta(lua_State *L);                  /* makes that metatable; once */
void rl_own(rl_handle *h, rl_tensor *t);         /* fills it: takes over the count */

_Noreturn void rl_raise(lua_State *L); /* the engine's last text, with the caller's line */
void rl_ok(lua_State *L, rl_status s); /* raises unless RL_OK; runs a pending host error again */
void rl_pressure(lua_State *L);        /* collects when loose bytes have grown too much */
void rl_before_walk(lua_State *L); /* lets go of handles that would keep much of what the walk back frees */

/* A position typed by the user: 1..limit or -1..-limit; returned from 0. Raises with `what`. */
int64_t rl_check_position(lua_State *L, int i, int64_t limit, const char *what);
/* A table of sizes, or sizes as arguments from i on. */
rl_shape rl_check_shape(lua_State *L, int i, const char *op);
rl_dtype rl_check_dtype(lua_State *L, int i, const char *op);
/* The list at i as tensors; a userdata array that Lua frees is left on the stack. */
rl_tensor **rl_check_list(lua_State *L, int i, int *n, const char *op);
bool rl_is_options(lua_State *L, int i); /* a table with a string key, or empty */
/* The nearest of the words, for "did you mean"; NULL if none is near. */
const char *rl_nearest(const char *word, const char *const *words, int n);

/* What the parts of the binding add to the module's table (top of the stack). */
void rl_open_tensor(lua_State *L);
void rl_open_ops(lua_State *L);
void rl_open_graph(lua_State *L);
void rl_open_lists(lua_State *L);
void rl_open_products(lua_State *L);
void rl_open_system(lua_State *L);   /* signals, terminal, safe files, lock */
void rl_open_readline(lua_State *L); /* line editing; called by rl_open_system */

int rl_tensor_index(lua_State *L); /* x[...], in index.c; upvalue 1: methods */
int rl_tensor_newindex(lua_State *L);
int luaopen_rille_core(lua_State *L);

#endif
