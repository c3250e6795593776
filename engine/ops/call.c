/* One application of an op: check, lay out, allocate, run, record. */
#include "autograd/node.h"
#include "base/mem.h"
#include "base/threads.h"
#include "ops/op.h"
#include "ops/finite.h"
#include "ops/pointwise.h"
#include "ops/profile.h"

#include <math.h>
#include <string.h>

#define FEW 16

typedef struct work { /* what a call owns while it runs */
  rl_tensor **given;  /* the caller's inputs */
  rl_tensor **made;   /* inputs laid out: retained or copied */
  bool *need;
  rl_tensor *few[FEW];
  bool few_need[FEW];
  rl_node *node; /* reserved, not yet recorded */
  void *many;    /* for more than FEW inputs */
  size_t many_bytes;
} work;

static rl_status work_open(work *w, rl_call *c) {
  w->given = c->in;
  w->made = w->few;
  w->need = w->few_need;
  w->node = NULL;
  w->many = NULL;
  if (c->nin > FEW) {
    w->many_bytes = (size_t)c->nin * (sizeof(rl_tensor *) + sizeof(bool));
    RL_TRY(rl_mem_alloc(&w->many, w->many_bytes));
    w->made = w->many;
    w->need = (bool *)(w->made + c->nin);
  }
  memset(w->made, 0, (size_t)c->nin * sizeof *w->made);
  memset(w->need, 0, (size_t)c->nin * sizeof *w->need);
  return RL_OK;
}

static void work_close(work *w, rl_call *c) {
  for (int i = 0; i < c->nin; i++)
    if (w->made[i] != NULL && w->made[i] != w->given[i]) rl_tensor_drop(&w->made[i]);
  if (w->many != NULL) rl_mem_free(w->many, w->many_bytes);
  if (w->node != NULL) rl_mem_free(w->node, w->node->bytes);
  c->in = w->given;
}

static rl_status check_arg(const rl_op *op, const rl_param *p, rl_arg *a, int rank) {
  if (!a->given) {
    if (p->required) return rl_fail(RL_EARG, "%s: %s is missing", op->name, p->name);
    if (p->optional) return RL_OK;
    a->num = p->preset;
    a->i = (int64_t)p->preset;
    a->n = p->len;
    for (int j = 0; j < a->n; j++) a->list[j] = a->i;
    return RL_OK;
  }
  bool ranged = p->lo != 0 || p->hi != 0;
  if (ranged && (p->kind == RL_NUMBER || p->kind == RL_INTEGER) && !(a->num >= p->lo && a->num <= p->hi))
    return rl_fail(RL_EARG, "%s: %s = %g is not between %g and %g", op->name, p->name, a->num, p->lo, p->hi);
  if (p->kind == RL_INTEGERS) {
    if (p->len > 0 && a->n != p->len)
      return rl_fail(RL_EARG, "%s: %s has %d numbers, %d are needed", op->name, p->name, a->n, p->len);
    for (int j = 0; ranged && j < a->n; j++)
      if ((double)a->list[j] < p->lo || (p->hi != 0 && (double)a->list[j] > p->hi))
        return rl_fail(RL_EARG, "%s: %s = %lld is below %g", op->name, p->name, (long long)a->list[j], p->lo);
  }
  if (p->kind == RL_DIM || p->kind == RL_DIMS) {
    int limit = rank + p->extra;
    for (int j = 0; j < (p->kind == RL_DIM ? 1 : a->n); j++) {
      int64_t *d = p->kind == RL_DIM ? &a->i : &a->list[j], was = *d;
      if (*d < 0) *d += limit;
      if (*d < 0 || *d >= limit)
        return rl_fail(RL_EARG,
                       "%s: dim %lld is not among the %d dims; they count 1 to %d, or -1 to -%d from the end",
                       op->name, (long long)(was < 0 ? was : was + 1), limit, limit, limit);
      for (int i = 0; i < j; i++)
        if (a->list[i] == *d)
          return rl_fail(RL_EARG, "%s: dim %lld is named twice", op->name, (long long)(*d + 1));
    }
  }
  return RL_OK;
}

/* The dtype to compute in: that of the first input, or under `promote` the widest float among the inputs. */
static rl_status choose_dtype(rl_call *c) {
  const rl_op *op = c->op;
  bool found = false;
  c->dtype = RL_F32;
  for (int i = 0; i < c->nin; i++) {
    const rl_tensor *t = c->in[i];
    if (t == NULL || rl_op_input(op, i)->dtypes != 0) continue;
    if (!(op->dtypes >> t->dtype & 1))
      return rl_fail(RL_ETYPE, "%s: %s is %s, which this op does not take; convert it with x:to(\"f32\")",
                     op->name, rl_op_input(op, i)->name, rl_dtype_name(t->dtype));
    if (!found)
      c->dtype = t->dtype;
    else if (t->dtype != c->dtype && !t->is_scalar) {
      if (!op->promote)
        return rl_fail(RL_ETYPE, "%s: %s is %s, the first input %s; convert one with x:to", op->name,
                       rl_op_input(op, i)->name, rl_dtype_name(t->dtype), rl_dtype_name(c->dtype));
      bool wider = rl_is_float(t->dtype) ? !rl_is_float(c->dtype) || t->dtype == RL_F64
                                         : !rl_is_float(c->dtype) && t->dtype == RL_I64;
      if (wider) c->dtype = t->dtype;
    }
    if (!t->is_scalar) found = true;
  }
  return RL_OK;
}

