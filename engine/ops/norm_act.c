/* norm_act: y = act(norm(x) + residual) by channel (dim 2 of Lua's count), one pass over the data where the moments are
** known.  [N, C], [N, C, L] or [N, C, H, W] -> [same]
** Backward: one pass for the sums, in which the residual's gradient is written, one for dx. batch_norm is the same with
** fewer parts. Sums: each block of rows by itself, blocks are added in order. */
#include "ops/normalise.h"

#include "base/bypass.h"
#include "base/mem.h"
#include "base/threads.h"
#include "ops/rows.h"

#include <string.h>

#define BLOCK  32768 /* elements of a block, at least */
#define ROWS   64    /* rows of a block, at least */
#define TILE   16384 /* elements that stay in the second cache while several gradients are looked at */
#define BLOCKS 16    /* partial sums at most */
#define NEAR   4096  /* elements made in a buffer where the output goes past the caches */

typedef struct lane { /* one cotangent's tensors */
  rl_rows v, dx, dres;
  int add_dx, add_dres;
} lane;

typedef struct pass { /* one sweep over the rows */
  const rl_call *c;
  rl_norm_map map;
  int64_t rows, n, block, tile; /* M x C; rows of a block, of a tile */
  rl_gate gate;
  rl_rows x, y, residual;
  lane *lane;  /* ncot of them */
  double *sum; /* [blocks][ncot][3 C] */
  void *coef;  /* [ncot][2 C]: a, b; NULL: dx needs no correction */
  void *work;
  size_t bytes;
} pass;

static void set_blocks(pass *p) {
  int64_t wide = p->n > 0 ? p->n : 1, least = (p->rows + BLOCKS - 1) / BLOCKS;
  p->block = BLOCK / wide > least ? BLOCK / wide : least;
  if (p->block < ROWS) p->block = ROWS;
  p->tile = TILE / wide > 32 ? TILE / wide : 32;
}

static int64_t blocks_of(const pass *p) { return rl_blocks(p->rows, p->block); }

static void *row_of(const pass *p, void *base, int64_t row) {
  return base == NULL ? NULL : rl_real_at(p->c->dtype, base, row * p->n);
}

/* ---- forward */

/* Rows of the buffer that a large output is made in; 0: it is written where it lies. */
static int64_t rows_near(const pass *p, bool written) {
  size_t bytes = (size_t)(p->rows * p->n) * (p->c->dtype == RL_F64 ? 8 : 4);
  return written && bytes >= RL_BYPASS_BYTES && p->n <= NEAR ? NEAR / p->n : 0;
}

static void bypass(const pass *p, void *to, const void *near, int64_t rows) {
  rl_bypass(to, near, (size_t)(rows * p->n) * (p->c->dtype == RL_F64 ? 8 : 4));
}

static void map_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  char buffer[NEAR * 8] __attribute__((aligned(64)));
  int64_t stop = (b + 1) * p->block < p->rows ? (b + 1) * p->block : p->rows, few = rows_near(p, true);
  (void)worker;
  for (int64_t from = b * p->block, m = 0; from < stop; from += m) {
    void *y = row_of(p, p->y.data, from);
    m = few > 0 && few < stop - from ? few : stop - from;
    RL_BY_TYPE(p->c, norm_map, &p->map, few > 0 ? (void *)buffer : y, row_of(p, p->x.data, from),
               row_of(p, p->residual.data, from), (size_t)m);
    if (few > 0) bypass(p, y, buffer, m);
  }
  if (few > 0) rl_bypass_end();
}

static rl_status apply(pass *p, const rl_norm_row *r) {
  const rl_call *c = p->c;
  double *stat = rl_data(c->keep[0]);
  RL_TRY(rl_norm_statistics(c, r, p->x.data, p->rows, p->n, stat));
  p->map = rl_norm_place(c, r, rl_data(c->keep[1]), p->n);
  rl_norm_numbers(c, r, stat, false, &p->map);
  set_blocks(p);
  RL_TRY(rl_parallel(map_block, p, blocks_of(p)));
  rl_norm_move(c, r, stat, p->rows);
  return RL_OK;
}

