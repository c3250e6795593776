/* The walk back: nodes in falling order of their numbers; each is run once its last cotangent has come, then
** gives back what it saved. A row's backward runs once per loss; a .batched row's once with all of them. */
#include "autograd/backward.h"
#include "base/mem.h"
#include "base/threads.h"
#include "ops/finite.h"
#include "ops/pointwise.h"
#include "ops/profile.h"

#include <stdlib.h>
#include <string.h>

typedef struct walk {
  const rl_walk *ask;
  uint64_t mark;
  rl_node **node; /* reached, by falling seq */
  size_t count, room;
  int nin_max;
  /* scratch of one node's backward, nloss * nin_max each */
  void *scratch;
  size_t scratch_bytes;
  rl_tensor **din, **dout, **in, **late; /* late: gradients formed aside, added to their cell afterwards */
  rl_tensor ***cell;
  int *beta;
  int *uses; /* nx, where ask->complete: how many edges to that leaf are still to be walked */
} walk;

static uint64_t last_mark;

/* ---- what can be reached, and what of it is wanted */

static rl_status reach_one(walk *w, rl_node *n) {
  if (n == NULL || n->mark == w->mark) return RL_OK;
  if (w->count == w->room) {
    void *bigger = NULL;
    size_t room = w->room == 0 ? 256 : w->room * 2;
    RL_TRY(rl_mem_alloc(&bigger, room * sizeof *w->node));
    if (w->count > 0) memcpy(bigger, w->node, w->count * sizeof *w->node);
    rl_mem_free(w->node, w->room * sizeof *w->node);
    w->node = bigger;
    w->room = room;
  }
  n->mark = w->mark;
  n->wanted = n->captured = false;
  n->cot = NULL;
  w->node[w->count++] = n;
  if (n->nin > w->nin_max) w->nin_max = n->nin;
  return RL_OK;
}

static int later_first(const void *a, const void *b) {
  uint64_t x = (*(rl_node *const *)a)->seq, y = (*(rl_node *const *)b)->seq;
  return x < y ? 1 : x > y ? -1 : 0;
}

static rl_status reach(walk *w) {
  for (int k = 0; k < w->ask->nloss; k++) RL_TRY(reach_one(w, w->ask->loss[k]->node));
  for (size_t i = 0; i < w->count; i++) {
    rl_node *n = w->node[i];
    for (int e = 0; e < n->nin; e++) RL_TRY(reach_one(w, n->edge[e].node));
  }
  if (w->count > 0) qsort(w->node, w->count, sizeof *w->node, later_first);
  return RL_OK;
}

static bool leads(const walk *w, const rl_edge *e) {
  if (e->node != NULL) return e->node->wanted;
  return e->leaf != NULL && (w->ask->x == NULL || e->leaf->target > 0);
}

static void mark_wanted(walk *w) {
  for (int j = 0; j < w->ask->nx; j++) {
    rl_tensor *x = w->ask->x[j];
    if (x->node == NULL)
      x->target = j + 1;
    else if (x->node->mark == w->mark)
      x->node->captured = true;
  }
  for (size_t i = w->count; i-- > 0;) { /* earliest first */
    rl_node *n = w->node[i];
    n->wanted = n->captured;
    for (int e = 0; e < n->nin && !n->wanted; e++) n->wanted = leads(w, &n->edge[e]);
  }
}

/* ---- cells: where a gradient is collected */

static rl_status open_cots(walk *w, rl_node *n) {
  if (n->cot != NULL) return RL_OK;
  void *block = NULL;
  size_t bytes = (size_t)(w->ask->nloss * n->nout) * sizeof *n->cot;
  RL_TRY(rl_mem_alloc(&block, bytes));
  memset(block, 0, bytes);
  n->cot = block;
  return RL_OK;
}

static void drop_cots(rl_node *n, int k) {
  for (int o = 0; o < n->nout; o++) rl_tensor_drop(&n->cot[k * n->nout + o]);
}

static void close_cots(walk *w, rl_node *n) {
  if (n->cot == NULL) return;
  int count = w->ask->nloss * n->nout;
  for (int i = 0; i < count; i++) rl_tensor_drop(&n->cot[i]);
  rl_mem_free(n->cot, (size_t)count * sizeof *n->cot);
  n->cot = NULL;
}

