/* The tensor's handle in Lua: making, reading, letting go. */
#include "bind/check.h"
#include "autograd/backward.h"
#include "base/mem.h"
#include "tensor/index.h"

#include <string.h>

static int release(lua_State *L) { /* __gc, __close, :release(): idempotent, allocates nothing, cannot fail */
  rl_handle *h = rl_test_handle(L, 1);
  if (h == NULL) return luaL_typeerror(L, 1, "tensor");
  if (h->t != NULL) {
    rl_storage_handle(h->t->storage, -1);
    rl_tensor_drop(&h->t);
  }
  return 0;
}

/* ---- rl.tensor(nested table | number, { dtype, requires_grad }) */

static void measure(lua_State *L, int i, rl_shape *s) {
  luaL_checkstack(L, RL_MAXRANK + 2, NULL);
  int top = lua_gettop(L);
  lua_pushvalue(L, i);
  while (lua_istable(L, -1)) {
    if (s->rank == RL_MAXRANK) luaL_error(L, "tensor: tables are nested more than %d deep", RL_MAXRANK);
    s->size[s->rank] = luaL_len(L, -1);
    if (s->size[s->rank++] == 0) break;
    lua_geti(L, -1, 1);
  }
  lua_settop(L, top);
}

static void put(rl_tensor *t, int64_t at, lua_State *L, int i) {
  double v = lua_isboolean(L, i) ? (double)lua_toboolean(L, i) : lua_tonumber(L, i);
  switch (t->dtype) {
  case RL_F32: ((float *)rl_data(t))[at] = (float)v; break;
  case RL_F64: ((double *)rl_data(t))[at] = v; break;
  case RL_I64: ((int64_t *)rl_data(t))[at] = lua_isinteger(L, i) ? lua_tointeger(L, i) : (int64_t)v; break;
  case RL_I32: ((int32_t *)rl_data(t))[at] = (int32_t)v; break;
  case RL_U8: ((uint8_t *)rl_data(t))[at] = (uint8_t)(int)v; break;
  case RL_BOOL: ((uint8_t *)rl_data(t))[at] = v != 0; break;
  }
}

static void pour(lua_State *L, int i, rl_tensor *t, int dim, int64_t *at) { /* values in row-major order */
  i = lua_absindex(L, i);
  if (dim == t->shape.rank) {
    if (lua_type(L, i) != LUA_TNUMBER && !lua_isboolean(L, i))
      luaL_error(L, "tensor: element %I is %s, not a number", (lua_Integer)(*at + 1), luaL_typename(L, i));
    put(t, (*at)++, L, i);
    return;
  }
  if (!lua_istable(L, i) || (int64_t)luaL_len(L, i) != t->shape.size[dim])
    luaL_error(L, "tensor: the rows differ in length near element %I; the first has %I",
               (lua_Integer)(*at + 1), (lua_Integer)t->shape.size[dim]);
  for (int64_t j = 1; j <= t->shape.size[dim]; j++) {
    lua_geti(L, i, j);
    pour(L, -1, t, dim + 1, at);
    lua_pop(L, 1);
  }
}

static int make(lua_State *L) {
  rl_shape s = {0};
  rl_dtype dtype = RL_F32;
  bool grad = false;
  if (lua_istable(L, 2)) {
    lua_pushnil(L);
    while (lua_next(L, 2)) {
      const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
      if (strcmp(key, "dtype") == 0)
        dtype = rl_check_dtype(L, -1, "tensor");
      else if (strcmp(key, "requires_grad") == 0)
        grad = lua_toboolean(L, -1);
      else
        luaL_error(L, "tensor: unknown option \"%s\"; there are dtype and requires_grad", key);
      lua_pop(L, 1);
    }
  } else if (!lua_isnoneornil(L, 2))
    luaL_error(L, "tensor: the second argument is a table of options");
  if (lua_type(L, 1) != LUA_TTABLE && lua_type(L, 1) != LUA_TNUMBER && !lua_isboolean(L, 1))
    luaL_error(L, "tensor: takes a number or a nested table, not %s", luaL_typename(L, 1));
  measure(L, 1, &s);
  rl_handle *h = rl_push_tensor(L);
  rl_tensor *t = NULL;
  rl_ok(L, rl_tensor_make(&t, dtype, &s, RL_ROWMAJOR));
  rl_own(h, t);
  t->requires_grad = grad && rl_is_float(dtype);
  int64_t at = 0;
  if (rl_count(t) > 0) pour(L, 1, t, 0, &at);
  rl_pressure(L);
  return 1;
}

/* ---- reading */

