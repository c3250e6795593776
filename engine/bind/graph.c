/* Gradients from Lua: backward, grad, grads, no_grad, hooks, functions written in Lua, and the layer path. */
#include "autograd/backward.h"
#include "base/mem.h"
#include "bind/check.h"
#include "ops/finite.h"
#include "ops/profile.h"

#include <string.h>

static lua_State *main_state;   /* callbacks run on the state that opened the module */
#define FEW        64           /* results for which nothing is allocated */
#define HOST_TABLE "rille.host" /* registry: id -> hook list, or { fn =, ... } of a Lua function's call */

static bool wants_retain(lua_State *L, int i) {
  if (lua_isnoneornil(L, i)) return false;
  luaL_checktype(L, i, LUA_TTABLE);
  lua_getfield(L, i, "retain");
  bool yes = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

static int backward(lua_State *L) { /* loss:backward({ retain = false }) */
  rl_tensor *loss = rl_check_tensor(L, 1);
  rl_before_walk(L);
  rl_ok(L, rl_backward(loss, wants_retain(L, 2)));
  rl_pressure(L);
  return 0;
}

/* Runs a walk whose results become tables of tensors: owners first, then the walk, then they are filled. */
static void walk_into_tables(lua_State *L, rl_walk *w, bool nested) {
  int n = w->nloss * w->nx;
  rl_before_walk(L);
  rl_tensor *few[FEW], **out = n <= FEW ? few : lua_newuserdatauv(L, (size_t)n * sizeof *out, 0);
  w->out = out;
  lua_createtable(L, w->nloss, 0);
  int at = lua_gettop(L);
  for (int k = 0; k < w->nloss; k++) {
    lua_createtable(L, w->nx, 0);
    for (int j = 0; j < w->nx; j++) {
      rl_push_tensor(L);
      lua_rawseti(L, -2, j + 1);
    }
    lua_rawseti(L, at, k + 1);
  }
  rl_ok(L, rl_walk_run(w));
  for (int k = 0; k < w->nloss; k++) {
    lua_rawgeti(L, at, k + 1);
    for (int j = 0; j < w->nx; j++) {
      lua_rawgeti(L, -1, j + 1);
      rl_own(lua_touserdata(L, -1), out[k * w->nx + j]);
      lua_pop(L, 1);
    }
    if (nested) lua_pop(L, 1);
  }
  rl_pressure(L);
}

static int grads(lua_State *L) { /* rl.grads({ l1, l2 }, params, { retain = false }) -> { {..}, {..} } */
  rl_walk w = {.retain = wants_retain(L, 3)};
  w.loss = rl_check_list(L, 1, &w.nloss, "grads");
  w.x = rl_check_list(L, 2, &w.nx, "grads");
  walk_into_tables(L, &w, true);
  return 1;
}

static int grad(lua_State *L) { /* rl.grad(y, xs | x, { retain =, seed = }) -> list | tensor */
  rl_tensor *y = rl_check_tensor(L, 1), *one = rl_test_tensor(L, 2), *seed = NULL;
  rl_walk w = {.nloss = 1, .loss = &y, .retain = wants_retain(L, 3), .nx = 1, .x = &one};
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "seed");
    if (!lua_isnil(L, -1)) seed = rl_check_tensor(L, -1), w.seed = &seed;
  }
  if (one == NULL) w.x = rl_check_list(L, 2, &w.nx, "grad");
  walk_into_tables(L, &w, false);
  if (one != NULL) lua_rawgeti(L, -1, 1);
  return 1;
}

static int grad_enable(lua_State *L) {
  lua_pushboolean(L, rl_grad_enable(lua_toboolean(L, 1)));
  return 1;
}

static int finish_no_grad(lua_State *L, int status, lua_KContext was) {
  rl_grad_enable(was != 0);
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  return lua_gettop(L);
}

static int no_grad(lua_State *L) { /* rl.no_grad(f, ...): f's results, with nothing recorded */
  luaL_checktype(L, 1, LUA_TFUNCTION);
  bool was = rl_grad_enable(false);
  int status = lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, was, finish_no_grad);
  return finish_no_grad(L, status, was);
}

/* ---- what the engine calls back */

static void keep_error(lua_State *L) { lua_setfield(L, LUA_REGISTRYINDEX, "rille.error"); }

static void forget(int id) { /* a nil in a table: allocates nothing */
  lua_State *L = main_state;
  if (!lua_checkstack(L, 2)) return;
  lua_getfield(L, LUA_REGISTRYINDEX, HOST_TABLE);
  if (lua_istable(L, -1)) {
    lua_pushnil(L);
    lua_rawseti(L, -2, id);
  }
  lua_pop(L, 1);
}

static int new_id(lua_State *L) { /* the value on top is filed under a fresh id */
  static int last;
  lua_getfield(L, LUA_REGISTRYINDEX, HOST_TABLE);
  lua_insert(L, -2);
  lua_rawseti(L, -2, ++last);
  lua_pop(L, 1);
  return last;
}

