/* lists.h: one call over many tensors: what gates and optimisers need. Dot products are in f64, in an order that
** depends on shapes alone; nothing is flattened or copied that lies alike. */
#ifndef RL_OPS_FUSED_LISTS_H
#define RL_OPS_FUSED_LISTS_H

#include "kernels/lists.h"
#include "tensor/tensor.h"

/* out[(i K + a) K + b] = <g[a][i], g[b][i]>; g: K lists of n tensors, list by list. Shapes agree over the lists. */
rl_status rl_lists_gram(int K, int n, rl_tensor *const *g, double *out);
/* out[i] = sum over k of w[k] g[k][i], or of w[i K + k] g[k][i] if per_tensor; counted, laid out like g[0][i]. */
rl_status rl_lists_combine(int K, int n, rl_tensor *const *g, const double *w, bool per_tensor,
                           rl_tensor **out);

/* The 2-norm over all tensors, also where the squares of f64 leave its range. */
rl_status rl_lists_norm(int n, rl_tensor *const *g, double *norm);

/* Changes p, m, v (or buffer) in place and bumps p's versions; g is only read. All lists have n tensors of p's shapes;
** state lies as p does. All memory is taken before the first write. norm: NULL, or it gets the gradients' norm before the
** step; above clip they are shortened to it, and if it is not finite nothing moves. */
rl_status rl_lists_adam(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *m,
                        rl_tensor *const *v, rl_adam_numbers o, double clip, double *norm);
rl_status rl_lists_sgd(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *buffer,
                       rl_sgd_numbers o, double clip, double *norm);
/* The norm is always told; tensors of fewer than two dims take neither decay nor eta. */
rl_status rl_lists_lars(int n, rl_tensor *const *p, rl_tensor *const *g, rl_tensor *const *buffer,
                        rl_sgd_numbers o, double eta, double clip, double *norm);

#endif