static void push_element(lua_State *L, const rl_tensor *t, int64_t offset) {
  const void *p = rl_at(t, offset);
  switch (t->dtype) {
  case RL_F32: lua_pushnumber(L, (lua_Number) * (const float *)p); break;
  case RL_F64: lua_pushnumber(L, *(const double *)p); break;
  case RL_I64: lua_pushinteger(L, *(const int64_t *)p); break;
  case RL_I32: lua_pushinteger(L, *(const int32_t *)p); break;
  case RL_U8: lua_pushinteger(L, *(const uint8_t *)p); break;
  case RL_BOOL: lua_pushboolean(L, *(const uint8_t *)p); break;
  }
}

static int item(lua_State *L) {
  rl_tensor *t = rl_check_tensor(L, 1);
  if (rl_count(t) != 1)
    return luaL_error(L, "item: the tensor is %s, not one element; index it first", rl_shape_text(&t->shape));
  push_element(L, t, 0);
  return 1;
}

static int only_element(lua_State *L) { /* core.only_element(v): nil where v is no tensor of one element */
  rl_tensor *t = rl_test_tensor(L, 1);
  if (t == NULL || rl_count(t) != 1) return 0;
  push_element(L, t, 0);
  return 1;
}

static void push_nested(lua_State *L, const rl_tensor *t, int dim, int64_t offset) {
  if (dim == t->shape.rank) {
    push_element(L, t, offset);
    return;
  }
  luaL_checkstack(L, 3, NULL);
  lua_createtable(L, (int)t->shape.size[dim], 0);
  for (int64_t j = 0; j < t->shape.size[dim]; j++) {
    push_nested(L, t, dim + 1, offset + j * t->stride[dim]);
    lua_rawseti(L, -2, j + 1);
  }
}

static int tolist(lua_State *L) {
  push_nested(L, rl_check_tensor(L, 1), 0, 0);
  return 1;
}

static void push_sizes(lua_State *L, const int64_t *v, int n) {
  lua_createtable(L, n, 0);
  for (int d = 0; d < n; d++) {
    lua_pushinteger(L, v[d]);
    lua_rawseti(L, -2, d + 1);
  }
}

static int size(lua_State *L) {
  rl_tensor *t = rl_check_tensor(L, 1);
  if (lua_isnoneornil(L, 2))
    push_sizes(L, t->shape.size, t->shape.rank);
  else
    lua_pushinteger(L, t->shape.size[rl_check_position(L, 2, t->shape.rank, "size: dim")]);
  return 1;
}

static int stride(lua_State *L) {
  rl_tensor *t = rl_check_tensor(L, 1);
  push_sizes(L, t->stride, t->shape.rank);
  return 1;
}

static int numel(lua_State *L) {
  lua_pushinteger(L, rl_count(rl_check_tensor(L, 1)));
  return 1;
}

static int is_contiguous(lua_State *L) { /* row-major; { format = "channels_last" } asks for that */
  rl_tensor *t = rl_check_tensor(L, 1);
  bool last = lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "channels_last") == 0;
  lua_pushboolean(L, last ? rl_is_nhwc(t) : rl_is_rowmajor(t));
  return 1;
}

static int length(lua_State *L) {
  rl_tensor *t = rl_check_tensor(L, 1);
  if (t->shape.rank == 0) return luaL_error(L, "#: a scalar has no length; use x:numel()");
  lua_pushinteger(L, t->shape.size[0]);
  return 1;
}

static int same(lua_State *L) { /* ==: the same tensor, not equal elements (x:eq(y)) */
  rl_tensor *a = rl_test_tensor(L, 1), *b = rl_test_tensor(L, 2);
  lua_pushboolean(L, a != NULL && a == b);
  return 1;
}

static int tostring(lua_State *L) {
  rl_handle *h = luaL_checkudata(L, 1, RL_TENSOR_META);
  if (h->t == NULL)
    lua_pushliteral(L, "tensor (released)");
  else if (rl_count(h->t) == 1) {
    push_element(L, h->t, 0);
    lua_pushfstring(L, "tensor %s %s: %s", rl_shape_text(&h->t->shape), rl_dtype_name(h->t->dtype),
                    luaL_tolstring(L, -1, NULL));
  } else
    lua_pushfstring(L, "tensor %s %s", rl_shape_text(&h->t->shape), rl_dtype_name(h->t->dtype));
  return 1;
}

/* ---- fields: x.shape, x.dtype, x.grad ...; called by index.c for string keys that are no method */

