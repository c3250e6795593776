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
  const char *parent; /* interned too: with the segment it finds the path without joining texts */
  char name[];
} path;

#define BUCKETS 1024
static path *interned[BUCKETS];
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

static const char *intern(const char *parent, const char *segment) { /* "parent.segment"; NULL: no memory */
  uint32_t h = (uint32_t)((uintptr_t)parent >> 4) ^ 2166136261u;
  for (const char *c = segment; *c != '\0'; c++) h = (h ^ (unsigned char)*c) * 16777619u;
  path **slot = &interned[(h ^ h >> 16) & (BUCKETS - 1)];
  size_t above = strlen(parent), at = above == 0 ? 0 : above + 1;
  for (path *p = *slot; p != NULL; p = p->next)
    if (p->parent == parent && strcmp(p->name + at, segment) == 0) return p->name;
  size_t len = strlen(segment);
  path *p = malloc(sizeof *p + at + len + 1);
  if (p == NULL) return NULL;
  memcpy(p->name, parent, above);
  if (at > 0) p->name[above] = '.';
  memcpy(p->name + at, segment, len + 1);
  p->parent = parent;
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
    next = intern(current, segment);
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
