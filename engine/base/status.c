/* Failing with a text, and the path of the layer at work. */
#include "base/status.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX  1024
#define DEPTH_MAX 64

static _Thread_local char text[TEXT_MAX];

typedef struct path { /* an interned path; lives as long as the process */
  struct path *next;
  char name[];
} path;

static path *interned[256];
static _Thread_local const char *stack[DEPTH_MAX];
static _Thread_local int depth;
static _Thread_local const char *current = "";

const char *rl_error_text(void) { return text; }

rl_status rl_fail(rl_status code, const char *format, ...) {
  size_t used = 0;
  if (current[0] != '\0') {
    int n = snprintf(text, sizeof text, "%s: ", current);
    used = n < 0 ? 0 : (size_t)n >= sizeof text ? sizeof text - 1 : (size_t)n;
  }
  va_list ap;
  va_start(ap, format);
  vsnprintf(text + used, sizeof text - used, format, ap);
  va_end(ap);
  return code;
}

rl_status rl_fail_plain(rl_status code, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vsnprintf(text, sizeof text, format, ap);
  va_end(ap);
  return code;
}

void rl_bug(const char *file, int line, const char *what) {
  fprintf(stderr, "rille: bug at %s:%d: %s\n", file, line, what);
  abort();
}

const char *rl_quote(char *buf, size_t cap, const char *s, size_t len) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    unsigned char ch = (unsigned char)s[i];
    bool plain = ch >= 0x80 || (isprint(ch) && ch != '"' && ch != '\\');
    size_t need = plain ? 1 : 4;
    if (n + need + 4 > cap) {
      memcpy(buf + n, "...", 3);
      n += 3;
      break;
    }
    if (plain)
      buf[n++] = (char)ch;
    else
      n += (size_t)snprintf(buf + n, cap - n, "\\x%02x", ch);
  }
  buf[n] = '\0';
  return buf;
}

static const char *intern(const char *name, size_t len) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)name[i]) * 16777619u;
  path **slot = &interned[h & 255u];
  for (path *p = *slot; p != NULL; p = p->next)
    if (strncmp(p->name, name, len) == 0 && p->name[len] == '\0') return p->name;
  path *p = malloc(sizeof *p + len + 1);
  if (p == NULL) return NULL;
  memcpy(p->name, name, len);
  p->name[len] = '\0';
  p->next = *slot;
  *slot = p;
  return p->name;
}

rl_status rl_path_push(const char *segment) {
  if (depth >= DEPTH_MAX)
    return rl_fail(RL_ESTATE, "module: layers are nested more than %d deep; does a module call itself?",
                   DEPTH_MAX);
  const char *next = current;
  if (segment[0] != '\0') {
    char joined[512];
    int n = current[0] == '\0' ? snprintf(joined, sizeof joined, "%s", segment)
                               : snprintf(joined, sizeof joined, "%s.%s", current, segment);
    next = intern(joined, n < (int)sizeof joined ? (size_t)n : sizeof joined - 1);
    if (next == NULL) return rl_fail(RL_ENOMEM, "module: no memory for a layer's path");
  }
  stack[depth++] = current;
  current = next;
  return RL_OK;
}

void rl_path_pop(void) {
  if (depth > 0) current = stack[--depth];
}

const char *rl_path_get(void) { return current; }
void rl_path_set(const char *path_interned) { current = path_interned; }
