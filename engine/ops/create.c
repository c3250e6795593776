/* What rows without inputs share. */
#include "ops/create.h"
#include "base/threads.h"

#define GRAIN 8192

rl_status rl_create_meta(rl_call *c, const rl_shape *shape, rl_dtype preset) {
  const rl_arg *dtype = &c->arg[c->narg - 2], *grad = &c->arg[c->narg - 1];
  rl_meta *m = &c->meta[0];
  *m = (rl_meta){.dtype = dtype->given ? (rl_dtype)dtype->i : preset, .shape = *shape, .layout = RL_ROWMAJOR};
  if (grad->i != 0 && !rl_is_float(m->dtype))
    return rl_fail(RL_ETYPE, "%s: requires_grad: %s has no gradient; use f32 or f64", c->op->name,
                   rl_dtype_name(m->dtype));
  return rl_shape_check(c->op->name, shape);
}

rl_status rl_create_from_list(rl_call *c) {
  rl_shape shape = rl_shape_make(c->arg[0].n, c->arg[0].list);
  return rl_create_meta(c, &shape, RL_F32);
}

void rl_create_mark(rl_call *c) { c->out[0]->requires_grad = c->arg[c->narg - 1].i != 0; }

typedef struct each {
  const rl_call *c;
  double (*value)(const rl_call *c, int64_t i);
} each;

static void each_block(void *ctx, int64_t b, int worker) {
  const each *e = ctx;
  (void)worker;
  const rl_tensor *t = e->c->out[0];
  int64_t stop = (b + 1) * GRAIN, n = rl_count(t);
  for (int64_t i = b * GRAIN; i < stop && i < n; i++)
    rl_save(rl_data(t), t->dtype, (size_t)i, e->value(e->c, i));
}

rl_status rl_create_each(rl_call *c, double (*value)(const rl_call *c, int64_t i)) {
  each e = {.c = c, .value = value};
  rl_create_mark(c);
  return rl_parallel(each_block, &e, rl_blocks(rl_count(c->out[0]), GRAIN));
}

rl_status rl_create_filled(rl_call *c, double v) {
  rl_create_mark(c);
  return rl_fill(c->out[0], v);
}
