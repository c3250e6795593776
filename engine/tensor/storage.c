/* Counted bytes, and what the collector must know of them. */
#include "tensor/storage.h"
#include "base/mem.h"

static size_t loose_bytes, graph_bytes, both_bytes;

#define FEW    16384 /* bytes that are not worth keeping in another form */
#define BESIDE 2048  /* data of at most so many bytes lie in the struct's own block */
#define HEAD   64    /* of that block, so that data stay aligned */

typedef struct rl_keeping {
  unsigned version; /* of the bytes that it is about */
  rl_kept kept;
} rl_keeping;

_Static_assert(sizeof(rl_storage) <= HEAD, "a storage fits in front of its data");

rl_status rl_storage_alloc(rl_storage **out, size_t bytes) {
  void *block = NULL, *data = NULL;
  rl_status s = rl_mem_alloc(&block, bytes <= BESIDE ? HEAD + bytes : HEAD);
  if (s != RL_OK) return s;
  if (bytes <= BESIDE)
    data = (char *)block + HEAD;
  else if ((s = rl_mem_alloc(&data, bytes)) != RL_OK) {
    rl_mem_free(block, HEAD);
    return s;
  }
  rl_storage *st = block;
  *st = (rl_storage){.count = 1, .bytes = bytes, .data = data};
  *out = st;
  return RL_OK;
}

rl_storage *rl_storage_retain(rl_storage *s) {
  if (s != NULL) s->count++;
  return s;
}

static void forget(rl_kept *k) {
  rl_mem_free(k->panels, k->bytes);
  *k = (rl_kept){.by = NULL};
}

rl_kept *rl_storage_kept(rl_storage *s) {
  void *made = NULL;
  if (s->bytes <= FEW) return NULL;
  if (s->keeping == NULL) {
    if (rl_mem_alloc(&made, sizeof(rl_keeping)) != RL_OK) return NULL;
    s->keeping = made;
    *s->keeping = (rl_keeping){.version = s->version};
    return NULL;
  }
  if (s->keeping->version == s->version) return &s->keeping->kept;
  forget(&s->keeping->kept);
  s->keeping->version = s->version;
  return NULL;
}

void rl_storage_changed(rl_storage *s) {
  if (s->keeping != NULL) forget(&s->keeping->kept);
}

void rl_storage_drop(rl_storage *s) {
  if (s == NULL || --s->count > 0) return;
  if (s->keeping != NULL) {
    forget(&s->keeping->kept);
    rl_mem_free(s->keeping, sizeof(rl_keeping));
  }
  if (s->bytes <= BESIDE)
    rl_mem_free(s, HEAD + s->bytes);
  else {
    rl_mem_free(s->data, s->bytes);
    rl_mem_free(s, HEAD);
  }
}

static void account(rl_storage *s, int handles, int holds) {
  bool was_loose = s->handles > 0 && s->holds == 0, was_held = s->holds > 0;
  bool was_both = s->handles > 0 && was_held;
  s->handles += handles;
  s->holds += holds;
  bool is_loose = s->handles > 0 && s->holds == 0, is_held = s->holds > 0;
  if (was_loose != is_loose) loose_bytes = is_loose ? loose_bytes + s->bytes : loose_bytes - s->bytes;
  bool is_both = s->handles > 0 && is_held;
  if (was_both != is_both) both_bytes = is_both ? both_bytes + s->bytes : both_bytes - s->bytes;
  if (was_held != is_held) graph_bytes = is_held ? graph_bytes + s->bytes : graph_bytes - s->bytes;
}

void rl_storage_handle(rl_storage *s, int by) {
  if (s != NULL) account(s, by, 0);
}

void rl_storage_hold(rl_storage *s, int by) {
  if (s != NULL) account(s, 0, by);
}

size_t rl_loose_bytes(void) { return loose_bytes; }
size_t rl_graph_bytes(void) { return graph_bytes; }
size_t rl_both_bytes(void) { return both_bytes; }
