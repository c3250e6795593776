/* backward.h: the walk back through the graph, with several losses at once. */
#ifndef RL_AUTOGRAD_BACKWARD_H
#define RL_AUTOGRAD_BACKWARD_H

#include "autograd/node.h"

typedef struct rl_walk {
  int nloss;
  rl_tensor *const *loss;
  rl_tensor *const *seed; /* the losses' own gradients; NULL: 1 each, and every loss has one element */
  int nx;
  /* what gradients are wanted for; NULL: every leaf, and one loss: the gradient is added to leaf->grad */
  rl_tensor *const *x;
  /* nloss * nx, loss by loss; filled with counted tensors, zeros where a loss does not reach */
  rl_tensor **out;
  bool retain; /* keep what nodes saved, for a second walk */
  /* NULL, or told of each leaf x[j] once all its gradients have come (out[k * nx + j], NULL where loss k does
  ** not reach it), before the walk goes on; it may drop them. out[] is then left as it is: without zeros. Such a
  ** walk plans its memory: all losses go together down to some node, and from there one after another. */
  rl_status (*complete)(void *ctx, int j);
  void *ctx;
  bool keeps; /* complete() drops nothing that several losses reach: for the plan */
} rl_walk;

/* One reverse walk carrying up to nloss cotangents per node. On failure out[] is empty. */
rl_status rl_walk_run(const rl_walk *w);

/* reached[j]: whether y depends on the leaf x[j]. */
rl_status rl_walk_reach(rl_tensor *y, int nx, rl_tensor *const *x, bool *reached);

#endif