rl_status rl_norm_forward(rl_call *c, const rl_norm_row *r) {
  pass p = {.c = c, .n = c->in[0]->shape.size[1]};
  rl_tensor *residual = rl_norm_in(c, r->residual);
  RL_TRY(rl_keep(c, 0, RL_F64, &(rl_shape){.rank = 2, .size = {3, p.n}}));
  RL_TRY(rl_keep(c, 1, c->dtype, &(rl_shape){.rank = 2, .size = {RL_NORM_LISTS, p.n}}));
  rl_status s = rl_rows_read(&p.x, c->in[0], 1);
  if (s == RL_OK && residual != NULL) s = rl_rows_read(&p.residual, residual, 1);
  if (s == RL_OK) s = rl_rows_write(&p.y, c->out[0], 1, false);
  p.rows = p.x.rows;
  if (s == RL_OK) s = apply(&p, r);
  rl_rows_drop(&p.x);
  rl_rows_drop(&p.residual);
  if (s == RL_OK) return rl_rows_finish(&p.y, false);
  rl_rows_drop(&p.y);
  return s;
}

/* ---- backward */

static rl_gate gate_of(const rl_call *c, const rl_norm_row *r) {
  bool rest = rl_norm_in(c, r->residual) != NULL;
  switch (rl_norm_act(c, r)) {
  case RL_ACT_RELU: return rest ? RL_GATE_Y : RL_GATE_X;
  case RL_ACT_PRELU: return rest ? RL_GATE_SLOPE_REST : RL_GATE_SLOPE;
  case RL_ACT_NONE: break;
  }
  return RL_GATE_OPEN;
}

static bool reads_x(const rl_call *c, const rl_norm_row *r) {
  rl_gate gate = gate_of(c, r);
  return rl_norm_by_batch(c, r) || rl_norm_needs(c, r->weight) || (gate != RL_GATE_OPEN && gate != RL_GATE_Y);
}

static bool wants_sums(const rl_call *c, const rl_norm_row *r) {
  return (rl_norm_by_batch(c, r) && c->need[0]) || rl_norm_needs(c, r->weight) || rl_norm_needs(c, r->bias) ||
         rl_norm_needs(c, r->slope) || (rl_norm_needs(c, r->residual) && gate_of(c, r) != RL_GATE_OPEN);
}

unsigned rl_norm_saves(const rl_call *c, const rl_norm_row *r) {
  rl_gate gate = gate_of(c, r);
  return (reads_x(c, r) ? RL_SAVE_IN(0) : 0u) | (gate == RL_GATE_Y ? RL_SAVE_OUT(0) : 0u) |
         (gate == RL_GATE_SLOPE_REST ? RL_SAVE_IN(r->residual) : 0u);
}

/* Rows from..from+rows of cotangent k. Where the sums left dz behind, `after` them that is read instead of v and its
** gate. */
static rl_norm_back work_of(const pass *p, int k, int64_t from, int64_t rows, bool after) {
  const lane *q = &p->lane[k];
  bool done = after && q->dres.data != NULL && !q->add_dres;
  const rl_rows *v = done ? &q->dres : &q->v, *other = p->gate == RL_GATE_Y ? &p->y : &p->residual;
  return (rl_norm_back){.f = &p->map,
                        .gate = done ? RL_GATE_OPEN : p->gate,
                        .rows = (size_t)rows,
                        .v = row_of(p, v->data, from),
                        .x = row_of(p, p->x.data != NULL ? p->x.data : v->data, from), /* unsaved: not used */
                        .other = row_of(p, other->data, from)};
}

