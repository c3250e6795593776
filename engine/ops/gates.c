/* Blocks of pixels under gates. */
#include "ops/gates.h"

#include "base/bypass.h"
#include "base/mem.h"
#include "base/threads.h"
#include "ops/real.h"

#include <string.h>

#define BLOCK 32768 /* elements of a block, about */
#define NEAR  4096  /* elements made in a buffer where what is made goes past the caches */

typedef struct run {
  rl_call *c;
  rl_gates_body body;
  rl_tensor *out;
  int add;
  int64_t pixels, channels; /* of an image */
  int64_t block, blocks;    /* pixels of a block; blocks of an image */
  size_t width;
  int64_t few;  /* pixels of the buffer; 0: out is written where it lies */
  double *sums; /* [image][block][channels], or NULL */
} run;

rl_status rl_gates_check(const rl_call *c) {
  const rl_shape *x = &c->in[0]->shape, *gate = &c->in[1]->shape;
  if (x->rank != 4)
    return rl_fail(RL_ESHAPE, "%s: x is %s; it needs four dims N,C,H,W", c->op->name, rl_shape_text(x));
  rl_shape want = {4, {x->size[0], x->size[1], 1, 1}};
  if (x->size[1] == 0)
    return rl_fail(RL_ESHAPE, "%s: x is %s; it has no channels", c->op->name, rl_shape_text(x));
  if (!rl_shape_equal(gate, &want))
    return rl_fail(RL_ESHAPE, "%s: gate is %s, must be %s for x %s", c->op->name, rl_shape_text(gate),
                   rl_shape_text(&want), rl_shape_text(x));
  if (c->nin < 3) return RL_OK;
  want = (rl_shape){4, {x->size[0], 1, x->size[2], x->size[3]}};
  if (!rl_shape_equal(&c->in[2]->shape, &want))
    return rl_fail(RL_ESHAPE, "%s: at is %s, must be %s for x %s", c->op->name,
                   rl_shape_text(&c->in[2]->shape), rl_shape_text(&want), rl_shape_text(x));
  return RL_OK;
}

static run run_of(rl_call *c, rl_tensor *out, int add, rl_gates_body body) {
  const int64_t *x = c->in[0]->shape.size;
  run r = {.c = c, .body = body, .out = out, .add = add, .channels = x[1], .pixels = x[2] * x[3]};
  r.width = rl_dtype_size(c->dtype);
  r.block = BLOCK / r.channels > 16 ? BLOCK / r.channels : 16;
  r.blocks = rl_blocks(r.pixels, r.block);
  size_t bytes = out == NULL || add ? 0 : (size_t)rl_count(out) * r.width;
  if (bytes >= RL_BYPASS_BYTES) r.few = NEAR / r.channels;
  return r;
}

static void *past(const run *r, void *p, int64_t elements) {
  return p == NULL ? NULL : (char *)p + elements * (int64_t)r->width;
}

static void *data_of(const rl_tensor *t) { return t == NULL || t->storage == NULL ? NULL : rl_data(t); }

/* Pixels from..from+rows of an image. */
static void pixels(const run *r, int64_t image, int64_t from, int64_t rows, double *dgate) {
  char buffer[NEAR * 8] __attribute__((aligned(64)));
  const rl_call *c = r->c;
  int64_t at = image * r->pixels + from;
  rl_gates w = {.rows = (size_t)rows, .c = (size_t)r->channels, .dgate = dgate};
  w.x = past(r, data_of(c->in[0]), at * r->channels);
  w.gate = past(r, data_of(c->in[1]), image * r->channels);
  void *y = past(r, data_of(r->out), at * r->channels);
  w.y = r->few > 0 ? buffer : y;
  w.add = r->add;
  r->body(c, &w, at);
  if (r->few > 0) rl_bypass(y, buffer, (size_t)(rows * r->channels) * r->width);
}

static void run_block(void *ctx, int64_t b, int worker) {
  const run *r = ctx;
  int64_t image = b / r->blocks, from = b % r->blocks * r->block, step = r->few > 0 ? r->few : r->block;
  int64_t stop = from + r->block < r->pixels ? from + r->block : r->pixels;
  double *dgate = r->sums == NULL ? NULL : r->sums + b * r->channels;
  (void)worker;
  if (dgate != NULL) memset(dgate, 0, (size_t)r->channels * sizeof *dgate);
  for (; from < stop; from += step) pixels(r, image, from, stop - from < step ? stop - from : step, dgate);
  if (r->few > 0) rl_bypass_end();
}

rl_status rl_gates_forward(rl_call *c, rl_tensor *out, rl_gates_body body) {
  run r = run_of(c, out, 0, body);
  return rl_parallel(run_block, &r, c->in[0]->shape.size[0] * r.blocks);
}

static void give_gate(const run *r) {
  rl_tensor *d = r->c->din[1];
  int64_t n = r->c->in[0]->shape.size[0];
  for (int64_t i = 0; i < n * r->channels; i++) {
    double v = r->c->beta[1] ? rl_real_get(d->dtype, rl_data(d), i) : 0;
    for (int64_t b = 0; b < r->blocks; b++)
      v += r->sums[(i / r->channels * r->blocks + b) * r->channels + i % r->channels];
    rl_real_set(d->dtype, rl_data(d), i, v);
  }
}

rl_status rl_gates_backward(rl_call *c, rl_gates_body body) {
  run r = run_of(c, c->din[0], c->beta[0], body);
  int64_t n = c->in[0]->shape.size[0];
  void *sums = NULL;
  size_t bytes = (size_t)(n * r.blocks * r.channels) * sizeof(double);
  if (c->din[1] != NULL) RL_TRY(rl_mem_alloc(&sums, bytes));
  r.sums = sums;
  rl_status s = rl_parallel(run_block, &r, n * r.blocks);
  if (s == RL_OK && sums != NULL) give_gate(&r);
  rl_mem_free(sums, bytes);
  return s;
}
