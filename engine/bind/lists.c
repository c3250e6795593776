/* Lists of tensors from Lua: gram, list_dot, list_norm, combine, adam_step, sgd_step. */
#include "bind/check.h"
#include "ops/fused/lists.h"

#include <math.h>
#include <string.h>

#define KEPT 16 /* the stack place where take_lists keeps its array alive, above all arguments */

/* K lists of n tensors at stack place i, as one array list by list; Lua owns the memory. */
static rl_tensor **take_lists(lua_State *L, int i, int *K, int *n, const char *op) {
  luaL_argcheck(L, lua_istable(L, i), i, "a list of lists of tensors is needed");
  *K = (int)luaL_len(L, i);
  *n = 0;
  if (*K == 0) luaL_error(L, "%s: there are no lists", op);
  rl_tensor **all = NULL;
  for (int k = 0; k < *K; k++) {
    int m = 0;
    lua_geti(L, i, k + 1);
    rl_tensor **one = rl_check_list(L, -1, &m, op);
    if (k == 0) {
      *n = m;
      all = lua_newuserdatauv(L, (size_t)(*K * m + 1) * sizeof *all, 0);
      lua_replace(L, KEPT);
    }
    if (m != *n) luaL_error(L, "%s: list 1 has %d tensors, list %d has %d", op, *n, k + 1, m);
    memcpy(all + k * m, one, (size_t)m * sizeof *all);
    lua_pop(L, 2);
  }
  return all;
}

static int
gram(lua_State *L) { /* rl.gram(grads) -> { { K*K numbers }, ... }: <grads[a][i], grads[b][i]> per tensor i */
  int K, n;
  lua_settop(L, KEPT);
  rl_tensor **g = take_lists(L, 1, &K, &n, "gram");
  double *out = lua_newuserdatauv(L, (size_t)(n * K * K + 1) * sizeof *out, 0);
  rl_ok(L, rl_lists_gram(K, n, g, out));
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_createtable(L, K * K, 0);
    for (int j = 0; j < K * K; j++) {
      lua_pushnumber(L, out[i * K * K + j]);
      lua_rawseti(L, -2, j + 1);
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static double total(lua_State *L, rl_tensor **both, int K, int n) { /* the sum over tensors of entry (1, K) */
  double *out = lua_newuserdatauv(L, (size_t)(n * K * K + 1) * sizeof *out, 0), sum = 0;
  rl_ok(L, rl_lists_gram(K, n, both, out));
  for (int i = 0; i < n; i++) sum += out[i * K * K + K - 1];
  return sum;
}

static int list_dot(lua_State *L) { /* rl.list_dot(a, b) -> the inner product over all tensors, in f64 */
  int n, m;
  rl_tensor **a = rl_check_list(L, 1, &n, "list_dot"), **b = rl_check_list(L, 2, &m, "list_dot");
  if (n != m) return luaL_error(L, "list_dot: one list has %d tensors, the other %d", n, m);
  rl_tensor **both = lua_newuserdatauv(L, (size_t)(2 * n + 1) * sizeof *both, 0);
  memcpy(both, a, (size_t)n * sizeof *both);
  memcpy(both + n, b, (size_t)n * sizeof *both);
  lua_pushnumber(L, total(L, both, 2, n));
  return 1;
}

static int list_norm(lua_State *L) { /* rl.list_norm(a) -> the 2-norm over all tensors, in f64 */
  int n;
  double norm;
  rl_tensor **a = rl_check_list(L, 1, &n, "list_norm");
  rl_ok(L, rl_lists_norm(n, a, &norm));
  lua_pushnumber(L, norm);
  return 1;
}

static double weight(lua_State *L, int table, int k) {
  lua_rawgeti(L, table, k + 1);
  if (lua_type(L, -1) != LUA_TNUMBER)
    luaL_error(L, "combine: weight %d is %s, not a number", k + 1, luaL_typename(L, -1));
  double v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static int combine(lua_State *L) { /* rl.combine(grads, w) -> list; w[k], or w[i][k] per tensor */
  int K, n;
  lua_settop(L, KEPT);
  rl_tensor **g = take_lists(L, 1, &K, &n, "combine");
  luaL_checktype(L, 2, LUA_TTABLE);
  bool per_tensor = lua_rawgeti(L, 2, 1) == LUA_TTABLE;
  lua_pop(L, 1);
  int rows = per_tensor ? n : 1;
  double *w = lua_newuserdatauv(L, (size_t)(rows * K + 1) * sizeof *w, 0);
  for (int i = 0; i < rows; i++) {
    if (per_tensor && lua_rawgeti(L, 2, i + 1) != LUA_TTABLE)
      luaL_error(L, "combine: there are no weights for tensor %d", i + 1);
    for (int k = 0; k < K; k++) w[i * K + k] = weight(L, per_tensor ? lua_gettop(L) : 2, k);
    if (per_tensor) lua_pop(L, 1);
  }
  rl_tensor **out = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *out, 0);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) rl_push_tensor(L), lua_rawseti(L, -2, i + 1);
  rl_ok(L, rl_lists_combine(K, n, g, w, per_tensor, out));
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    rl_own(lua_touserdata(L, -1), out[i]);
    lua_pop(L, 1);
  }
  rl_pressure(L);
  return 1;
}

static double option(lua_State *L, int table, const char *name, double preset) {
  lua_getfield(L, table, name);
  double v = lua_isnil(L, -1)       ? preset
             : lua_isboolean(L, -1) ? lua_toboolean(L, -1)
                                    : luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return v;
}

/* ---- optimisers */

#define FEW 64

