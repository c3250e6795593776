/* What gates need of a walk back without one gradient per loss and parameter: grads_gram, reaches. A parameter's
** inner products are taken as soon as its gradients are complete, and what is not needed is let go at once. */
#include "autograd/backward.h"
#include "bind/check.h"
#include "ops/fused/lists.h"

#include <string.h>

#define MOST 64 /* losses of one walk */

typedef struct products {
  rl_walk walk;
  double *gram; /* nx * K * K */
  bool keep;    /* gradients of parameters that several losses reach */
  double few[MOST * MOST];
} products;

/* A loss that reaches the parameter with nothing but zeros counts as one that does not. */
static rl_status take(void *ctx, int j) {
  products *p = ctx;
  int K = p->walk.nloss, nx = p->walk.nx, m = 0, at[MOST], alive = 0;
  rl_tensor *some[MOST];
  double *own = p->gram + (size_t)j * (size_t)(K * K);
  for (int k = 0; k < K; k++)
    if (p->walk.out[k * nx + j] != NULL) some[m] = p->walk.out[k * nx + j], at[m++] = k;
  if (m > 0) RL_TRY(rl_lists_gram(m, 1, some, p->few));
  for (int a = 0; a < m; a++) {
    alive += p->few[a * m + a] > 0;
    for (int b = 0; b < m; b++) own[at[a] * K + at[b]] = p->few[a * m + b];
  }
  for (int a = 0; a < m; a++)
    if (!(p->few[a * m + a] > 0) || (alive > 1 && !p->keep)) rl_tensor_drop(&p->walk.out[at[a] * nx + j]);
  return RL_OK;
}

/* { { tensor | false, ... } per loss }; the owners were made before the walk. */
static void fill(lua_State *L, const products *p, int at) {
  for (int k = 0; k < p->walk.nloss; k++) {
    lua_rawgeti(L, at, k + 1);
    for (int j = 0; j < p->walk.nx; j++) {
      rl_tensor *t = p->walk.out[k * p->walk.nx + j];
      if (t == NULL) {
        lua_pushboolean(L, false);
        lua_rawseti(L, -2, j + 1);
        continue;
      }
      lua_rawgeti(L, -1, j + 1);
      rl_own(lua_touserdata(L, -1), t);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
}

static void push_gram(lua_State *L, const double *gram, int n, int numbers) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_createtable(L, numbers, 0);
    for (int j = 0; j < numbers; j++) {
      lua_pushnumber(L, gram[i * numbers + j]);
      lua_rawseti(L, -2, j + 1);
    }
    lua_rawseti(L, -2, i + 1);
  }
}

static bool asks(lua_State *L, int i, const char *name) {
  if (lua_isnoneornil(L, i)) return false;
  lua_getfield(L, i, name);
  bool yes = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

/* rl.grads_gram({ l1, l2 }, params, { retain =, keep = }) -> gram as rl.gram gives it, grads[k][i] | false.
** grads has what one loss alone reaches; with keep, also what several reach. */
static int grads_gram(lua_State *L) {
  lua_settop(L, 3);
  products *p = lua_newuserdatauv(L, sizeof *p, 0);
  memset(p, 0, sizeof *p);
  p->keep = asks(L, 3, "keep");
  p->walk = (rl_walk){.retain = asks(L, 3, "retain"), .complete = take, .ctx = p, .keeps = p->keep};
  p->walk.loss = rl_check_list(L, 1, &p->walk.nloss, "grads_gram");
  p->walk.x = rl_check_list(L, 2, &p->walk.nx, "grads_gram");
  int K = p->walk.nloss, n = p->walk.nx;
  for (int j = 0; j < n; j++)
    if (p->walk.x[j]->node != NULL)
      return luaL_error(L, "grads_gram: tensor %d was made by an op; only parameters are taken", j + 1);
  size_t bytes = (size_t)(n * K * K + 1) * sizeof *p->gram;
  p->gram = memset(lua_newuserdatauv(L, bytes, 0), 0, bytes);
  rl_before_walk(L);
  p->walk.out = lua_newuserdatauv(L, (size_t)(n * K + 1) * sizeof *p->walk.out, 0);
  lua_createtable(L, K, 0);
  int at = lua_gettop(L);
  for (int k = 0; k < K; k++) {
    lua_createtable(L, n, 0);
    for (int j = 0; j < n; j++) rl_push_tensor(L), lua_rawseti(L, -2, j + 1);
    lua_rawseti(L, at, k + 1);
  }
  rl_ok(L, rl_walk_run(&p->walk));
  fill(L, p, at);
  push_gram(L, p->gram, n, K * K);
  lua_insert(L, at);
  rl_pressure(L);
  return 2;
}

static int reaches(lua_State *L) { /* rl.reaches(y, params) -> { boolean, ... }: does y depend on them */
  int n;
  rl_tensor *y = rl_check_tensor(L, 1), **x = rl_check_list(L, 2, &n, "reaches");
  bool *reached = lua_newuserdatauv(L, (size_t)n + 1, 0);
  rl_ok(L, rl_walk_reach(y, n, x, reached));
  lua_createtable(L, n, 0);
  for (int j = 0; j < n; j++) {
    lua_pushboolean(L, reached[j]);
    lua_rawseti(L, -2, j + 1);
  }
  return 1;
}

void rl_open_products(lua_State *L) {
  static const luaL_Reg functions[] = {{"grads_gram", grads_gram}, {"reaches", reaches}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