static int fields(lua_State *L) {
  rl_tensor *t = rl_check_tensor(L, 1);
  const char *key = lua_tostring(L, 2);
  if (strcmp(key, "shape") == 0)
    push_sizes(L, t->shape.size, t->shape.rank);
  else if (strcmp(key, "dtype") == 0)
    lua_pushstring(L, rl_dtype_name(t->dtype));
  else if (strcmp(key, "ndim") == 0)
    lua_pushinteger(L, t->shape.rank);
  else if (strcmp(key, "requires_grad") == 0)
    lua_pushboolean(L, rl_needs_grad(t));
  else if (strcmp(key, "is_leaf") == 0)
    lua_pushboolean(L, t->node == NULL);
  else if (strcmp(key, "path") == 0)
    lua_pushstring(L, t->node == NULL ? NULL : t->node->path);
  else if (strcmp(key, "grad_fn") == 0)
    lua_pushstring(L, t->node == NULL ? NULL : t->node->op->name);
  else if (strcmp(key, "version") == 0)
    lua_pushinteger(L, t->storage == NULL ? 0 : t->storage->version);
  else if (strcmp(key, "grad") == 0) {
    if (t->grad == NULL)
      lua_pushnil(L);
    else
      rl_own(rl_push_tensor(L), rl_tensor_retain(t->grad));
  } else
    return luaL_error(L, "tensor: there is no field or method \"%s\"; see help(rl.Tensor)", key);
  return 1;
}

static int set_field(lua_State *L) {
  rl_tensor *t = rl_check_tensor(L, 1);
  const char *key = lua_tostring(L, 2);
  if (strcmp(key, "requires_grad") == 0) {
    if (t->node != NULL) return luaL_error(L, "requires_grad: this tensor was computed; detach it first");
    if (lua_toboolean(L, 3) && !rl_is_float(t->dtype))
      return luaL_error(L, "requires_grad: %s has no gradient", rl_dtype_name(t->dtype));
    t->requires_grad = lua_toboolean(L, 3);
  } else if (strcmp(key, "grad") == 0) {
    rl_tensor *g = lua_isnil(L, 3) ? NULL : rl_check_tensor(L, 3);
    if (g != NULL && !rl_shape_equal(&g->shape, &t->shape))
      return luaL_error(L, "grad: %s does not fit a tensor of %s", rl_shape_text(&g->shape),
                        rl_shape_text(&t->shape));
    rl_tensor_retain(g);
    rl_tensor_drop(&t->grad);
    t->grad = g;
  } else
    return luaL_error(L, "tensor: \"%s\" cannot be set", key);
  return 0;
}

static int requires_grad_(lua_State *L) {
  lua_settop(L, 2);
  bool on = lua_isnil(L, 2) || lua_toboolean(L, 2);
  lua_settop(L, 1);
  lua_pushliteral(L, "requires_grad");
  lua_pushboolean(L, on);
  set_field(L);
  lua_settop(L, 1);
  return 1;
}

static int detach(lua_State *L) {
  rl_tensor *t = rl_check_tensor(L, 1), *alias = NULL;
  rl_handle *h = rl_push_tensor(L);
  rl_ok(L, rl_tensor_alias(&alias, t));
  rl_own(h, alias);
  return 1;
}

static int equal(lua_State *L) { /* x:equal(y): same shape, dtype and bits of every element */
  rl_tensor *a = rl_check_tensor(L, 1), *b = rl_check_tensor(L, 2);
  bool yes = a->dtype == b->dtype && rl_shape_equal(&a->shape, &b->shape);
  if (yes) {
    rl_handle *h = rl_push_tensor(L), *g = rl_push_tensor(L);
    rl_tensor *x = NULL, *y = NULL;
    rl_ok(L, rl_arrange(&x, a, a->dtype, RL_ROWMAJOR));
    rl_own(h, x);
    rl_ok(L, rl_arrange(&y, b, b->dtype, RL_ROWMAJOR));
    rl_own(g, y);
    yes = memcmp(rl_data(x), rl_data(y), (size_t)rl_count(x) * rl_dtype_size(x->dtype)) == 0;
  }
  lua_pushboolean(L, yes);
  return 1;
}

static int is_tensor(lua_State *L) {
  lua_pushboolean(L, rl_test_handle(L, 1) != NULL);
  return 1;
}

void rl_open_tensor(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", release}, {"__close", release},     {"__len", length},
                                  {"__eq", same},    {"__tostring", tostring}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"release", release},
                                     {"item", item},
                                     {"tolist", tolist},
                                     {"size", size},
                                     {"stride", stride},
                                     {"numel", numel},
                                     {"is_contiguous", is_contiguous},
                                     {"requires_grad_", requires_grad_},
                                     {"detach", detach},
                                     {"equal", equal},
                                     {NULL, NULL}};
  rl_new_meta(L);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1), lua_setfield(L, -3, "methods");
  lua_pushcfunction(L, fields);
  lua_pushcclosure(L, rl_tensor_index, 2), lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, set_field);
  lua_pushcclosure(L, rl_tensor_newindex, 1), lua_setfield(L, -2, "__newindex");
  lua_setfield(L, -2, "Tensor"); /* core.Tensor: the metatable, which lua/rille completes */
  lua_pushcfunction(L, make), lua_setfield(L, -2, "tensor");
  lua_pushcfunction(L, is_tensor), lua_setfield(L, -2, "is_tensor");
  lua_pushcfunction(L, only_element), lua_setfield(L, -2, "only_element");
}