static int run_hooks(lua_State *L) { /* hooks, gradient -> gradient */
  lua_Integer n = luaL_len(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    lua_pushvalue(L, 2);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      continue;
    }
    rl_tensor *was = rl_check_tensor(L, 2), *now = rl_test_tensor(L, -1);
    if (now == NULL || !rl_shape_equal(&was->shape, &now->shape) || was->dtype != now->dtype)
      luaL_error(L, "hook: must return nil or a gradient of %s %s", rl_shape_text(&was->shape),
                 rl_dtype_name(was->dtype));
    lua_replace(L, 2);
  }
  lua_settop(L, 2);
  return 1;
}

static rl_status hook(int id, rl_tensor **gradient) {
  lua_State *L = main_state;
  lua_pushcfunction(L, run_hooks);
  lua_getfield(L, LUA_REGISTRYINDEX, HOST_TABLE);
  lua_rawgeti(L, -1, id);
  lua_remove(L, -2);
  rl_own(rl_push_tensor(L), rl_tensor_retain(*gradient));
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    keep_error(L);
    return RL_ECALLBACK;
  }
  rl_tensor *now = rl_tensor_retain(rl_test_tensor(L, -1));
  rl_tensor_drop(gradient);
  *gradient = now;
  lua_pop(L, 1);
  return RL_OK;
}

static int register_hook(lua_State *L) { /* x:register_hook(function(grad) ... end) */
  rl_tensor *t = rl_check_tensor(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (t->node == NULL || t->slot != 0)
    return luaL_error(L,
                      "register_hook: only the first output of an op can carry a hook; leaves have x.grad");
  lua_getfield(L, LUA_REGISTRYINDEX, HOST_TABLE);
  if (t->node->hooks == 0) {
    lua_createtable(L, 1, 0);
    t->node->hooks = new_id(L);
  }
  lua_rawgeti(L, -1, t->node->hooks);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, luaL_len(L, -2) + 1);
  return 0;
}

/* ---- functions written in Lua: core.custom(fn, ctx values, inputs, outputs, saved) records a node */

static rl_status never(rl_call *c) { return rl_fail(RL_EBUG, "%s: cannot be called by itself", c->op->name); }
static const rl_op lua_function = {.name = "function",
                                   .doc = "a function written in Lua",
                                   .in = {{"inputs", .variadic = true}},
                                   .layout = RL_ANY,
                                   .shape = never,
                                   .forward = never,
                                   .backward = never};

static int record_custom(
    lua_State *L) { /* { fn =, ... }, inputs, output, saved: the output is a fresh leaf of Lua's own */
  luaL_checktype(L, 1, LUA_TTABLE);
  rl_call c = {.op = &lua_function, .nout = 1, .k = rl_kernels_best()};
  c.in = rl_check_list(L, 2, &c.nin, "function");
  rl_tensor *out = rl_check_tensor(L, 3);
  int nsaved = 0;
  rl_tensor **saved = rl_check_list(L, 4, &nsaved, "function");
  if (nsaved > RL_MAXKEEP) return luaL_error(L, "function: ctx:save takes at most %d tensors", RL_MAXKEEP);
  if (out->node != NULL || out->requires_grad)
    return luaL_error(L, "function: forward must return a new tensor");
  c.need = lua_newuserdatauv(L, (size_t)c.nin + 1, 0);
  bool any = false;
  for (int i = 0; i < c.nin; i++) any = (c.need[i] = rl_needs_grad(c.in[i])) || any;
  if (!any || !rl_grad_enabled()) return 0;
  lua_pushvalue(L, 1);
  int id = new_id(L);
  rl_node *n = NULL;
  rl_ok(L, rl_node_reserve(&n, &c));
  rl_status s = RL_OK;
  for (int j = 0; j < nsaved && s == RL_OK; j++) s = rl_tensor_alias(&c.keep[j], saved[j]);
  c.out[0] = out;
  c.dtype = out->dtype;
  n->custom = id;
  rl_node_record(n, &c, c.in);
  rl_ok(L, s);
  return 0;
}

/* host value, inputs' need, saved, dout -> list of gradients (nil where none) by the function's own backward */
static int call_backward(lua_State *L) {
  lua_getfield(L, 1, "run");
  lua_pushvalue(L, 1), lua_pushvalue(L, 2), lua_pushvalue(L, 3);
  lua_call(L, 3, 1);
  luaL_checktype(L, -1, LUA_TTABLE);
  rl_call *c = lua_touserdata(L, 4);
  for (int i = 0; i < c->nin; i++) {
    if (c->din[i] == NULL) continue;
    lua_rawgeti(L, -1, i + 1);
    rl_tensor *g = rl_test_tensor(L, -1);
    if (g == NULL || !rl_shape_equal(&g->shape, &c->din[i]->shape))
      luaL_error(L, "function: backward must return a gradient of %s for input %d",
                 rl_shape_text(&c->din[i]->shape), i + 1);
    rl_ok(L, rl_copy(c->din[i], g, c->beta[i] != 0));
    lua_pop(L, 1);
  }
  return 0;
}

