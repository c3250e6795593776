/* Every op as a Lua function, from its row: rl.NAME(tensors..., parameters..., { option = value }). */
#include "bind/check.h"

#include <stdlib.h>
#include <string.h>

#define FEW 16

static void unknown_option(lua_State *L, const rl_op *op, const char *key) {
  const char *names[RL_MAXARG];
  int n = rl_op_params(op);
  for (int p = 0; p < n; p++) names[p] = op->params[p].name;
  const char *near = rl_nearest(key, names, n);
  if (near != NULL) luaL_error(L, "%s: unknown option \"%s\"; did you mean \"%s\"?", op->name, key, near);
  luaL_error(L, "%s: unknown option \"%s\"; see help(rl.%s)", op->name, key, op->name);
}

static int64_t to_place(lua_State *L, const rl_op *op, const rl_param *p, lua_Integer v) {
  if (p->kind != RL_DIM && p->kind != RL_DIMS && p->kind != RL_POSITION) return v;
  if (v == 0)
    luaL_error(L, "%s: %s = 0; %s start at 1", op->name, p->name,
               p->kind == RL_POSITION ? "positions" : "dims");
  return v > 0 ? v - 1 : v;
}

static lua_Integer need_integer(lua_State *L, const rl_op *op, const rl_param *p, int i) {
  int isnum = 0;
  lua_Integer v = lua_tointegerx(L, i, &isnum);
  if (!isnum || lua_type(L, i) != LUA_TNUMBER)
    luaL_error(L, "%s: %s is an integer, not %s", op->name, p->name, luaL_tolstring(L, i, NULL));
  return v;
}

static void take_list(lua_State *L, const rl_op *op, const rl_param *p, rl_arg *a, int i) {
  if (!lua_istable(L, i)) {
    a->i = to_place(L, op, p, need_integer(L, op, p, i));
    a->n = p->len > 0 ? p->len : 1;
    for (int j = 0; j < a->n; j++) a->list[j] = a->i;
    return;
  }
  lua_Integer n = luaL_len(L, i);
  if (n > RL_MAXRANK) luaL_error(L, "%s: %s has %I numbers; at most %d", op->name, p->name, n, RL_MAXRANK);
  a->n = (int)n;
  for (int j = 0; j < a->n; j++) {
    lua_geti(L, i, j + 1);
    a->list[j] = to_place(L, op, p, need_integer(L, op, p, -1));
    lua_pop(L, 1);
  }
}

static void take_arg(lua_State *L, const rl_op *op, const rl_param *p, rl_arg *a, int i) {
  if (a->given) luaL_error(L, "%s: %s is given twice", op->name, p->name);
  i = lua_absindex(L, i);
  a->given = true;
  switch (p->kind) {
  case RL_NUMBER:
    if (lua_type(L, i) != LUA_TNUMBER)
      luaL_error(L, "%s: %s is a number, not %s", op->name, p->name, luaL_tolstring(L, i, NULL));
    a->num = lua_tonumber(L, i);
    break;
  case RL_INTEGER:
  case RL_DIM:
  case RL_POSITION:
    a->i = to_place(L, op, p, need_integer(L, op, p, i));
    a->num = (double)a->i;
    break;
  case RL_INTEGERS:
  case RL_DIMS: take_list(L, op, p, a, i); break;
  case RL_ENUM:
    a->i = lua_type(L, i) == LUA_TSTRING ? rl_word_find(p->words, lua_tostring(L, i)) : -1;
    if (a->i < 0)
      luaL_error(L, "%s: %s = %s; it is one of: %s", op->name, p->name, luaL_tolstring(L, i, NULL), p->words);
    break;
  case RL_BOOLEAN:
    if (!lua_isboolean(L, i)) luaL_error(L, "%s: %s is true or false", op->name, p->name);
    a->i = lua_toboolean(L, i);
    a->num = (double)a->i;
    break;
  }
}

static void take_options(lua_State *L, const rl_op *op, rl_arg *arg, int i) {
  int n = rl_op_params(op);
  lua_pushnil(L);
  while (lua_next(L, i)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
    int p = 0;
    if (key == NULL) luaL_error(L, "%s: the last table mixes options and places", op->name);
    while (p < n && strcmp(op->params[p].name, key) != 0) p++;
    if (p == n) unknown_option(L, op, key);
    take_arg(L, op, &op->params[p], &arg[p], -1);
    lua_pop(L, 1);
  }
}

/* A tensor, or a number where the row allows one: `spare` keeps the number's tensor. */
static rl_tensor *take_input(lua_State *L, const rl_input *row, int i, rl_tensor *spare) {
  if (rl_test_handle(L, i) != NULL) return rl_check_tensor(L, i);
  if (row->scalar && lua_type(L, i) == LUA_TNUMBER) {
    *spare = rl_tensor_number(lua_tonumber(L, i), RL_F64);
    return spare;
  }
  return NULL;
}

