/* Line editing. GNU readline is looked for at run time and never linked; without it lines are read plainly. */
#include "bind/check.h"
#include "base/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
  bool tried;
  char *(*readline)(const char *);
  void (*add_history)(const char *);
  int (*read_history)(const char *), (*write_history)(const char *);
  void (*stifle_history)(int);
  int *done, *catch_signals, *append_character, *attempted_over;
  void (*replace_line)(const char *, int);
  char **(*matches)(const char *, char *(*)(const char *, int));
  char **line_buffer;
} edit;

static lua_State *asking; /* while a line is read: whose completer is asked, its function below */
static int completer_at;  /* stack index of the completer, 0: none */

static int no_line_on_request(void) { /* ten times a second while readline waits */
  if (!rl_interrupt_pending()) return 0;
  if (edit.replace_line != NULL) edit.replace_line("", 0);
  *edit.done = 1;
  return 0;
}

/* readline asks for the state-th word for `text`: the completer's list lies on top of the stack. */
static char *next_match(const char *text, int state) {
  (void)text;
  if (!lua_istable(asking, -1)) return NULL;
  lua_rawgeti(asking, -1, state + 1);
  const char *word = lua_tostring(asking, -1);
  char *copy = word == NULL ? NULL : strdup(word); /* readline frees it */
  lua_pop(asking, 1);
  return copy;
}

static char **complete(const char *text, int start, int end) {
  (void)end;
  *edit.attempted_over = 1;      /* no file names */
  *edit.append_character = '\0'; /* readline sets a blank before each completion */
  if (completer_at == 0 || !lua_checkstack(asking, 8)) return NULL;
  lua_pushvalue(asking, completer_at);
  lua_pushstring(asking, text);
  lua_pushlstring(asking, *edit.line_buffer, (size_t)start);
  char **found = NULL;
  if (lua_pcall(asking, 2, 1, 0) == LUA_OK) found = edit.matches(text, next_match);
  lua_pop(asking, 1);
  return found;
}

static void *symbol(void *lib, const char *name) { return dlsym(lib, name); }

static void look_for_readline(void) {
  if (edit.tried) return;
  edit.tried = true;
  void *lib = dlopen("libreadline.so.8", RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL) lib = dlopen("libreadline.so.7", RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL) return;
  *(void **)&edit.add_history = symbol(lib, "add_history");
  *(void **)&edit.read_history = symbol(lib, "read_history");
  *(void **)&edit.write_history = symbol(lib, "write_history");
  *(void **)&edit.stifle_history = symbol(lib, "stifle_history");
  *(void **)&edit.replace_line = symbol(lib, "rl_replace_line");
  *(void **)&edit.matches = symbol(lib, "rl_completion_matches");
  edit.done = symbol(lib, "rl_done");
  edit.catch_signals = symbol(lib, "rl_catch_signals");
  edit.append_character = symbol(lib, "rl_completion_append_character");
  edit.attempted_over = symbol(lib, "rl_attempted_completion_over");
  edit.line_buffer = symbol(lib, "rl_line_buffer");
  int (**event)(void) = symbol(lib, "rl_event_hook");
  char **(**attempt)(const char *, int, int) = symbol(lib, "rl_attempted_completion_function");
  const char **breaks = symbol(lib, "rl_completer_word_break_characters");
  if (edit.done == NULL || event == NULL || attempt == NULL || breaks == NULL || edit.matches == NULL ||
      edit.catch_signals == NULL || edit.append_character == NULL || edit.attempted_over == NULL ||
      edit.line_buffer == NULL)
    return;
  *edit.catch_signals = 0; /* signals are the run's business */
  *event = no_line_on_request;
  *attempt = complete;
  *breaks = " \t\n\"'><=;+-*/%^~#{}(),[]&|";
  *(void **)&edit.readline = symbol(lib, "readline");
}

/* A line read without editing. false when Ctrl-C came, NULL in *line at the end of the file. */
static bool read_plainly(const char *prompt, char **line) {
  size_t cap = 0;
  *line = NULL;
  if (isatty(STDIN_FILENO)) fputs(prompt, stdout), fflush(stdout);
  errno = 0;
  ssize_t n = getline(line, &cap, stdin);
  if (n >= 0) {
    if (n > 0 && (*line)[n - 1] == '\n') (*line)[n - 1] = '\0';
    return true;
  }
  bool interrupted = errno == EINTR;
  if (interrupted) clearerr(stdin);
  free(*line);
  *line = NULL;
  return !interrupted;
}

/* core.readline(prompt, [completer]) -> line; nil at the end of input; false when Ctrl-C was pressed.
** completer(word, text before it) -> list of words; for readline the first stands for what all share. */
static int read_line(lua_State *L) {
  const char *prompt = luaL_checkstring(L, 1);
  lua_settop(L, 2);
  look_for_readline();
  char *line = NULL;
  bool ok = true;
  if (edit.readline != NULL && isatty(STDIN_FILENO)) {
    asking = L;
    completer_at = lua_isfunction(L, 2) ? 2 : 0;
    line = edit.readline(prompt);
    ok = !rl_interrupt_pending();
  } else
    ok = read_plainly(prompt, &line) && !rl_interrupt_pending();
  if (!ok)
    lua_pushboolean(L, false);
  else
    lua_pushstring(L, line); /* short of memory this raises and loses one line's bytes */
  free(line);
  return 1;
}

static int history(lua_State *L) { /* core.history("add" | "load" | "save", line or file) */
  static const char *const acts[] = {"add", "load", "save", NULL};
  int act = luaL_checkoption(L, 1, NULL, acts);
  const char *text = luaL_checkstring(L, 2);
  look_for_readline();
  if (edit.readline == NULL) return 0;
  if (act == 0 && edit.add_history != NULL) edit.add_history(text);
  if (act == 1 && edit.read_history != NULL) {
    edit.read_history(text);
    if (edit.stifle_history != NULL) edit.stifle_history(2000);
  }
  if (act == 2 && edit.write_history != NULL) edit.write_history(text);
  return 0;
}

void rl_open_readline(lua_State *L) {
  static const luaL_Reg functions[] = {{"readline", read_line}, {"history", history}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
