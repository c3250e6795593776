/* The graph's nodes: made, held, and let go in a loop. */
#include "autograd/node.h"
#include "base/mem.h"

#include <string.h>

static _Thread_local bool recording = true;
static uint64_t next_seq = 1;
static const rl_host *host;

bool rl_grad_enabled(void) { return recording; }

bool rl_grad_enable(bool on) {
  bool was = recording;
  recording = on;
  return was;
}

void rl_host_set(const rl_host *h) { host = h; }
const rl_host *rl_host_get(void) { return host; }

static size_t round_up(size_t n) { return (n + 15) / 16 * 16; }

rl_status rl_node_reserve(rl_node **out, const rl_call *c) {
  int nin = c->nin, narg = c->narg, nout = c->nout;
  size_t at[5], n = round_up(sizeof(rl_node)), in = (size_t)nin, all = in + (size_t)nout;
  at[0] = n, n += round_up(in * sizeof(rl_edge));
  at[1] = n, n += round_up(all * sizeof(rl_tensor));
  at[2] = n, n += round_up(all * sizeof(unsigned));
  at[3] = n, n += round_up((size_t)narg * sizeof(rl_arg));
  at[4] = n, n += round_up(in * sizeof(bool));
  void *block = NULL;
  RL_TRY(rl_mem_alloc(&block, n));
  memset(block, 0, n);
  char *base = block;
  rl_node *node = block;
  node->count = 0;
  node->bytes = n;
  node->nin = nin, node->narg = narg, node->nout = nout;
  node->edge = (rl_edge *)(void *)(base + at[0]);
  node->in = (rl_tensor *)(void *)(base + at[1]);
  node->out = node->in + nin;
  node->version = (unsigned *)(void *)(base + at[2]);
  node->arg = (rl_arg *)(void *)(base + at[3]);
  node->need = (bool *)(base + at[4]);
  *out = node;
  return RL_OK;
}

/* An embedded copy: always the shape, the storage only if `saved`. */
static void embed(rl_tensor *slot, const rl_tensor *t, bool saved, unsigned *version) {
  *slot = *t;
  slot->count = 0;
  slot->node = NULL, slot->grad = NULL, slot->target = 0;
  if (!saved) slot->storage = NULL;
  if (slot->storage == NULL) return;
  rl_storage_retain(slot->storage);
  rl_storage_hold(slot->storage, 1);
  *version = slot->storage->version;
}

static void unembed(rl_tensor *slot) {
  if (slot->storage == NULL) return;
  rl_storage_hold(slot->storage, -1);
  rl_storage_drop(slot->storage);
  slot->storage = NULL;
}

void rl_node_record(rl_node *n, rl_call *c, rl_tensor *const *given) {
  unsigned saves = c->op->saves_of != NULL ? c->op->saves_of(c) : c->op->saves;
  n->seq = next_seq++;
  n->op = c->op;
  n->path = rl_path_get();
  n->dtype = c->dtype;
  if (c->narg > 0) memcpy(n->arg, c->arg, (size_t)c->narg * sizeof *n->arg);
  for (int i = 0; i < c->nin; i++) {
    if (c->in[i] == NULL) continue;
    const rl_input *row = rl_op_input(c->op, i);
    bool saved = saves & RL_SAVE_ALL_IN ? !row->unsaved && !row->in_place : i < 16 && (saves >> i & 1);
    embed(&n->in[i], c->in[i], saved, &n->version[i]);
    n->need[i] = c->need[i];
    if (!c->need[i]) continue;
    n->edge[i].slot = given[i]->slot;
    n->edge[i].node = rl_node_retain(given[i]->node);
    if (given[i]->node == NULL) n->edge[i].leaf = rl_tensor_retain(given[i]);
  }
  for (int o = 0; o < c->nout; o++) {
    embed(&n->out[o], c->out[o], saves & RL_SAVE_OUT(o), &n->version[c->nin + o]);
    if (!rl_is_float(c->out[o]->dtype) || (o > 0 && c->op->first_only)) continue;
    c->out[o]->node = rl_node_retain(n);
    c->out[o]->slot = o;
  }
  for (int j = 0; j < RL_MAXKEEP; j++) {
    n->keep[j] = c->keep[j];
    c->keep[j] = NULL;
    if (n->keep[j] != NULL) rl_storage_hold(n->keep[j]->storage, 1);
  }
  if (n->count == 0) n->count = 1, rl_node_drop(n); /* no output can carry it */
}

rl_node *rl_node_retain(rl_node *n) {
  if (n != NULL) n->count++;
  return n;
}

void rl_node_spend(rl_node *n) {
  if (n->spent) return;
  for (int i = 0; i < n->nin; i++) unembed(&n->in[i]);
  for (int o = 0; o < n->nout; o++) unembed(&n->out[o]);
  for (int j = 0; j < RL_MAXKEEP; j++) {
    if (n->keep[j] == NULL) continue;
    rl_storage_hold(n->keep[j]->storage, -1);
    rl_tensor_drop(&n->keep[j]);
  }
  n->spent = true;
}

void rl_node_drop(rl_node *n) {
  if (n == NULL || --n->count > 0) return;
  n->out[0].node = NULL;
  rl_node *pending = n; /* nodes to free, linked through out[0].node, which embedded tensors do not use */
  while (pending != NULL) {
    rl_node *m = pending;
    pending = m->out[0].node;
    m->out[0].node = NULL;
    rl_node_spend(m);
    for (int i = 0; i < m->nin; i++) {
      rl_node *before = m->edge[i].node;
      if (before != NULL && --before->count == 0) before->out[0].node = pending, pending = before;
      rl_tensor_drop(&m->edge[i].leaf); /* a leaf has no node: no recursion */
    }
    if (host != NULL && m->custom != 0) host->forget(m->custom);
    if (host != NULL && m->hooks != 0) host->forget(m->hooks);
    rl_mem_free(m, m->bytes);
  }
}