static rl_status find_cell(walk *w, const rl_edge *e, int k, rl_tensor ***cell) {
  *cell = NULL;
  if (!leads(w, e)) return RL_OK;
  if (e->node != NULL) {
    RL_TRY(open_cots(w, e->node));
    *cell = &e->node->cot[k * e->node->nout + e->slot];
  } else if (w->ask->x == NULL)
    *cell = &e->leaf->grad;
  else
    *cell = &w->ask->out[k * w->ask->nx + e->leaf->target - 1];
  return RL_OK;
}

static bool writable(const rl_tensor *t) { return t->storage->count == 1 && rl_is_dense(t); }

/* *cell += t, where the cell may be empty or share its memory. Takes over the count of t. */
static rl_status put_late(rl_tensor **cell, rl_tensor *t) {
  if (*cell == NULL) {
    *cell = t;
    return RL_OK;
  }
  rl_status s = RL_OK;
  if (!writable(*cell)) {
    rl_tensor *own = NULL;
    s = rl_tensor_make_like(&own, (*cell)->dtype, &(*cell)->shape, *cell);
    if (s == RL_OK) s = rl_copy(own, *cell, false);
    if (s == RL_OK)
      rl_tensor_drop(cell), *cell = own;
    else
      rl_tensor_drop(&own);
  }
  if (s == RL_OK) s = rl_copy(*cell, t, true);
  if (s == RL_OK) rl_storage_changed((*cell)->storage);
  rl_tensor_drop(&t);
  return s;
}

/* ---- one node */

static rl_layout demand(const rl_op *op, int i) {
  rl_layout own = rl_op_input(op, i)->layout;
  return own != RL_ANY ? own : op->layout;
}

static bool fits(const rl_tensor *t, rl_layout layout) {
  if (layout == RL_ROWMAJOR) return rl_is_rowmajor(t);
  if ((layout == RL_NHWC || layout == RL_STRIDED) && t->shape.rank == 4) return rl_is_nhwc(t);
  return true;
}

static rl_status fresh(const rl_node *n, int i, rl_tensor **out) {
  const rl_tensor *in = &n->in[i];
  rl_layout layout = demand(n->op, i);
  if (layout == RL_ANY || layout == RL_RUNS) return rl_tensor_make_like(out, in->dtype, &in->shape, in);
  return rl_tensor_make(out, in->dtype, &in->shape, layout);
}

/* Where input i's gradient for loss k is to be written: straight into its cell where that can be, else aside. */
static rl_status target(walk *w, rl_node *n, int k, int i, int at, int used) {
  rl_tensor **cell = NULL;
  w->din[at] = w->late[at] = NULL;
  w->beta[at] = 0;
  if (n->need[i]) RL_TRY(find_cell(w, &n->edge[i], k, &cell));
  w->cell[at] = cell;
  if (cell == NULL) return RL_OK;
  bool twice = false; /* x * x: the same cell for two inputs of one call */
  for (int j = 0; j < used; j++) twice = twice || w->cell[j] == cell;
  if (*cell == NULL && !twice) {
    RL_TRY(fresh(n, i, cell));
    w->din[at] = *cell;
  } else if (!twice && writable(*cell) && fits(*cell, demand(n->op, i)) &&
             rl_shape_equal(&(*cell)->shape, &n->in[i].shape)) {
    w->din[at] = *cell;
    w->beta[at] = 1;
    rl_storage_changed((*cell)->storage);
  } else {
    RL_TRY(fresh(n, i, &w->late[at]));
    w->din[at] = w->late[at];
  }
  return RL_OK;
}

/* To an inner node the same memory may go on; a leaf's gradient is its own. */
static bool is_handed_on(const rl_node *n, const rl_call *c, int i) {
  return n->op->passes != NULL && n->need[i] && n->edge[i].node != NULL && n->op->passes(c, i);
}

static rl_status hand_on(walk *w, rl_node *n, int k, int i, int at, const rl_tensor *dout) {
  w->din[at] = w->late[at] = NULL;
  w->beta[at] = 0;
  RL_TRY(find_cell(w, &n->edge[i], k, &w->cell[at]));
  return w->cell[at] == NULL ? RL_OK : rl_tensor_alias(&w->late[at], dout);
}

static rl_status check_saved(const rl_node *n) {
  if (n->spent)
    return rl_fail(
        RL_ESTATE,
        "%s: this graph was walked back already and its tensors were given back; pass { retain = true } "
        "to the first call",
        n->op->name);
  for (int i = 0; i < n->nin + n->nout; i++) {
    const rl_tensor *t = i < n->nin ? &n->in[i] : &n->out[i - n->nin];
    if (t->storage != NULL && t->storage->version != n->version[i])
      return rl_fail(
          RL_ESTATE,
          "%s: its %s %d (%s) was changed in place after the forward pass; change a copy (x:clone())",
          n->op->name, i < n->nin ? "input" : "output", (i < n->nin ? i : i - n->nin) + 1,
          rl_shape_text(&t->shape));
  }
  return RL_OK;
}

