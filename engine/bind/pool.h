/* pool.h: memory for Lua's own small objects in the program: handles and tables come and go with every op. */
#ifndef RL_BIND_POOL_H
#define RL_BIND_POOL_H

#include <lua.h>

lua_State *rl_new_state(void); /* NULL: no memory; one per process */

#endif