static void sums_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  int64_t stop = (b + 1) * p->block < p->rows ? (b + 1) * p->block : p->rows;
  (void)worker;
  for (int64_t i = b * p->block; i < stop; i += p->tile)
    for (int k = 0; k < p->c->ncot; k++) {
      rl_norm_back w = work_of(p, k, i, stop - i < p->tile ? stop - i : p->tile, false);
      w.sums = p->sum + (b * p->c->ncot + k) * 3 * p->n;
      w.dz = row_of(p, p->lane[k].dres.data, i);
      w.add_dz = p->lane[k].add_dres;
      RL_BY_TYPE(p->c, norm_sums, &w);
    }
}

/* Rows from..from+rows of cotangent k, dx and all. */
static void grad_rows(const pass *p, int k, int64_t from, int64_t rows, void *dx) {
  rl_norm_back w = work_of(p, k, from, rows, true);
  w.dx = dx;
  w.add = p->lane[k].add_dx;
  if (p->coef != NULL) {
    w.a = rl_real_at(p->c->dtype, p->coef, 2 * k * p->n);
    w.b = rl_real_at(p->c->dtype, w.a, p->n);
  }
  RL_BY_TYPE(p->c, norm_grad, &w);
}

static void grad_block(void *ctx, int64_t b, int worker) {
  const pass *p = ctx;
  char buffer[NEAR * 8] __attribute__((aligned(64)));
  int64_t stop = (b + 1) * p->block < p->rows ? (b + 1) * p->block : p->rows;
  (void)worker;
  for (int64_t i = b * p->block; i < stop; i += p->tile)
    for (int k = 0; k < p->c->ncot; k++) {
      if (p->lane[k].dx.data == NULL) continue;
      int64_t end = i + p->tile < stop ? i + p->tile : stop, few = rows_near(p, !p->lane[k].add_dx);
      for (int64_t from = i, m = 0; from < end; from += m) {
        void *dx = row_of(p, p->lane[k].dx.data, from);
        m = few > 0 && few < end - from ? few : end - from;
        grad_rows(p, k, from, m, few > 0 ? (void *)buffer : dx);
        if (few > 0) bypass(p, dx, buffer, m);
      }
    }
  rl_bypass_end(); /* of any of them */
}

/* Adds the blocks' sums into the first block's, in order. */
static void fold(const pass *p, const double *stat) {
  int64_t width = p->c->ncot * 3 * p->n;
  for (int64_t b = 1; b < blocks_of(p); b++)
    for (int64_t i = 0; i < width; i++) p->sum[i] += p->sum[b * width + i];
  for (int k = 0; k < p->c->ncot; k++) {
    double *sum = p->sum + k * 3 * p->n;
    for (int64_t j = 0; j < p->n; j++) sum[p->n + j] *= stat[2 * p->n + j];
    rl_norm_centre(p->c, stat, &p->map, sum);
  }
}

static rl_status all_grads(pass *p, const rl_norm_row *r) {
  const rl_call *c = p->c;
  const double *stat = rl_data(c->keep[0]);
  if (wants_sums(c, r)) RL_TRY(rl_parallel(sums_block, p, blocks_of(p)));
  fold(p, stat);
  for (int k = 0; k < c->ncot; k++) {
    const double *sum = p->sum + k * 3 * p->n;
    rl_norm_give(c, r, k, sum, p->n);
    void *a = p->coef == NULL ? NULL : rl_real_at(c->dtype, p->coef, 2 * k * p->n);
    if (a != NULL) rl_norm_correction(c, stat, sum, p->rows, &p->map, a, rl_real_at(c->dtype, a, p->n));
  }
  return c->need[0] ? rl_parallel(grad_block, p, blocks_of(p)) : RL_OK;
}

