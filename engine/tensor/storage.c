/* Counted bytes, and what the collector must know of them. */
#include "tensor/storage.h"
#include "base/mem.h"

static size_t loose_bytes, graph_bytes, both_bytes;

#define BESIDE 2048 /* data of at most so many bytes lie in the struct's own block */
#define HEAD   64   /* of that block, so that data stay aligned */

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

void rl_storage_drop(rl_storage *s) {
  if (s == NULL || --s->count > 0) return;
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