static rl_status check_inputs(rl_call *c) {
  const rl_op *op = c->op;
  for (int i = 0; i < c->nin; i++) {
    const rl_input *row = rl_op_input(op, i);
    const rl_tensor *t = c->in[i];
    if (t == NULL && !row->optional) return rl_fail(RL_EARG, "%s: %s is missing", op->name, row->name);
    if (t != NULL && row->dtypes != 0 && !(row->dtypes >> t->dtype & 1))
      return rl_fail(RL_ETYPE, "%s: %s is %s, which does not do here; convert it with x:to(\"%s\")", op->name,
                     row->name, rl_dtype_name(t->dtype),
                     row->dtypes & RL_INDEX        ? "i64"
                     : row->dtypes & RL_DT(RL_F32) ? "f32"
                                                   : "f64");
  }
  return choose_dtype(c);
}

static rl_status lay_out(rl_call *c, work *w) {
  const rl_op *op = c->op;
  rl_dtype in_dtype = op->ints_in_f64 && !rl_is_float(c->dtype) ? RL_F64 : c->dtype;
  for (int i = 0; i < c->nin; i++) {
    rl_tensor *t = c->in[i];
    if (t == NULL) continue;
    const rl_input *row = rl_op_input(op, i);
    rl_layout layout = row->layout != RL_ANY ? row->layout : op->layout;
    rl_dtype want = row->dtypes != 0 ? t->dtype : in_dtype;
    if (t->is_scalar || row->in_place || (op->class != RL_COMPUTE && layout == RL_ANY) ||
        (t->dtype == want && rl_lies(t, layout)))
      w->made[i] = t; /* the caller holds it */
    else
      RL_TRY(rl_arrange(&w->made[i], t, want, layout));
    w->need[i] = !row->fixed && rl_needs_grad(t);
  }
  c->in = w->made;
  c->need = w->need;
  return RL_OK;
}

static rl_status allocate(rl_call *c) {
  for (int o = 0; o < c->nout; o++) {
    const rl_meta *m = &c->meta[o];
    if (m->layout == RL_ANY)
      RL_TRY(rl_tensor_make_like(&c->out[o], m->dtype, &m->shape, m->like));
    else
      RL_TRY(rl_tensor_make(&c->out[o], m->dtype, &m->shape, m->layout));
  }
  return RL_OK;
}

static rl_status prepare_view(rl_call *c) {
  RL_TRY(rl_tensor_alias(&c->out[0], c->in[0]));
  c->out[0]->shape = c->meta[0].shape;
  return RL_OK;
}

static rl_status prepare_in_place(rl_call *c) {
  rl_tensor *t = c->in[0];
  if (c->grad)
    return rl_fail(
        RL_ESTATE,
        "%s: a tensor that takes part in a gradient cannot be changed in place; use the plain form, "
        "rl.cat or rl.stack, or rl.no_grad",
        c->op->name);
  for (int d = 0; d < t->shape.rank; d++)
    if (t->stride[d] == 0 && t->shape.size[d] > 1)
      return rl_fail(RL_ESTATE,
                     "%s: the tensor is expanded, its elements share memory; use x:contiguous() first",
                     c->op->name);
  c->out[0] = rl_tensor_retain(t);
  c->nout = 1;
  return RL_OK;
}

static rl_status cast_back(rl_call *c, rl_dtype to) { /* integers were computed in f64 */
  for (int o = 0; o < c->nout; o++) {
    if (c->out[o]->dtype != RL_F64) continue;
    rl_tensor *cast = NULL;
    RL_TRY(rl_arrange(&cast, c->out[o], to, RL_ANY));
    rl_tensor_drop(&c->out[o]);
    c->out[o] = cast;
  }
  return RL_OK;
}