static rl_status custom_backward(rl_node *n, rl_call *c) {
  lua_State *L = main_state;
  int top = lua_gettop(L);
  lua_pushcfunction(L, call_backward);
  lua_getfield(L, LUA_REGISTRYINDEX, HOST_TABLE);
  lua_rawgeti(L, -1, n->custom);
  lua_remove(L, -2);
  lua_createtable(L, RL_MAXKEEP, 0);
  for (int j = 0; j < RL_MAXKEEP && c->keep[j] != NULL; j++) {
    rl_own(rl_push_tensor(L), rl_tensor_retain(c->keep[j]));
    lua_rawseti(L, -2, j + 1);
  }
  rl_own(rl_push_tensor(L), rl_tensor_retain(c->dout[0]));
  lua_pushlightuserdata(L, c);
  rl_status s = RL_OK;
  if (lua_pcall(L, 4, 0, 0) != LUA_OK) {
    keep_error(L);
    s = RL_ECALLBACK;
  }
  lua_settop(L, top);
  return s;
}

/* ---- the layer path: local guard <close> = core.enter("conv1") */

static int leave(lua_State *L) {
  (void)L;
  rl_path_pop();
  return 0;
}

static int enter(lua_State *L) {
  rl_ok(L, rl_path_push(luaL_checkstring(L, 1)));
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

static int path(lua_State *L) {
  lua_pushstring(L, rl_path_get());
  return 1;
}

/* ---- the profiler: core.profile_start(), core.profile_stop() -> rows { op, path, back, calls, s, bytes, flops } */

static int profile_start(lua_State *L) {
  (void)L;
  rl_profile_start();
  return 0;
}

static int profile_stop(lua_State *L) {
  int n;
  const rl_profile_row *r = rl_profile_stop(&n);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++, r++) {
    lua_createtable(L, 0, 7);
    lua_pushstring(L, r->op), lua_setfield(L, -2, "op");
    lua_pushstring(L, r->path), lua_setfield(L, -2, "path");
    lua_pushboolean(L, r->back), lua_setfield(L, -2, "back");
    lua_pushinteger(L, r->calls), lua_setfield(L, -2, "calls");
    lua_pushnumber(L, r->seconds), lua_setfield(L, -2, "s");
    lua_pushnumber(L, r->bytes), lua_setfield(L, -2, "bytes");
    lua_pushnumber(L, r->flops), lua_setfield(L, -2, "flops");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* ---- the watch: core.finite_start(), core.finite_stop() -> nil, or where the first value that is not finite
** came from { op, path, back, given, which, shape, place, value }, positions from 1 */

static int finite_start(lua_State *L) {
  (void)L;
  rl_finite_start();
  return 0;
}

static int finite_stop(lua_State *L) {
  const rl_finite_find *f = rl_finite_stop();
  if (f == NULL) return 0;
  lua_createtable(L, 0, 8);
  lua_pushstring(L, f->op), lua_setfield(L, -2, "op");
  lua_pushstring(L, f->path), lua_setfield(L, -2, "path");
  lua_pushboolean(L, f->back), lua_setfield(L, -2, "back");
  lua_pushboolean(L, f->given), lua_setfield(L, -2, "given");
  lua_pushinteger(L, f->which + 1), lua_setfield(L, -2, "which");
  lua_pushnumber(L, f->value), lua_setfield(L, -2, "value");
  lua_createtable(L, f->shape.rank, 0);
  lua_createtable(L, f->shape.rank, 0);
  for (int d = 0; d < f->shape.rank; d++) {
    lua_pushinteger(L, f->shape.size[d]), lua_rawseti(L, -3, d + 1);
    lua_pushinteger(L, f->place[d] + 1), lua_rawseti(L, -2, d + 1);
  }
  lua_setfield(L, -3, "place");
  lua_setfield(L, -2, "shape");
  return 1;
}

void rl_open_graph(lua_State *L) {
  static const luaL_Reg functions[] = {{"grads", grads},
                                       {"grad", grad},
                                       {"grad_enable", grad_enable},
                                       {"no_grad", no_grad},
                                       {"record_custom", record_custom},
                                       {"path", path},
                                       {"profile_start", profile_start},
                                       {"profile_stop", profile_stop},
                                       {"finite_start", finite_start},
                                       {"finite_stop", finite_stop},
                                       {NULL, NULL}};
  static const rl_host host = {.custom_backward = custom_backward, .hook = hook, .forget = forget};
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main_state = lua_tothread(L, -1);
  lua_pop(L, 1);
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, HOST_TABLE);
  rl_host_set(&host);
  luaL_setfuncs(L, functions, 0);
  lua_newuserdatauv(L, 0, 0); /* one guard serves all: the path is a stack */
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, leave), lua_setfield(L, -2, "__close");
  lua_setmetatable(L, -2);
  lua_pushcclosure(L, enter, 1), lua_setfield(L, -2, "enter");
  luaL_getmetatable(L, RL_TENSOR_META);
  lua_getfield(L, -1, "methods");
  lua_pushcfunction(L, backward), lua_setfield(L, -2, "backward");
  lua_pushcfunction(L, register_hook), lua_setfield(L, -2, "register_hook");
  lua_pop(L, 2);
}
