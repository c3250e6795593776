/* storage.h: counted bytes that tensors look at. Invariants: count > 0 while any tensor looks; `version`
** moves only by in-place ops that users can call; a storage is loose when Lua handles hold it and no graph
** node does (rl_loose_bytes drives the collector). */
#ifndef RL_TENSOR_STORAGE_H
#define RL_TENSOR_STORAGE_H

#include "kernels/kept.h"

typedef struct rl_storage {
  int count;        /* tensors that look */
  int handles;      /* of these, held by a Lua handle */
  int holds;        /* saved by graph nodes */
  unsigned version; /* bumped by in-place ops */
  int device;       /* 0: this machine's memory; ops reach bytes through kernels only */
  size_t bytes;
  void *data;
  struct rl_keeping *keeping; /* or NULL */
} rl_storage;

rl_status rl_storage_alloc(rl_storage **out, size_t bytes);
rl_storage *rl_storage_retain(rl_storage *s);
void rl_storage_drop(rl_storage *s); /* takes NULL */

/* Where a kernel may keep what it makes of these bytes; NULL where they are few, or are asked about for the first time since
** they were last changed. What was kept of older bytes is dropped. On the main thread. */
rl_kept *rl_storage_kept(rl_storage *s);
/* Bytes are changed by other than an in-place op, which moves `version`: what was kept of them is dropped. */
void rl_storage_changed(rl_storage *s);

void rl_storage_handle(rl_storage *s, int by); /* +1, -1; takes NULL */
void rl_storage_hold(rl_storage *s, int by);
size_t rl_loose_bytes(void); /* held by Lua handles only */
size_t rl_graph_bytes(void); /* saved by nodes */
size_t rl_both_bytes(void);  /* saved by nodes and held by Lua handles too */

#endif