static rl_status open_lane(const rl_call *c, const rl_norm_row *r, int k, lane *q) {
  int at = k * c->nin;
  rl_tensor *dx = c->din[at], *dres = r->residual < 0 ? NULL : c->din[at + r->residual];
  RL_TRY(rl_rows_read(&q->v, c->dout[k], 1));
  if (dx != NULL) RL_TRY(rl_rows_write(&q->dx, dx, 1, false));
  if (dres != NULL) RL_TRY(rl_rows_write(&q->dres, dres, 1, false));
  q->add_dx = dx != NULL && c->beta[at] != 0 && q->dx.made == NULL;
  q->add_dres = dres != NULL && c->beta[at + r->residual] != 0 && q->dres.made == NULL;
  return RL_OK;
}

static rl_status close_lane(const rl_call *c, const rl_norm_row *r, int k, lane *q, rl_status s) {
  rl_rows_drop(&q->v);
  if (s == RL_OK) s = rl_rows_finish(&q->dx, c->beta[k * c->nin] != 0);
  if (s == RL_OK && r->residual >= 0) s = rl_rows_finish(&q->dres, c->beta[k * c->nin + r->residual] != 0);
  rl_rows_drop(&q->dx);
  rl_rows_drop(&q->dres);
  return s;
}

/* All the memory there is need for. */
static rl_status open_pass(pass *p, const rl_norm_row *r) {
  const rl_call *c = p->c;
  size_t lanes = (size_t)c->ncot * sizeof *p->lane;
  p->rows = rl_norm_values(&c->out[0]->shape);
  set_blocks(p);
  size_t sums = (size_t)((blocks_of(p) + 1) * c->ncot * 3 * p->n), coefs = (size_t)(c->ncot * 2 * p->n);
  p->bytes = lanes + (sums + coefs) * sizeof(double);
  RL_TRY(rl_mem_alloc(&p->work, p->bytes));
  memset(p->work, 0, p->bytes);
  p->sum = p->work;
  p->lane = (lane *)(void *)(p->sum + sums + coefs);
  if (rl_norm_by_batch(c, r)) p->coef = p->sum + sums;
  if (reads_x(c, r)) RL_TRY(rl_rows_read(&p->x, c->in[0], 1));
  if (p->gate == RL_GATE_Y) RL_TRY(rl_rows_read(&p->y, c->out[0], 1));
  if (p->gate == RL_GATE_SLOPE_REST) RL_TRY(rl_rows_read(&p->residual, c->in[r->residual], 1));
  for (int k = 0; k < c->ncot; k++) RL_TRY(open_lane(c, r, k, &p->lane[k]));
  return RL_OK;
}

rl_status rl_norm_backward(rl_call *c, const rl_norm_row *r) {
  pass p = {.c = c, .n = c->in[0]->shape.size[1], .gate = gate_of(c, r)};
  p.map = rl_norm_place(c, r, rl_data(c->keep[1]), p.n);
  rl_status s = open_pass(&p, r);
  if (s == RL_OK) s = all_grads(&p, r);
  for (int k = 0; k < c->ncot && p.lane != NULL; k++) s = close_lane(c, r, k, &p.lane[k], s);
  rl_rows_drop(&p.x);
  rl_rows_drop(&p.y);
  rl_rows_drop(&p.residual);
  rl_mem_free(p.work, p.bytes);
  return s;
}

/* ---- the row */

enum { X, MOMENTS, RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS, SLOPE, RESIDUAL };
enum { TRAINING, MOMENTUM, EPS, NORM, ACT };

static const rl_norm_row parts = {MOMENTS,  RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS, SLOPE,
                                  RESIDUAL, TRAINING,     MOMENTUM,    EPS,    NORM, ACT};

static rl_status shape(rl_call *c) {
  const rl_shape *x = &c->in[X]->shape;
  const rl_tensor *residual = c->in[RESIDUAL];
  if (residual != NULL && !rl_shape_equal(x, &residual->shape))
    return rl_fail(RL_ESHAPE, "norm_act: residual is %s, x is %s; they must be alike",
                   rl_shape_text(&residual->shape), rl_shape_text(x));
  return rl_norm_shape(c, &parts);
}

