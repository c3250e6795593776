/* status.h: failing with a text, and the path of the layer at work. */
#ifndef RL_BASE_STATUS_H
#define RL_BASE_STATUS_H

#include "rille.h"

#if defined(__GNUC__)
#define RL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define RL_PRINTF(f, a)
#endif

/* Keeps "layer.path: text" for this thread and returns `code`. Texts: `op: what is wrong; what to do`. */
rl_status rl_fail(rl_status code, const char *format, ...) RL_PRINTF(2, 3);

/* As rl_fail, but replaces nothing in front: for texts that come whole from elsewhere. */
rl_status rl_fail_plain(rl_status code, const char *format, ...) RL_PRINTF(2, 3);

/* Returns early; only while nothing is owned, otherwise `goto done`. */
#define RL_TRY(call)                                                                                         \
  do {                                                                                                       \
    rl_status try_status_ = (call);                                                                          \
    if (try_status_ != RL_OK) return try_status_;                                                            \
  } while (0)

/* For bugs of our own only: never for what a file or a script can reach. */
#define rl_assert(x) ((x) ? (void)0 : rl_bug(__FILE__, __LINE__, #x))
_Noreturn void rl_bug(const char *file, int line, const char *what);

/* Copies at most `cap`-1 bytes of `s`, escaping what is not printable and cutting long names; returns `buf`.
** For names that come from files or users. */
const char *rl_quote(char *buf, size_t cap, const char *s, size_t len);

/* ---- the layer path: "encoder.conv1". Paths are interned: a node keeps the pointer, for ever valid. */
rl_status rl_path_push(const char *segment); /* joins `segment` to the current path */
void rl_path_pop(void);
const char *rl_path_get(void);          /* "" at top level */
void rl_path_set(const char *interned); /* during the walk back: the node's own path */

#endif