static rl_status compute(rl_call *c, work *w, rl_arg *arg) {
  const rl_op *op = c->op;
  RL_TRY(check_inputs(c));
  int rank = c->nin > 0 && c->in[0] != NULL ? c->in[0]->shape.rank : 0;
  for (int p = 0; p < c->narg; p++) RL_TRY(check_arg(op, &op->params[p], &arg[p], rank));
  RL_TRY(lay_out(c, w));
  for (int i = 0; i < c->nin && rl_grad_enabled(); i++) c->grad = c->grad || w->need[i];
  c->nout = 1;
  if (op->stochastic) {
    c->draw = *rl_stream_default();
    rl_stream_default()->step++;
  }
  rl_dtype chosen = c->dtype;
  if (op->ints_in_f64 && !rl_is_float(chosen)) c->dtype = RL_F64;
  if (op->class == RL_INPLACE) {
    if (op->shape != NULL) RL_TRY(op->shape(c));
    RL_TRY(prepare_in_place(c));
  } else {
    RL_TRY(op->shape(c));
    RL_TRY(op->class == RL_VIEW ? prepare_view(c) : allocate(c));
  }
  if (c->grad && (op->backward != NULL || op->view_back != NULL)) RL_TRY(rl_node_reserve(&w->node, c));
  rl_fpmode mode = rl_fp_enter();
  rl_status s = op->layout == RL_RUNS ? rl_runs_forward(c) : op->forward(c);
  rl_fp_leave(mode);
  RL_TRY(s);
  if (op->class == RL_INPLACE) c->out[0]->storage->version++;
  for (int i = 0; i < c->nin; i++)
    if (rl_op_input(op, i)->in_place && c->in[i] != NULL) c->in[i]->storage->version++;
  if (c->dtype != chosen) RL_TRY(cast_back(c, chosen));
  if (w->node != NULL) rl_node_record(w->node, c, w->given);
  w->node = NULL;
  return RL_OK;
}

static rl_status run(rl_call *c) {
  work w; /* work_open sets what is used */
  rl_arg arg[RL_MAXARG];
  c->k = rl_kernels_best();
  c->narg = rl_op_params(c->op);
  if (c->narg > 0) memcpy(arg, c->arg, (size_t)c->narg * sizeof *arg);
  const rl_arg *given = c->arg;
  c->arg = arg;
  RL_TRY(work_open(&w, c));
  rl_status s = compute(c, &w, arg);
  work_close(&w, c);
  c->arg = given;
  for (int j = 0; j < RL_MAXKEEP; j++)
    if (c->keep[j] != NULL) rl_tensor_drop(&c->keep[j]);
  if (s != RL_OK)
    for (int o = 0; o < RL_MAXOUT; o++) rl_tensor_drop(&c->out[o]);
  return s;
}

rl_status rl_call_run(rl_call *c) {
  if (!rl_profiling && !rl_watching) return run(c);
  rl_profile_mark m = rl_profile_begin();
  RL_TRY(run(c));
  if (rl_watching) rl_finite_look(c);
  if (!rl_profiling) return RL_OK;
  rl_profile_end(&m, c->op->name, false, rl_profile_bytes(c), c->op->flops == NULL ? 0 : c->op->flops(c));
  return RL_OK;
}

/* ---- the public face: options by name */

static rl_status take_option(const rl_op *op, const rl_option *o, rl_arg *arg) {
  int n = rl_op_params(op), p = 0;
  while (p < n && strcmp(op->params[p].name, o->name) != 0) p++;
  if (p == n) return rl_fail(RL_EARG, "%s: unknown option \"%s\"", op->name, o->name);
  rl_arg *a = &arg[p];
  a->given = true;
  a->num = o->num;
  a->i = (int64_t)o->num;
  a->n = o->nlist > 0 ? o->nlist : op->params[p].len > 0 ? op->params[p].len : 1;
  if (a->n > RL_MAXRANK)
    return rl_fail(RL_EARG, "%s: %s has more than %d numbers", op->name, o->name, RL_MAXRANK);
  for (int j = 0; j < a->n; j++) a->list[j] = o->nlist > 0 ? o->list[j] : a->i;
  if (op->params[p].kind != RL_ENUM) return RL_OK;
  a->i = o->word == NULL ? -1 : rl_word_find(op->params[p].words, o->word);
  return a->i >= 0 ? RL_OK : rl_fail(RL_EARG, "%s: %s is one of %s", op->name, o->name, op->params[p].words);
}

int rl_word_find(const char *words, const char *word) {
  size_t len = strlen(word);
  int i = 0;
  for (const char *w = words; *w != '\0'; i++) {
    size_t n = strcspn(w, " ");
    if (n == len && memcmp(w, word, n) == 0) return i;
    w += n + (w[n] == ' ');
  }
  return -1;
}

rl_status rl_apply(const char *name, rl_tensor *const *in, int nin, const rl_option *options, int noption,
                   rl_tensor **out, int *nout) {
  rl_arg arg[RL_MAXARG] = {0};
  rl_tensor *few[FEW] = {0};
  const rl_op *op = rl_op_find(name);
  if (op == NULL) return rl_fail(RL_EARG, "apply: there is no op \"%s\"", name);
  for (int i = 0; i < noption; i++) RL_TRY(take_option(op, &options[i], arg));
  bool variadic = rl_op_inputs(op) > 0 && rl_op_input(op, FEW)->variadic;
  int n = variadic ? nin : rl_op_inputs(op);
  if (nin > n || (nin > FEW && !variadic))
    return rl_fail(RL_EARG, "%s: takes %d tensors, not %d", name, n, nin);
  for (int i = 0; i < nin && i < FEW; i++) few[i] = in[i];
  rl_call c = {.op = op, .arg = arg, .nin = n};
  c.in = nin > FEW ? (rl_tensor **)(uintptr_t)in : few;
  RL_TRY(rl_call_run(&c));
  for (int o = 0; o < c.nout; o++) out[o] = c.out[o];
  *nout = c.nout;
  return RL_OK;
}
