/* What a run needs of the system: signals that only set flags, the terminal, files that are safe after a power
** cut, a lock against a second process, and the machine's name. Functions on files return nil, message, code. */
#include "base/threads.h"
#include "bind/io.h"
#include "io/bytes.h"
#include "io/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- signals. The handler counts, raises the engine's flag, and, where that is allowed, lets kernels give up. */

static volatile sig_atomic_t asked, ended;      /* SIGINT; SIGTERM and SIGHUP */
static volatile sig_atomic_t abandon_from;      /* kernels may give up from this many requests on; 0: never */
static volatile sig_atomic_t speaks, in_prompt; /* says a line while a step goes on; stops Lua code too */
static lua_State *stopped_state;
static struct sigaction old_int, old_term, old_hup, old_pipe;
static int installed;

static void stop_lua(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted");
}

static void say(const char *text) {
  ssize_t n = write(STDERR_FILENO, text, strlen(text));
  (void)n; /* a closed terminal is no reason to fail */
}

static void on_signal(int number) {
  int kept = errno;
  if (number == SIGINT)
    asked = asked + 1;
  else
    ended = ended + 1;
  rl_interrupt_set(true);
  if (abandon_from > 0 && asked + ended >= abandon_from) rl_interrupt_allow(true);
  if (in_prompt && stopped_state != NULL)
    lua_sethook(stopped_state, stop_lua, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  if (speaks && number == SIGINT)
    say(asked == 1 ? "\nrille: finishing this step; Ctrl-C again saves and exits\n"
                   : "\nrille: saving and exiting\n");
  errno = kept;
}

static int signals_install(lua_State *L) { /* core.signals_install(): nests; SIGPIPE is ignored meanwhile */
  (void)L;
  if (installed++ > 0) return 0;
  struct sigaction a = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
  sigemptyset(&a.sa_mask);
  sigaction(SIGINT, &a, &old_int);
  sigaction(SIGTERM, &a, &old_term);
  sigaction(SIGHUP, &a, &old_hup);
  sigaction(SIGPIPE, &ignore, &old_pipe);
  return 0;
}

static int signals_restore(lua_State *L) {
  (void)L;
  if (installed == 0 || --installed > 0) return 0;
  sigaction(SIGINT, &old_int, NULL);
  sigaction(SIGTERM, &old_term, NULL);
  sigaction(SIGHUP, &old_hup, NULL);
  sigaction(SIGPIPE, &old_pipe, NULL);
  return 0;
}

static int signals(lua_State *L) { /* core.signals() -> how often SIGINT came, how often SIGTERM or SIGHUP */
  lua_pushinteger(L, asked);
  lua_pushinteger(L, ended);
  return 2;
}

static int signals_clear(lua_State *L) {
  (void)L;
  asked = ended = 0;
  rl_interrupt_set(false);
  rl_interrupt_allow(false);
  return 0;
}

/* core.signals_mode(abandon_from, speaks): from which request on kernels give up (0: never), and whether the
** handler says that a step goes on. */
static int signals_mode(lua_State *L) {
  abandon_from = (int)luaL_checkinteger(L, 1);
  speaks = lua_toboolean(L, 2);
  rl_interrupt_allow(abandon_from > 0 && asked + ended >= abandon_from);
  return 0;
}

/* core.interruptible(f, ...): as pcall, but Ctrl-C stops Lua code and kernels with the error "interrupted". */
static int interruptible(lua_State *L) {
  luaL_checkany(L, 1);
  int was_from = abandon_from, was_speaks = speaks;
  asked = 0;
  rl_interrupt_set(false);
  abandon_from = 1, speaks = 0;
  stopped_state = L;
  in_prompt = 1;
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  in_prompt = 0;
  lua_sethook(L, NULL, 0, 0);
  rl_interrupt_allow(false);
  rl_interrupt_set(false);
  abandon_from = was_from, speaks = was_speaks;
  lua_pushboolean(L, status == LUA_OK);
  lua_insert(L, 1);
  return lua_gettop(L);
}

/* ---- the terminal and the machine */

static int is_terminal(lua_State *L) { /* core.isatty(fd): 0 input, 1 output, 2 errors */
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

static int terminal_width(lua_State *L) { /* columns; 80 where nobody knows */
  struct winsize w = {0};
  int columns = 80;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) columns = w.ws_col;
  lua_pushinteger(L, columns);
  return 1;
}

static int process_id(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

static int cpu_name(lua_State *L) { /* as the kernel calls it; nil where it does not say */
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[512], *name = NULL;
  while (f != NULL && name == NULL && fgets(line, sizeof line, f) != NULL) {
    if (strncmp(line, "model name", 10) == 0) name = strchr(line, ':');
  }
  if (f != NULL) fclose(f);
  if (name != NULL) {
    name += 1 + strspn(name + 1, " \t");
    name[strcspn(name, "\n")] = '\0';
  }
  lua_pushstring(L, name);
  return 1;
}

/* ---- files */

static int failed(lua_State *L, const char *what, const char *path) {
  int e = errno;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: \"%s\": %s", what, path, strerror(e));
  lua_pushstring(L, e == ENOSPC || e == EDQUOT || e == EFBIG ? "no_space" : "bad_file");
  return 3;
}

static int write_file(lua_State *L) { /* core.write_file(path, text): the old file or the whole new one */
  size_t n;
  const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &n);
  rl_status s = rl_file_write("write_file", path, text, n, true);
  if (s != RL_OK) return rl_push_failure(L, s);
  lua_pushboolean(L, true);
  return 1;
}