static rl_status arrange_dout(const rl_node *n, int o, rl_tensor **dout) { /* counted */
  rl_tensor *t = *dout;
  if (n->op->layout == RL_RUNS || n->op->layout == RL_ANY || rl_same_order(t, &n->out[o])) {
    rl_tensor_retain(t);
    return RL_OK;
  }
  rl_tensor *made = NULL;
  RL_TRY(rl_tensor_make_like(&made, t->dtype, &t->shape, &n->out[o]));
  rl_status s = rl_copy(made, t, false);
  if (s != RL_OK) rl_tensor_drop(&made);
  *dout = made;
  return s;
}

static void place_tensors(walk *w, rl_node *n, rl_call *c) {
  for (int i = 0; i < n->nin; i++)
    w->in[i] =
        n->in[i].shape.rank > 0 || n->in[i].storage || n->in[i].is_scalar || n->need[i] ? &n->in[i] : NULL;
  for (int o = 0; o < n->nout; o++) c->out[o] = &n->out[o];
  for (int j = 0; j < RL_MAXKEEP; j++) c->keep[j] = n->keep[j];
}

static rl_status run_view(walk *w, rl_node *n, rl_call *c, int k) {
  rl_tensor **cell = NULL, *alias = NULL;
  if (n->need[0]) RL_TRY(find_cell(w, &n->edge[0], k, &cell));
  if (cell == NULL) return RL_OK;
  RL_TRY(rl_tensor_alias(&alias, c->dout[0]));
  alias->shape = n->in[0].shape;
  rl_status s = n->op->view_back(c, alias);
  if (s == RL_OK) return put_late(cell, alias);
  rl_tensor_drop(&alias);
  return s;
}

/* The ks from `from` that are run together: all for a batched row, else one. */
static rl_status run_some(walk *w, rl_node *n, const int *ks, int m) {
  rl_call c = {.op = n->op,
               .k = rl_kernels_best(),
               .dtype = n->dtype,
               .nin = n->nin,
               .nout = n->nout,
               .narg = n->narg,
               .in = w->in,
               .arg = n->arg,
               .need = n->need,
               .node = n,
               .ncot = m,
               .dout = w->dout,
               .din = w->din,
               .beta = w->beta};
  place_tensors(w, n, &c);
  rl_profile_mark mark = {0};
  if (rl_profiling) mark = rl_profile_begin();
  rl_status s = RL_OK;
  int made = 0, cells = 0;
  bool asked = false; /* something is left for the row to write */
  for (; made < m * n->nout && s == RL_OK; made++) {
    w->dout[made] = n->cot[ks[made / n->nout] * n->nout + made % n->nout];
    if (w->dout[made] != NULL) s = arrange_dout(n, made % n->nout, &w->dout[made]);
  }
  if (s != RL_OK) made--;
  if (s == RL_OK && n->op->view_back != NULL)
    s = run_view(w, n, &c, ks[0]);
  else if (s == RL_OK) {
    for (; cells < m * n->nin && s == RL_OK; cells++) {
      int j = cells / n->nin, i = cells % n->nin;
      s = is_handed_on(n, &c, i) ? hand_on(w, n, ks[j], i, cells, w->dout[j * n->nout])
                                 : target(w, n, ks[j], i, cells, cells);
      asked = asked || w->din[cells] != NULL;
    }
    if (s == RL_OK && asked) {
      rl_fpmode mode = rl_fp_enter();
      s = n->custom != 0             ? rl_host_get()->custom_backward(n, &c)
          : n->op->layout == RL_RUNS ? rl_runs_backward(&c)
                                     : n->op->backward(&c);
      rl_fp_leave(mode);
    }
    for (int i = 0; i < cells; i++) {
      if (w->late[i] == NULL) continue;
      if (s == RL_OK)
        s = put_late(w->cell[i], w->late[i]);
      else
        rl_tensor_drop(&w->late[i]);
    }
  }
  if (rl_watching && s == RL_OK && asked) rl_finite_look(&c);
  if (rl_profiling && s == RL_OK)
    rl_profile_end(&mark, n->op->name, true, rl_profile_bytes(&c),
                   n->op->flops == NULL ? 0 : n->op->flops(&c));
  for (int i = 0; i < made; i++) rl_tensor_drop(&w->dout[i]);
  return s;
}