/* The lists at stack places 1 to K as one array, list by list; in `few` if they fit, else in a userdata on top. */
static rl_tensor **take_alike(lua_State *L, int K, int *n, rl_tensor **few, const char *op) {
  static const char *const names[] = {"parameters", "gradients", "states", "states"};
  for (int k = 0; k < K; k++) luaL_argcheck(L, lua_istable(L, k + 1), k + 1, "a list of tensors is needed");
  *n = (int)luaL_len(L, 1);
  rl_tensor **all = K * *n <= FEW ? few : lua_newuserdatauv(L, (size_t)(K * *n) * sizeof *all, 0);
  for (int k = 0; k < K; k++) {
    int m = (int)luaL_len(L, k + 1);
    if (m != *n) luaL_error(L, "%s: %d parameters, but %d %s", op, *n, m, names[k]);
    for (int i = 0; i < m; i++) {
      lua_rawgeti(L, k + 1, i + 1);
      rl_handle *h = rl_test_handle(L, -1);
      if (h == NULL || h->t == NULL)
        luaL_error(L, "%s: item %d of the %s is %s, not a tensor", op, i + 1, names[k],
                   h == NULL ? luaL_typename(L, -1) : "released");
      all[k * m + i] = h->t;
      lua_pop(L, 1);
    }
  }
  return all;
}

static int give_norm(lua_State *L, const double *norm) {
  if (norm == NULL) return 0;
  lua_pushnumber(L, *norm);
  return 1;
}

/* rl.adam_step(params, grads, exp_avg, exp_avg_sq, { lr, beta1, beta2, eps, weight_decay, step, decoupled, scale, clip }):
** gradients are taken times scale; with clip: -> their norm before; they are shortened to clip, and if the norm is not
** finite nothing moves. */
static int adam_step(lua_State *L) {
  int n;
  double norm, *asked = NULL;
  rl_tensor *few[FEW];
  luaL_checktype(L, 5, LUA_TTABLE);
  double lr = option(L, 5, "lr", 1e-3), step = option(L, 5, "step", 1), clip = option(L, 5, "clip", -1),
         decay = option(L, 5, "weight_decay", 0);
  bool decoupled = option(L, 5, "decoupled", 0) != 0;
  rl_adam_numbers o = {.beta1 = option(L, 5, "beta1", 0.9),
                       .beta2 = option(L, 5, "beta2", 0.999),
                       .eps = option(L, 5, "eps", 1e-8),
                       .scale = option(L, 5, "scale", 1)};
  o.rate = lr / (1 - pow(o.beta1, step));
  o.root = 1 / sqrt(1 - pow(o.beta2, step));
  o.decay = decoupled ? 0 : decay;
  o.shrink = decoupled ? 1 - lr * decay : 1;
  if (clip >= 0) asked = &norm;
  rl_tensor **t = take_alike(L, 4, &n, few, "adam_step");
  rl_ok(L, rl_lists_adam(n, t, t + n, t + 2 * n, t + 3 * n, o, clip, asked));
  return give_norm(L, asked);
}

/* rl.sgd_step(params, grads, buffers | nil, { lr, momentum, dampening, nesterov, weight_decay, first, scale, clip }) */
static int sgd_step(lua_State *L) {
  int n;
  double norm, *asked = NULL;
  rl_tensor *few[FEW];
  luaL_checktype(L, 4, LUA_TTABLE);
  bool first = option(L, 4, "first", 0) != 0, buffers = !lua_isnil(L, 3);
  double momentum = option(L, 4, "momentum", 0), clip = option(L, 4, "clip", -1);
  rl_sgd_numbers o = {.lr = option(L, 4, "lr", 1e-3),
                      .momentum = first ? 0 : momentum,
                      .decay = option(L, 4, "weight_decay", 0),
                      .keep = first ? 1 : 1 - option(L, 4, "dampening", 0),
                      .nesterov = option(L, 4, "nesterov", 0) != 0,
                      .scale = option(L, 4, "scale", 1)};
  if (first && o.nesterov) o.nesterov = false, o.lr *= 1 + momentum; /* d + mu d at the first step */
  if (clip >= 0) asked = &norm;
  rl_tensor **t = take_alike(L, buffers ? 3 : 2, &n, few, "sgd_step");
  rl_ok(L, rl_lists_sgd(n, t, t + n, buffers ? t + 2 * n : NULL, o, clip, asked));
  return give_norm(L, asked);
}

/* rl.lars_step(params, grads, buffers, { lr, momentum, weight_decay, eta, scale, clip }) -> norm of the gradients */
static int lars_step(lua_State *L) {
  int n;
  double norm;
  rl_tensor *few[FEW];
  luaL_checktype(L, 4, LUA_TTABLE);
  rl_sgd_numbers o = {.lr = option(L, 4, "lr", 1e-3),
                      .momentum = option(L, 4, "momentum", 0.9),
                      .decay = option(L, 4, "weight_decay", 0),
                      .keep = 1,
                      .scale = option(L, 4, "scale", 1)};
  double eta = option(L, 4, "eta", 1e-3), clip = option(L, 4, "clip", INFINITY);
  rl_tensor **t = take_alike(L, 3, &n, few, "lars_step");
  rl_ok(L, rl_lists_lars(n, t, t + n, t + 2 * n, o, eta, clip, &norm));
  lua_pushnumber(L, norm);
  return 1;
}

void rl_open_lists(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"gram", gram},           {"list_dot", list_dot}, {"list_norm", list_norm}, {"combine", combine},
      {"adam_step", adam_step}, {"sgd_step", sgd_step}, {"lars_step", lars_step}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
