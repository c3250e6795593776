/* Free lists of blocks in steps of 16 bytes, cut from slabs that stay; larger blocks come from malloc. One state,
** one thread: no lock. */
#include "bind/pool.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define STEP       ((size_t)16)
#define SMALL      ((size_t)512)
#define SLAB_BYTES ((size_t)65536)

typedef struct piece {
  struct piece *next;
} piece;

static piece *spare[SMALL / STEP + 1];
static piece *slabs; /* each begins with the next one */
static char *fresh;
static size_t left;

static void *take(size_t n) {
  size_t class = (n + STEP - 1) / STEP, size = class * STEP;
  if (n > SMALL) return malloc(n);
  piece *p = spare[class];
  if (p != NULL) {
    spare[class] = p->next;
    return p;
  }
  if (left < size) {
    piece *slab = malloc(SLAB_BYTES);
    if (slab == NULL) return NULL;
    slab->next = slabs;
    slabs = slab;
    fresh = (char *)slab + STEP, left = SLAB_BYTES - STEP;
  }
  fresh += size, left -= size;
  return fresh - size;
}

static void give(void *block, size_t n) {
  if (n > SMALL) {
    free(block);
    return;
  }
  piece *p = block;
  p->next = spare[(n + STEP - 1) / STEP];
  spare[(n + STEP - 1) / STEP] = p;
}

static void *resize(void *ud, void *block, size_t was, size_t n) {
  (void)ud;
  if (block == NULL) return n == 0 ? NULL : take(n);
  if (n == 0) {
    give(block, was);
    return NULL;
  }
  if (was > SMALL && n > SMALL) return realloc(block, n);
  if (was <= SMALL && n <= SMALL && (was + STEP - 1) / STEP == (n + STEP - 1) / STEP) return block;
  void *moved = take(n);
  if (moved == NULL)
    return n <= was ? block : NULL; /* Lua relies on shrinking; a larger block may serve as less */
  memcpy(moved, block, was < n ? was : n);
  give(block, was);
  return moved;
}

lua_State *rl_new_state(void) {
#ifdef RILLE_SANITIZE /* the sanitizer must see every block */
  (void)resize;
  return luaL_newstate();
#else
  return lua_newstate(resize, NULL);
#endif
}