static bool arrived(const rl_node *n, int k) {
  for (int o = 0; o < n->nout; o++)
    if (n->cot[k * n->nout + o] != NULL) return true;
  return false;
}

/* Losses from..to-1. */
static rl_status run_node(walk *w, rl_node *n, int from, int to) {
  const rl_walk *ask = w->ask;
  for (int k = from; k < to && n->hooks != 0; k++)
    if (n->cot[k * n->nout] != NULL) RL_TRY(rl_host_get()->hook(n->hooks, &n->cot[k * n->nout]));
  for (int j = 0; j < ask->nx && n->captured; j++)
    for (int k = from; k < to && ask->x[j]->node == n; k++)
      ask->out[k * ask->nx + j] = rl_tensor_retain(n->cot[k * n->nout + ask->x[j]->slot]);
  bool further = false;
  for (int e = 0; e < n->nin; e++) further = further || leads(w, &n->edge[e]);
  if (!further) return RL_OK;
  RL_TRY(check_saved(n));
  int ks[64], m = 0;
  for (int k = from; k < to; k++)
    if (arrived(n, k)) ks[m++] = k;
  if (n->op->batched && m > 0) return run_some(w, n, ks, m);
  for (int j = 0; j < m; j++) RL_TRY(run_some(w, n, &ks[j], 1));
  return RL_OK;
}

/* ---- the plan of a walk that is told of complete leaves: as many nodes as are walked with all losses together,
** where large parameters have small maps; below, where large maps have small parameters, one loss after another
** (the gradients of those parameters wait for the last). Sizes are those of outputs and parameters alone. */

typedef struct plan {
  double *together; /* at node i: what waits and what its parameters take, with all losses */
  double *waits;    /* behind node i, with all losses */
  double *single;   /* at node i, one loss alone */
  double *stays;    /* parameters of node i that wait for the last loss */
} plan;

static int bits(uint64_t v) {
  int n = 0;
  for (; v != 0; v &= v - 1) n++;
  return n;
}

static double output_bytes(const rl_node *n) {
  double sum = 0;
  for (int o = 0; o < n->nout; o++)
    sum += (double)rl_count(&n->out[o]) * (double)rl_dtype_size(n->out[o].dtype);
  return sum;
}

static void look_at(walk *w, rl_node *n, double *live, double *alone, double *params) {
  *params = 0;
  for (int e = 0; e < n->nin; e++) {
    const rl_edge *edge = &n->edge[e];
    if (!leads(w, edge)) continue;
    if (edge->node == NULL) {
      *params += (double)rl_count(edge->leaf) * (double)rl_dtype_size(edge->leaf->dtype);
      continue;
    }
    double bytes = output_bytes(edge->node);
    *live += bytes * bits(n->rows & ~edge->node->rows);
    *alone += edge->node->rows == 0 ? bytes : 0;
    edge->node->rows |= n->rows;
  }
}

static void fill_plan(walk *w, plan *p) {
  double live = 0, alone = 0, params;
  for (size_t i = 0; i < w->count; i++) w->node[i]->rows = 0;
  for (int k = 0; k < w->ask->nloss; k++)
    if (w->ask->loss[k]->node != NULL) w->ask->loss[k]->node->rows |= (uint64_t)1 << k;
  for (size_t i = 0; i < w->count; i++) {
    rl_node *n = w->node[i];
    int K = bits(n->rows);
    look_at(w, n, &live, &alone, &params);
    p->together[i] = live + params * K;
    p->single[i] = alone;
    p->stays[i] = w->ask->keeps ? 0 : params * K;
    live -= output_bytes(n) * K;
    alone -= K > 0 ? output_bytes(n) : 0;
    p->waits[i] = live;
  }
}

/* The number of nodes walked together. */
static size_t best_cut(const plan *p, size_t n) {
  double below = 0, stays = 0, above = 0, best = 0;
  size_t cut = n;
  for (size_t i = 0; i < n; i++) above = p->together[i] > above ? p->together[i] : above;
  best = above * 0.95; /* for less it is not worth it */
  for (size_t i = n; i-- > 0;) {
    below = p->single[i] > below ? p->single[i] : below;
    stays += p->stays[i];
    double top = 0, cost = below + stays + (i > 0 ? p->waits[i - 1] : 0);
    for (size_t j = 0; j < i && cost < best; j++) top = p->together[j] > top ? p->together[j] : top;
    if (cost < best && top < best) best = cost > top ? cost : top, cut = i;
  }
  return cut;
}

