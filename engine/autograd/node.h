/* node.h: the graph. A node remembers one op call: its edges to what came before, what it saved, and the
** layer's path. There is no tape. A node is held by the tensors it made and by the nodes after it; dropping
** the last holder frees the chain in a loop. Nodes never hold the tensors they made, so no counts go in
** circles. */
#ifndef RL_AUTOGRAD_NODE_H
#define RL_AUTOGRAD_NODE_H

#include "ops/op.h"

typedef struct rl_edge { /* where input i's gradient goes; both NULL: nowhere */
  struct rl_node *node;  /* counted */
  rl_tensor *leaf;       /* counted */
  int slot;              /* which output of `node` the input was */
} rl_edge;

typedef struct rl_node {
  int count;
  uint64_t seq; /* later nodes have larger numbers: the order of the walk back */
  const rl_op *op;
  const char *path; /* of the layer at work when it was made */
  rl_dtype dtype;
  int nin, nout, narg;
  rl_edge *edge;     /* nin */
  rl_tensor *in;     /* nin, embedded: shape, strides, and storage where saved */
  unsigned *version; /* nin + nout: of the storage when it was saved */
  rl_arg *arg;       /* narg */
  bool *need;        /* nin */
  rl_tensor *out;    /* nout, embedded, as `in` */
  rl_tensor *keep[RL_MAXKEEP];
  size_t bytes; /* of this block */
  bool spent;   /* saved tensors were given back after a walk */
  int custom;   /* the host's id of a function written there; 0: none */
  int hooks;    /* the host's id of the hooks on out[0]; 0: none */
  /* ---- during a walk */
  uint64_t mark;   /* which walk has seen it */
  bool wanted;     /* it leads to something that wants a gradient */
  bool captured;   /* one of its outputs is itself wanted */
  rl_tensor **cot; /* K * nout gradients that have arrived; NULL before the first */
  uint64_t rows;   /* which losses will come, a bit each; only where a walk plans */
} rl_node;

/* Takes the memory for a call's node, before its forward writes anything. */
rl_status rl_node_reserve(rl_node **out, const rl_call *c);
/* Fills it from the finished call and hangs it on the outputs; `given`: the inputs as the caller gave
** them. Cannot fail. */
void rl_node_record(rl_node *n, rl_call *c, rl_tensor *const *given);
rl_node *rl_node_retain(rl_node *n);
void rl_node_drop(rl_node *n); /* takes NULL; no recursion, however long the chain */
/* Gives back what was saved; a later walk raises. */
void rl_node_spend(rl_node *n);

/* Whether ops record. Per thread; on at start. */
bool rl_grad_enabled(void);

/* ---- what a host (the Lua binding) plugs in, so that the engine needs no Lua */
typedef struct rl_host {
  rl_status (*custom_backward)(rl_node *n, rl_call *c); /* a function written in the host */
  rl_status (*hook)(int id, rl_tensor **grad);          /* may replace *grad (counted) */
  void (*forget)(int id);                               /* a node that held `id` is gone; cannot fail */
} rl_host;
void rl_host_set(const rl_host *h);
const rl_host *rl_host_get(void);

#endif