static int truncate_file(lua_State *L) { /* core.truncate_file(path, bytes) */
  const char *path = luaL_checkstring(L, 1);
  if (truncate(path, (off_t)luaL_checkinteger(L, 2)) != 0) return failed(L, "truncate_file", path);
  lua_pushboolean(L, true);
  return 1;
}

static int sync_file(lua_State *L) { /* core.sync_file(path): what was written is on the disk */
  const char *path = luaL_checkstring(L, 1);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(L, "sync_file", path);
  bool ok = fsync(fd) == 0;
  int e = errno;
  close(fd);
  errno = e;
  if (!ok) return failed(L, "sync_file", path);
  lua_pushboolean(L, true);
  return 1;
}

static int crc32_text(lua_State *L) { /* core.crc32(text, [crc so far]): zlib's CRC-32 */
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  lua_pushinteger(L, rl_crc32((uint32_t)luaL_optinteger(L, 2, 0), text, n));
  return 1;
}

static int crc32_file(lua_State *L) { /* core.crc32_file(path) -> crc, bytes */
  uint32_t crc;
  uint64_t bytes;
  rl_status s = rl_crc32_file(luaL_checkstring(L, 1), &crc, &bytes);
  if (s != RL_OK) return rl_push_failure(L, s);
  lua_pushinteger(L, crc);
  lua_pushinteger(L, (lua_Integer)bytes);
  return 2;
}

/* ---- a lock: one process per run. The system lets go of it when the process ends, however it ends. */

#define LOCK_META "rille.Lock"

static int unlock(lua_State *L) {
  int *fd = luaL_checkudata(L, 1, LOCK_META);
  if (*fd >= 0) close(*fd);
  *fd = -1;
  return 0;
}

static int
lock_file(lua_State *L) { /* core.lock_file(path) -> lock; nil, message, "busy", pid of the holder */
  const char *path = luaL_checkstring(L, 1);
  int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
  *fd = -1;
  luaL_setmetatable(L, LOCK_META);
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (*fd < 0) return failed(L, "lock_file", path);
  char text[32] = {0};
  if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
    ssize_t n = pread(*fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    lua_pushnil(L);
    lua_pushfstring(L, "lock_file: \"%s\" is held by process %d", path, (int)pid);
    lua_pushliteral(L, "busy");
    lua_pushinteger(L, pid);
    return 4;
  }
  int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  if (ftruncate(*fd, 0) != 0 || pwrite(*fd, text, (size_t)n, 0) != n) return failed(L, "lock_file", path);
  return 1;
}

void rl_open_system(lua_State *L) {
  static const luaL_Reg functions[] = {{"signals_install", signals_install},
                                       {"signals_restore", signals_restore},
                                       {"signals", signals},
                                       {"signals_clear", signals_clear},
                                       {"signals_mode", signals_mode},
                                       {"interruptible", interruptible},
                                       {"isatty", is_terminal},
                                       {"terminal_width", terminal_width},
                                       {"pid", process_id},
                                       {"cpu_name", cpu_name},
                                       {"write_file", write_file},
                                       {"truncate_file", truncate_file},
                                       {"sync_file", sync_file},
                                       {"crc32", crc32_text},
                                       {"crc32_file", crc32_file},
                                       {"lock_file", lock_file},
                                       {NULL, NULL}};
  static const luaL_Reg lock[] = {{"__gc", unlock}, {"__close", unlock}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  luaL_newmetatable(L, LOCK_META);
  luaL_setfuncs(L, lock, 0);
  lua_pop(L, 1);
  rl_open_readline(L);
}