static rl_status choose_cut(walk *w, size_t *cut) {
  void *block = NULL;
  *cut = w->count;
  if (w->ask->complete == NULL || w->ask->nloss == 1) return RL_OK;
  size_t bytes = (4 * w->count + 1) * sizeof(double);
  RL_TRY(rl_mem_alloc(&block, bytes));
  plan p = {.together = block};
  p.waits = p.together + w->count, p.single = p.waits + w->count, p.stays = p.single + w->count;
  fill_plan(w, &p);
  *cut = best_cut(&p, w->count);
  rl_mem_free(block, bytes);
  return RL_OK;
}

/* ---- the whole */

static rl_status seed_one(walk *w, int k) {
  const rl_walk *ask = w->ask;
  rl_tensor *loss = ask->loss[k], *seed = NULL, **cell = NULL;
  rl_edge e = {.node = loss->node, .leaf = loss->node == NULL ? loss : NULL, .slot = loss->slot};
  if (ask->seed == NULL && rl_count(loss) != 1)
    return rl_fail(RL_ESHAPE, "backward: loss %d is %s, not one number; reduce it with :mean() or :sum()",
                   k + 1, rl_shape_text(&loss->shape));
  if (ask->seed != NULL && !rl_shape_equal(&ask->seed[k]->shape, &loss->shape))
    return rl_fail(RL_ESHAPE, "backward: gradient %d is %s, its tensor %s", k + 1,
                   rl_shape_text(&ask->seed[k]->shape), rl_shape_text(&loss->shape));
  RL_TRY(find_cell(w, &e, k, &cell));
  if (cell == NULL) return RL_OK;
  if (ask->seed != NULL) return put_late(cell, rl_tensor_retain(ask->seed[k]));
  RL_TRY(rl_tensor_make(&seed, loss->dtype, &loss->shape, RL_ROWMAJOR));
  rl_status s = rl_fill(seed, 1);
  if (s == RL_OK) return put_late(cell, seed);
  rl_tensor_drop(&seed);
  return s;
}

static rl_status open_scratch(walk *w) {
  size_t n = (size_t)(w->ask->nloss * (w->nin_max > RL_MAXOUT ? w->nin_max : RL_MAXOUT));
  w->scratch_bytes = n * (5 * sizeof(void *) + sizeof(int));
  RL_TRY(rl_mem_alloc(&w->scratch, w->scratch_bytes));
  w->din = w->scratch;
  w->dout = w->din + n, w->in = w->dout + n, w->late = w->in + n;
  w->cell = (rl_tensor ***)(void *)(w->late + n);
  w->beta = (int *)(void *)(w->cell + n);
  return RL_OK;
}

/* ---- leaves whose gradients are complete */

static rl_status count_uses(walk *w) {
  void *block = NULL;
  if (w->ask->complete == NULL) return RL_OK;
  RL_TRY(rl_mem_alloc(&block, (size_t)(w->ask->nx + 1) * sizeof *w->uses));
  memset(block, 0, (size_t)(w->ask->nx + 1) * sizeof *w->uses);
  w->uses = block;
  for (size_t i = 0; i < w->count; i++)
    for (int e = 0; e < w->node[i]->nin; e++) {
      const rl_tensor *leaf = w->node[i]->edge[e].leaf;
      if (leaf != NULL && leaf->target > 0) w->uses[leaf->target - 1]++;
    }
  return RL_OK;
}

static rl_status tell_complete(walk *w, const rl_node *n) {
  for (int e = 0; e < n->nin && w->uses != NULL; e++) {
    const rl_tensor *leaf = n->edge[e].leaf;
    if (leaf != NULL && leaf->target > 0 && --w->uses[leaf->target - 1] == 0)
      RL_TRY(w->ask->complete(w->ask->ctx, leaf->target - 1));
  }
  return RL_OK;
}

static rl_status fill_missing(const rl_walk *ask) {
  for (int k = 0; k < ask->nloss; k++) {
    for (int j = 0; j < ask->nx; j++) {
      rl_tensor **o = &ask->out[k * ask->nx + j], *x = ask->x[j];
      if (*o != NULL) continue;
      if (x->node == NULL && x->target != j + 1 &&
          ask->out[k * ask->nx + x->target - 1] != NULL) { /* listed twice */
        *o = rl_tensor_retain(ask->out[k * ask->nx + x->target - 1]);
        continue;
      }
      RL_TRY(rl_tensor_make_like(o, x->dtype, &x->shape, x));
      RL_TRY(rl_fill(*o, 0));
    }
  }
  return RL_OK;
}

