/* io.h: what the bindings of files and data share. */
#ifndef RL_BIND_IO_H
#define RL_BIND_IO_H

#include "bind/check.h"

int rl_push_failure(lua_State *L, rl_status s); /* nil, message, code; returns 3 */

/* Pushes a fresh tensor; collects and tries once more when memory is short. On failure an empty handle is
** pushed. */
rl_status rl_push_new(lua_State *L, rl_dtype dtype, const rl_shape *shape, rl_layout layout, rl_tensor **t);

/* What they add to the table on top of the stack. */
void rl_open_io(lua_State *L);
void rl_open_json(lua_State *L); /* into rl.io */
void rl_open_data(lua_State *L);

#endif