static int take_variadic(lua_State *L, const rl_op *op, rl_call *c, int fixed, int i, int top) {
  bool table = i <= top && lua_istable(L, i) && !rl_is_options(L, i);
  int n = table ? (int)luaL_len(L, i) : 0;
  while (!table && i + n <= top && rl_test_tensor(L, i + n) != NULL) n++;
  rl_tensor **all = lua_newuserdatauv(L, (size_t)(fixed + n + 1) * sizeof *all, 0); /* kept on the stack */
  for (int j = 0; j < fixed; j++) all[j] = c->in[j];
  for (int j = 0; j < n; j++) {
    if (table)
      lua_geti(L, i, j + 1);
    else
      lua_pushvalue(L, i + j);
    all[fixed + j] = rl_test_tensor(L, -1);
    if (all[fixed + j] == NULL)
      luaL_error(L, "%s: %s %d is %s, not a tensor", op->name, op->in[fixed].name, j + 1,
                 luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  c->in = all;
  c->nin = fixed + n;
  return i + (table ? 1 : n);
}

static void number_takes_dtype(rl_call *c) { /* numbers join the tensors' dtype; alone they are f32 */
  rl_dtype d = RL_F32;
  for (int j = 0; j < c->nin; j++)
    if (c->in[j] != NULL && !c->in[j]->is_scalar && (j >= FEW || c->op->in[j].dtypes == 0))
      d = c->in[j]->dtype;
  for (int j = 0; j < c->nin; j++) {
    if (c->in[j] == NULL || !c->in[j]->is_scalar) continue;
    double v = c->in[j]->scalar;
    bool whole = v == (double)(int64_t)v;
    *c->in[j] = rl_tensor_number(v, c->op->ints_in_f64 && !rl_is_float(d) ? RL_F64
                                    : rl_is_float(d) || whole             ? d
                                                                          : RL_F32);
  }
}

/* `{}` is a list of no numbers where one must come (a rank-0 shape), else no options. */
static bool wants_empty_list(lua_State *L, const rl_op *op, int p, int i) {
  if (p >= rl_op_params(op) || op->params[p].kind != RL_INTEGERS || !op->params[p].required) return false;
  lua_pushnil(L);
  if (!lua_next(L, i)) return true;
  lua_pop(L, 2);
  return false;
}

static void check_inputs(lua_State *L, rl_call *c, rl_tensor **few, rl_tensor *spare, rl_arg *arg) {
  const rl_op *op = c->op;
  int top = lua_gettop(L), i = 1, rows = rl_op_inputs(op), n = rl_op_params(op), p = 0;
  c->in = few;
  c->nin = rows;
  for (int j = 0; j < rows; j++) {
    if (op->in[j].variadic) {
      i = take_variadic(L, op, c, j, i, top);
      break;
    }
    few[j] = i <= top ? take_input(L, &op->in[j], i, &spare[j]) : NULL;
    if (few[j] != NULL || (i <= top && lua_isnil(L, i)))
      i++;
    else if (!op->in[j].optional)
      luaL_error(L, "%s: %s is %s, not a tensor", op->name, op->in[j].name,
                 i <= top ? luaL_typename(L, i) : "missing");
  }
  number_takes_dtype(c);
  for (; i <= top; i++) {
    if (i == top && rl_is_options(L, i) && !wants_empty_list(L, op, p, i)) {
      take_options(L, op, arg, i);
      break;
    }
    if (lua_isnil(L, i)) {
      p++;
      continue;
    }
    if (p >= n) luaL_error(L, "%s: too many arguments; see help(rl.%s)", op->name, op->name);
    take_arg(L, op, &op->params[p], &arg[p], i);
    p++;
  }
}

static int op_apply(lua_State *L) {
  rl_arg arg[RL_MAXARG];
  rl_tensor *few[FEW], spare[FEW]; /* as many as the row has inputs are filled */
  rl_handle *h[RL_MAXOUT];
  rl_call c = {.op = lua_touserdata(L, lua_upvalueindex(1)), .arg = arg};
  int narg = rl_op_params(c.op);
  if (narg > 0) memset(arg, 0, (size_t)narg * sizeof *arg);
  check_inputs(L, &c, few, spare, arg); /* 1. arguments: may raise, owns nothing */
  int base = lua_gettop(L), most = c.op->several ? RL_MAXOUT : 1;
  for (int o = 0; o < most; o++) h[o] = rl_push_tensor(L); /* 2. empty owners */
  rl_status s = rl_call_run(&c);                           /* 3. the engine: a status, never a jump */
  if (s == RL_ENOMEM) {
    lua_gc(L, LUA_GCCOLLECT);
    s = rl_call_run(&c);
  }
  rl_ok(L, s);
  for (int o = 0; o < c.nout; o++) rl_own(h[o], c.out[o]);
  if (c.nout < most) lua_settop(L, base + c.nout);
  rl_pressure(L); /* 4. tell the collector */
  return c.nout;
}

/* ---- what help, completion and the generic tests read */

static void push_params(lua_State *L, const rl_op *op) {
  static const char *const kinds[] = {"number", "integer",  "integers", "dim",
                                      "dims",   "position", "enum",     "boolean"};
  int n = rl_op_params(op);
  lua_createtable(L, n, 0);
  for (int p = 0; p < n; p++) {
    const rl_param *q = &op->params[p];
    lua_createtable(L, 0, 8);
    lua_pushstring(L, q->name), lua_setfield(L, -2, "name");
    lua_pushstring(L, kinds[q->kind]), lua_setfield(L, -2, "kind");
    lua_pushnumber(L, q->preset), lua_setfield(L, -2, "preset");
    lua_pushboolean(L, q->required), lua_setfield(L, -2, "required");
    lua_pushboolean(L, q->optional), lua_setfield(L, -2, "optional");
    if (q->lo != 0 || q->hi != 0)
      lua_pushnumber(L, q->lo), lua_setfield(L, -2, "lo"), lua_pushnumber(L, q->hi),
          lua_setfield(L, -2, "hi");
    if (q->words != NULL) lua_pushstring(L, q->words), lua_setfield(L, -2, "words");
    if (q->doc != NULL) lua_pushstring(L, q->doc), lua_setfield(L, -2, "doc");
    lua_rawseti(L, -2, p + 1);
  }
}

static void push_inputs(lua_State *L, const rl_input *in, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    const rl_input *q = &in[i];
    lua_createtable(L, 0, 7);
    lua_pushstring(L, q->name), lua_setfield(L, -2, "name");
    lua_pushboolean(L, q->optional), lua_setfield(L, -2, "optional");
    lua_pushboolean(L, q->variadic), lua_setfield(L, -2, "variadic");
    lua_pushboolean(L, q->scalar), lua_setfield(L, -2, "scalar");
    lua_pushboolean(L, q->fixed), lua_setfield(L, -2, "fixed");
    lua_pushboolean(L, q->in_place), lua_setfield(L, -2, "in_place");
    if (q->cycle != NULL) push_inputs(L, q->cycle, q->round), lua_setfield(L, -2, "cycle");
    lua_rawseti(L, -2, i + 1);
  }
}

static void push_row(lua_State *L, const rl_op *op) {
  static const char *const classes[] = {"compute", "view", "inplace"};
  lua_createtable(L, 0, 12);
  lua_pushstring(L, op->name), lua_setfield(L, -2, "name");
  lua_pushstring(L, op->doc), lua_setfield(L, -2, "doc");
  lua_pushstring(L, classes[op->class]), lua_setfield(L, -2, "class");
  lua_pushstring(L, op->samples), lua_setfield(L, -2, "samples");
  lua_pushstring(L, op->no_gradient), lua_setfield(L, -2, "no_gradient");
  lua_pushstring(L, op->plain), lua_setfield(L, -2, "plain");
  lua_pushboolean(L, op->stochastic), lua_setfield(L, -2, "stochastic");
  lua_pushboolean(L, op->is_method), lua_setfield(L, -2, "is_method");
  lua_pushboolean(L, op->backward != NULL || op->view_back != NULL), lua_setfield(L, -2, "differentiable");
  lua_pushinteger(L, op->dtypes), lua_setfield(L, -2, "dtypes");
  push_inputs(L, op->in, rl_op_inputs(op)), lua_setfield(L, -2, "inputs");
  push_params(L, op), lua_setfield(L, -2, "params");
}

void rl_open_ops(lua_State *L) {
  int n;
  const rl_op *const *ops = rl_ops(&n);
  luaL_getmetatable(L, RL_TENSOR_META);
  lua_getfield(L, -1, "methods");
  lua_createtable(L, n, 0); /* core.ops: the rows */
  for (int i = 0; i < n; i++) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)ops[i]);
    lua_pushcclosure(L, op_apply, 1);
    if (ops[i]->is_method) lua_pushvalue(L, -1), lua_setfield(L, -4, ops[i]->name);
    push_row(L, ops[i]);
    lua_pushvalue(L, -2), lua_setfield(L, -2, "call");
    lua_rawseti(L, -3, i + 1);
    lua_setfield(L, -5, ops[i]->name);
  }
  lua_setfield(L, -4, "ops");
  lua_pop(L, 2);
}
