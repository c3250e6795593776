/* dropout: y = x / (1 - p) with probability 1 - p, else 0.  [any shape] -> [same]
** Source: Srivastava et al., JMLR 2014. Element i (row-major) is kept if the i-th number of this call's place in
** the random stream is at least p: the same elements whatever the layout and the number of threads. */
#include "base/threads.h"
#include "ops/op.h"

enum { P, TRAINING };
#define GRAIN 8192 /* elements of a block; even */

static bool drops(const rl_call *c) { return c->arg[TRAINING].i != 0 && c->arg[P].num > 0; }
static double factor(const rl_call *c) { return c->arg[P].num < 1 ? 1 / (1 - c->arg[P].num) : 0; }

/* ---- which elements stay: one byte each */

typedef struct draw {
  const rl_call *c;
  uint8_t *stays;
  int64_t n;
} draw;

static bool at_least(uint32_t hi, uint32_t lo, double limit) { /* rl_uniform >= p, for limit = p 2^53 */
  return (double)((((uint64_t)hi << 32) | lo) >> 11) >= limit;
}

static void draw_block(void *ctx, int64_t b,
                       int worker) { /* two elements from one draw, as rl_uniform gives them */
  const draw *d = ctx;
  (void)worker;
  const rl_stream *s = &d->c->draw;
  int64_t stop = (b + 1) * GRAIN < d->n ? (b + 1) * GRAIN : d->n;
  double limit = d->c->arg[P].num * 0x1p53;
  for (int64_t i = b * GRAIN; i < stop; i += 2) {
    uint32_t w[4];
    rl_philox(s->seed, s->stream, (uint32_t)s->step, 0, (uint64_t)i / 2, w);
    d->stays[i] = at_least(w[0], w[1], limit);
    if (i + 1 < stop) d->stays[i + 1] = at_least(w[2], w[3], limit);
  }
}

/* ---- y = [y +] x factor where the element stays */

typedef struct mask {
  const rl_call *c;
  double by;
  int add;
} mask;

static void mask_run(void *ctx, void *const *ptr, size_t n) {
  const mask *m = ctx;
  RL_BY_TYPE(m->c, masked_scale, ptr[0], ptr[1], ptr[2], m->by, m->add, n);
}

static rl_status apply(const rl_call *c, rl_tensor *y, rl_tensor *x, rl_tensor *stays, int add) {
  mask m = {.c = c, .by = factor(c), .add = add};
  rl_tensor *operand[3] = {y, x, stays};
  return rl_iter(&y->shape, 3, operand, add ? 7 : 6, 1, mask_run, &m);
}

static rl_status forward(rl_call *c) {
  if (!drops(c)) return rl_copy(c->out[0], c->in[0], false);
  RL_TRY(rl_keep(c, 0, RL_U8, &c->in[0]->shape));
  draw d = {.c = c, .stays = rl_data(c->keep[0]), .n = rl_count(c->in[0])};
  RL_TRY(rl_parallel(draw_block, &d, rl_blocks(d.n, GRAIN)));
  return apply(c, c->out[0], c->in[0], c->keep[0], 0);
}

static rl_status backward(rl_call *c) {
  if (c->din[0] == NULL) return RL_OK;
  if (!drops(c)) return rl_copy(c->din[0], c->dout[0], c->beta[0] != 0);
  return apply(c, c->din[0], c->dout[0], c->keep[0], c->beta[0]);
}

static const rl_param params[] = {
    {.name = "p",
     .kind = RL_NUMBER,
     .preset = 0.5,
     .lo = 0,
     .hi = 1,
     .doc = "an element's chance to become 0"},
    {.name = "training", .kind = RL_BOOLEAN, .preset = 1, .doc = "false: y = x"},
    {0}};

const rl_op rl_op_dropout = {
    .name = "dropout",
    .doc = "each element becomes 0 with probability p, the others are divided by 1 - p; any shape",
    .stochastic = true,
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .params = params,
    .samples = "{ T{2, 3} } { T{2, 3, 4}, 0.25 } { T{2, 3}, { training = false } } { T{0} } { T{} }",
    .shape = rl_shape_same,
    .forward = forward,
    .backward = backward,
};