/* Nodes first..last-1 with losses from..to-1; behind the last loss a node is done with. */
static rl_status walk_nodes(walk *w, size_t first, size_t last, int from, int to) {
  bool is_over = to == w->ask->nloss;
  rl_status s = RL_OK;
  for (size_t i = first; i < last && s == RL_OK; i++) {
    rl_node *n = w->node[i];
    bool comes = n->cot != NULL;
    if (comes) {
      rl_path_set(n->path);
      s = run_node(w, n, from, to);
      for (int k = from; k < to && !is_over; k++) drop_cots(n, k);
      if (is_over) close_cots(w, n);
    }
    if (s == RL_OK && is_over) s = tell_complete(w, n);
    if (comes && is_over && !w->ask->retain) rl_node_spend(n);
  }
  return s;
}

static rl_status run(walk *w) {
  const rl_walk *ask = w->ask;
  for (int k = 0; k < ask->nloss; k++)
    if (!rl_needs_grad(ask->loss[k]))
      return rl_fail(RL_ESTATE, "backward: loss %d does not depend on anything that requires a gradient",
                     k + 1);
  RL_TRY(reach(w));
  mark_wanted(w);
  RL_TRY(open_scratch(w));
  RL_TRY(count_uses(w));
  for (int k = 0; k < ask->nloss; k++) RL_TRY(seed_one(w, k));
  const char *path = rl_path_get();
  size_t cut;
  RL_TRY(choose_cut(w, &cut));
  rl_status s = walk_nodes(w, 0, cut, 0, ask->nloss);
  for (int k = 0; k < ask->nloss && cut < w->count && s == RL_OK; k++)
    s = walk_nodes(w, cut, w->count, k, k + 1);
  rl_path_set(path);
  return s == RL_OK && ask->complete == NULL ? fill_missing(ask) : s;
}

rl_status rl_walk_run(const rl_walk *ask) {
  if (ask->nloss < 1 || ask->nloss > 64)
    return rl_fail(RL_EARG, "grads: %d losses; 1 to 64 can be walked at once", ask->nloss);
  walk w = {.ask = ask, .mark = ++last_mark, .nin_max = 1};
  bool was = rl_grad_enable(false);
  for (int i = 0; i < ask->nloss * ask->nx; i++) ask->out[i] = NULL;
  rl_status s = run(&w);
  rl_grad_enable(was);
  for (size_t i = 0; i < w.count; i++) close_cots(&w, w.node[i]);
  for (int j = 0; j < ask->nx; j++) ask->x[j]->target = 0;
  for (int i = 0; i < ask->nloss * ask->nx && s != RL_OK; i++) rl_tensor_drop(&ask->out[i]);
  rl_mem_free(w.node, w.room * sizeof *w.node);
  rl_mem_free(w.scratch, w.scratch_bytes);
  if (w.uses != NULL) rl_mem_free(w.uses, (size_t)(ask->nx + 1) * sizeof *w.uses);
  return s;
}

rl_status rl_walk_reach(rl_tensor *y, int nx, rl_tensor *const *x, bool *reached) {
  rl_walk ask = {.nloss = 1, .loss = &y};
  walk w = {.ask = &ask, .mark = ++last_mark};
  rl_status s = reach(&w);
  for (int j = 0; j < nx; j++) x[j]->target = 0, reached[j] = x[j] == y;
  for (size_t i = 0; i < w.count && s == RL_OK; i++)
    for (int e = 0; e < w.node[i]->nin; e++)
      if (w.node[i]->edge[e].leaf != NULL) w.node[i]->edge[e].leaf->target = 1;
  for (int j = 0; j < nx; j++) reached[j] = reached[j] || x[j]->target > 0;
  for (size_t i = 0; i < w.count; i++)
    for (int e = 0; e < w.node[i]->nin; e++)
      if (w.node[i]->edge[e].leaf != NULL) w.node[i]->edge[e].leaf->target = 0;
  rl_mem_free(w.node, w.room * sizeof *w.node);
  return s;
}

rl_status rl_backward(rl_tensor *loss, bool retain) {
  rl_walk w = {.nloss = 1, .loss = &loss, .retain = retain};
  return rl_walk_run(&w);
}