static rl_status forward(rl_call *c) { return rl_norm_forward(c, &parts); }
static rl_status backward(rl_call *c) { return rl_norm_backward(c, &parts); }
static unsigned saves_of(const rl_call *c) { return rl_norm_saves(c, &parts); }
static bool passes(const rl_call *c, int i) { return i == RESIDUAL && c->arg[ACT].i == RL_ACT_NONE; }

static const rl_param params[] = {
    {.name = "training", .kind = RL_BOOLEAN, .doc = "use the batch's statistics and move the running ones"},
    {.name = "momentum", .kind = RL_NUMBER, .preset = 0.1, .lo = 0, .hi = 1, .doc = "the batch's share"},
    {.name = "eps", .kind = RL_NUMBER, .preset = 1e-5, .lo = 0, .hi = 1e6},
    {.name = "norm", .kind = RL_BOOLEAN, .preset = 1, .doc = "false: x is read as it is"},
    {.name = "act", .kind = RL_ENUM, .words = "none relu prelu"},
    {0}};

const rl_op rl_op_norm_act = {
    .name = "norm_act",
    .doc = "act(batch_norm(x) + residual) by channel in one pass; x and residual N x C, N x C x L or N x C x "
           "H x "
           "W; moments: x's mean and biased variance as 2 x C in f64, where they are known; slope: PReLU's, "
           "of 1 "
           "or C numbers",
    .dtypes = RL_FLOATS,
    .batched = true,
    .in = {{"x"},
           {"moments", .optional = true, .fixed = true, .dtypes = RL_DT(RL_F64), .layout = RL_ROWMAJOR},
           {"running_mean", .optional = true, .fixed = true, .in_place = true},
           {"running_var", .optional = true, .fixed = true, .in_place = true},
           {"weight", .optional = true},
           {"bias", .optional = true},
           {"slope", .optional = true},
           {"residual", .optional = true}},
    .params = params,
    .layout = RL_NHWC,
    .saves_of = saves_of,
    .samples =
        "{ T{3, 2, 2, 3}, NIL, T{2}, T{2, lo = 0.5, hi = 1.5}, T{2}, T{2}, NIL, NIL, { act = 'relu' } } "
        "{ T{4, 3}, NIL, NIL, NIL, T{3}, T{3}, NIL, T{4, 3}, { training = true, eps = 0.1, act = 'relu' } } "
        "{ T{2, 2, 3}, NIL, NIL, NIL, NIL, T{2}, T{1}, NIL, { training = true, eps = 0.1, act = 'prelu' } } "
        "{ T{2, 5, 2, 2}, NIL, NIL, NIL, T{5}, T{5}, T{5}, T{2, 5, 2, 2}, { training = true, eps = 0.1, act "
        "= "
        "'prelu' } } "
        "{ T{2, 17, 2, 2}, NIL, T{17}, T{17, lo = 0.5, hi = 1.5}, T{17}, T{17}, NIL, T{2, 17, 2, 2}, { "
        "training "
        "= true, eps = 0.1 } } "
        "{ T{2, 3, 2, 2}, NIL, NIL, NIL, NIL, NIL, T{3}, T{2, 3, 2, 2}, { norm = false, act = 'prelu' } }",
    .plain = "function(x, moments, mean, var, weight, bias, slope, residual, o) o = o or {} "
             "local y = o.norm == false and x or rl.batch_norm(x, mean, var, weight, bias, { training = "
             "o.training, "
             "momentum = o.momentum, eps = o.eps }) "
             "if residual then y = y + residual end "
             "if o.act == 'relu' then return y:relu() end "
             "if o.act ~= 'prelu' then return y end "
             "local sizes = {} for d = 1, #x.shape do sizes[d] = d == 2 and slope.shape[1] or 1 end "
             "return y:relu() - (-y):relu() * slope:reshape(sizes) end",
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .passes = passes,
};
