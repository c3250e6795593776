/* rille.core: what `require "rille"` builds on. Opens the parts and the process's own settings. */
#include "bind/check.h"
#include "bind/io.h"
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/peaks.h"
#include "kernels/winograd.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>

static int threads(lua_State *L) { /* rl.threads([n]): sets and returns; 0: as many as the machine grants */
  if (!lua_isnoneornil(L, 1)) rl_ok(L, rl_threads_set((int)luaL_checkinteger(L, 1)));
  lua_pushinteger(L, rl_threads_get());
  return 1;
}

static int manual_seed(lua_State *L) {
  rl_manual_seed((uint64_t)luaL_checkinteger(L, 1));
  return 0;
}

static int random_state(lua_State *L) { /* rl.random_state([{ seed, step }]) -> { seed, step } */
  rl_stream *s = rl_stream_default();
  if (lua_istable(L, 1)) {
    lua_geti(L, 1, 1), lua_geti(L, 1, 2);
    s->seed = (uint64_t)luaL_checkinteger(L, -2);
    s->step = (uint64_t)luaL_checkinteger(L, -1);
  }
  lua_createtable(L, 2, 0);
  lua_pushinteger(L, (lua_Integer)s->seed), lua_rawseti(L, -2, 1);
  lua_pushinteger(L, (lua_Integer)s->step), lua_rawseti(L, -2, 2);
  return 1;
}

static int random_stream(lua_State *L) { /* rl.random_stream(n): who draws from now on; returns who drew */
  rl_stream *s = rl_stream_default();
  lua_pushinteger(L, s->stream);
  if (!lua_isnoneornil(L, 1)) s->stream = (uint32_t)luaL_checkinteger(L, 1);
  return 1;
}

static int
memory(lua_State *L) { /* rl.memory() -> { live, peak, cached, ... }, bytes; page_faults: a count */
  rl_memstat m = rl_mem_stat();
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, (lua_Integer)m.live_bytes), lua_setfield(L, -2, "live");
  lua_pushinteger(L, (lua_Integer)m.peak_bytes), lua_setfield(L, -2, "peak");
  lua_pushinteger(L, (lua_Integer)m.cached_bytes), lua_setfield(L, -2, "cached");
  lua_pushinteger(L, (lua_Integer)m.limit_bytes), lua_setfield(L, -2, "limit");
  lua_pushinteger(L, (lua_Integer)rl_loose_bytes()), lua_setfield(L, -2, "loose");
  lua_pushinteger(L, (lua_Integer)rl_graph_bytes()), lua_setfield(L, -2, "graph");
  lua_pushinteger(L, (lua_Integer)u.ru_maxrss * 1024), lua_setfield(L, -2, "rss_peak");
  lua_pushinteger(L, u.ru_minflt), lua_setfield(L, -2, "page_faults");
  return 1;
}

static int memory_limit(lua_State *L) { /* rl.memory_limit(bytes): 0 restores the default */
  rl_mem_limit((size_t)luaL_checkinteger(L, 1));
  return 0;
}

static int reset_peak(lua_State *L) {
  (void)L;
  rl_mem_reset_peak();
  return 0;
}

static int isa(lua_State *L) {
  lua_pushstring(L, rl_isa_name());
  return 1;
}

static int isa_use(lua_State *L) { /* rl.isa_use("scalar" | "avx2" | "avx512"): whether this machine has it */
  lua_pushboolean(L, rl_kernels_use(luaL_checkstring(L, 1)));
  return 1;
}

static int peaks(
    lua_State *L) { /* rl.peaks() -> { fma, l2_read, l2_copy, l3_..., dram_... }, operations/s and bytes/s */
  static const char *const names[] = {"l2", "l3", "dram"};
  rl_peaks p;
  rl_ok(L, rl_peaks_measure(&p));
  lua_createtable(L, 0, 1 + 2 * RL_PEAK_LEVELS);
  lua_pushnumber(L, p.fma), lua_setfield(L, -2, "fma");
  for (int i = 0; i < RL_PEAK_LEVELS; i++) {
    lua_pushfstring(L, "%s_read", names[i]), lua_pushnumber(L, p.read[i]), lua_rawset(L, -3);
    lua_pushfstring(L, "%s_copy", names[i]), lua_pushnumber(L, p.copy[i]), lua_rawset(L, -3);
  }
  return 1;
}

static int bare_handle(lua_State *L) { /* rl.bare_handle(): what any call with a new tensor costs at least */
  rl_push_tensor(L);
  return 1;
}

/* rl.winograd([on]): whether 3x3 convolutions may go by Winograd; sets and returns */
static int winograd(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) rl_winograd_allow(lua_toboolean(L, 1));
  lua_pushboolean(L, rl_winograd_allowed());
  return 1;
}

static int clock_s(lua_State *L) { /* seconds on a clock that never goes back */
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
  return 1;
}

RL_API int luaopen_rille_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"threads", threads},
                                       {"manual_seed", manual_seed},
                                       {"random_state", random_state},
                                       {"random_stream", random_stream},
                                       {"memory", memory},
                                       {"memory_limit", memory_limit},
                                       {"reset_peak", reset_peak},
                                       {"isa", isa},
                                       {"isa_use", isa_use},
                                       {"winograd", winograd},
                                       {"clock", clock_s},
                                       {"peaks", peaks},
                                       {"bare_handle", bare_handle},
                                       {NULL, NULL}};
  luaL_checkversion(L);
  luaL_newlib(L, functions);
  rl_open_tensor(L);
  rl_open_ops(L);
  rl_open_graph(L);
  rl_open_lists(L);
  rl_open_products(L);
  rl_open_io(L);
  rl_open_data(L);
  rl_open_system(L);
  return 1;
}
