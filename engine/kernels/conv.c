/* Cuts convolutions into passes and blocks: forward is one pass; the gradient to the input is one pass per residue of the
** stride (each a stride-1 convolution of dY with some of the taps); groups one after the other. */
#include "kernels/conv.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define BLOCK_PIXELS 224 /* outputs of a block; fewer if that gives too few blocks */
#define BLOCKS_MEANT 16
#define GRAD_PIXELS  256 /* inner steps of the weight's gradient between two touches of its sums */
#define PARTS_MAX    8
#define PARTS_BYTES  ((int64_t)16 << 20)
#define THIN         8 /* input channels up to which neighbouring taps join to one run */

static int64_t ceil_to(int64_t n, int64_t step) { return (n + step - 1) / step * step; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

typedef struct taps { /* lists of one pass, over `room` entries of the call's memory */
  int64_t *y, *x, *at;
  ptrdiff_t *run;
} taps;

typedef struct job {
  const rl_conv *s;
  const rl_kernels *k;
  rl_conv_pass pass;
  taps taps;
  int64_t size, panel;
  int count; /* cotangents */
  const void *const *from;
  void *const *to;
  const double *beta;
  int64_t from_image, to_image, from_at, to_at; /* elements: image to image, first one */
  int64_t rows, cols, gi, gj;                   /* a block; the grid of one image */
  char *memory, *scratch;
  int64_t bytes, packed_bytes, scratch_bytes;
} job;

static bool is_plain_product(const rl_conv *s) {
  return s->kh == 1 && s->kw == 1 && s->stride[0] == 1 && s->stride[1] == 1 && s->pad[0] == 0 &&
         s->pad[1] == 0 && s->groups == 1;
}

/* ---- passes */

static void lists_open(job *j, void *memory) {
  int64_t room = j->s->kh * j->s->kw;
  j->taps.y = memory;
  j->taps.x = j->taps.y + room;
  j->taps.at = j->taps.x + room;
  j->taps.run = (ptrdiff_t *)(j->taps.at + room);
}

static int64_t lists_bytes(const rl_conv *s) {
  return ceil_to(s->kh * s->kw * 4 * (int64_t)sizeof(int64_t), 64);
}

/* The geometry that follows from the taps, the grid and the source. A pixel step that is a multiple of 512 bytes would
** send all rows of a tile to few cache sets: one line is added. */
static void measure(job *j, bool may_join) {
  rl_conv_pass *p = &j->pass;
  int64_t y1 = 0, x1 = 0;
  p->y0 = p->x0 = 0;
  for (int64_t t = 0; t < p->taps; t++) {
    p->y0 = t == 0 ? j->taps.y[t] : least(p->y0, j->taps.y[t]);
    p->x0 = t == 0 ? j->taps.x[t] : least(p->x0, j->taps.x[t]);
    y1 = t == 0 ? j->taps.y[t] : most(y1, j->taps.y[t]);
    x1 = t == 0 ? j->taps.x[t] : most(x1, j->taps.x[t]);
  }
  p->reach = y1 - p->y0;
  p->bw = (p->gw - 1) * p->scale[1] + x1 - p->x0 + 1;
  p->bc = p->sc * j->size % 512 == 0 ? p->sc + 64 / j->size : p->sc;
  int64_t join = may_join && p->sc <= THIN && j->s->dilation[1] == 1 ? j->s->kw : 1;
  p->runs = p->taps / join;
  p->depth = p->sc * join;
  for (int64_t r = 0; r < p->runs; r++)
    j->taps.run[r] =
        (ptrdiff_t)(((j->taps.y[r * join] - p->y0) * p->bw + j->taps.x[r * join] - p->x0) * p->bc);
  p->tap_y = j->taps.y;
  p->tap_x = j->taps.x;
  p->tap_at = j->taps.at;
  p->run = j->taps.run;
}

static void forward_pass(job *j) {
  const rl_conv *s = j->s;
  rl_conv_pass *p = &j->pass;
  *p = (rl_conv_pass){
      .sh = s->h, .sw = s->w, .sc = s->cin / s->groups, .sld = s->ldx, .gh = s->oh, .gw = s->ow};
  p->dc = s->cout / s->groups;
  p->wc = p->sc;
  p->row_step = s->ow * s->ldy;
  p->point_step = s->ldy;
  p->scale[0] = s->stride[0];
  p->scale[1] = s->stride[1];
  p->kernel = p->taps = s->kh * s->kw;
  for (int64_t t = 0; t < p->taps; t++) {
    j->taps.y[t] = t / s->kw * s->dilation[0] - s->pad[0];
    j->taps.x[t] = t % s->kw * s->dilation[1] - s->pad[1];
    j->taps.at[t] = t;
  }
  measure(j, true);
}

/* Input pixels (ry + stride q, rx + stride q): dX = sum over the taps with (r + pad - k dilation) divisible by the stride,
** of dY at q + that quotient. */
static void back_pass(job *j, int64_t ry, int64_t rx) {
  const rl_conv *s = j->s;
  rl_conv_pass *p = &j->pass;
  *p = (rl_conv_pass){.sh = s->oh, .sw = s->ow, .sc = s->cout / s->groups, .sld = s->ldy, .flip = true};
  p->gh = (s->h - ry + s->stride[0] - 1) / s->stride[0];
  p->gw = (s->w - rx + s->stride[1] - 1) / s->stride[1];
  p->dc = p->wc = s->cin / s->groups;
  p->row_step = s->stride[0] * s->w * s->ldx;
  p->point_step = s->stride[1] * s->ldx;
  p->scale[0] = p->scale[1] = 1;
  p->kernel = s->kh * s->kw;
  for (int64_t t = 0; t < p->kernel; t++) {
    int64_t y = ry + s->pad[0] - t / s->kw * s->dilation[0], x = rx + s->pad[1] - t % s->kw * s->dilation[1];
    if (y % s->stride[0] != 0 || x % s->stride[1] != 0) continue;
    j->taps.y[p->taps] = y / s->stride[0];
    j->taps.x[p->taps] = x / s->stride[1];
    j->taps.at[p->taps++] = t;
  }
  measure(j, false);
  j->to_at = (ry * s->w + rx) * s->ldx;
}

/* Rows per block from the number of outputs; columns are cut when there are few blocks. */
static void cut(job *j) {
  const rl_conv_pass *p = &j->pass;
  int64_t images = j->s->n * j->count, rows = most(1, BLOCK_PIXELS / most(1, p->gw));
  while (rows > 1 && p->gw * rows > 56 && images * ((p->gh + rows - 1) / rows) < BLOCKS_MEANT)
    rows = (rows + 1) / 2;
  j->rows = least(rows, most(1, p->gh));
  j->gi = (p->gh + j->rows - 1) / j->rows;
  int64_t meant = BLOCKS_MEANT / least(BLOCKS_MEANT, most(1, images * j->gi));
  j->cols = ceil_to((p->dc + meant - 1) / meant, j->panel);
  j->gj = (p->dc + j->cols - 1) / j->cols;
}

static void size_up(job *j) { /* what this pass needs at most */
  const rl_conv_pass *p = &j->pass;
  cut(j);
  int64_t copy = ((j->rows - 1) * p->scale[0] + p->reach + 1) * p->bw * p->bc;
  int64_t packed = ceil_to(p->dc, j->panel) * p->taps * p->sc;
  j->scratch_bytes = most(j->scratch_bytes, ceil_to(copy * j->size, 64));
  j->packed_bytes = most(j->packed_bytes, ceil_to(packed * j->size, 64));
}

static void pack_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  RL_KERNEL_CALL(j->k, j->s->dtype, conv_pack, &j->pass, block * j->panel);
  (void)worker;
}

static void block_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t col = block % j->gj, row = block / j->gj % j->gi, image = block / j->gj / j->gi;
  int64_t which = image / j->s->n, at = image % j->s->n;
  if (j->to[which] == NULL) return;
  rl_conv_pass pass = j->pass;
  pass.beta = j->beta == NULL ? 0 : j->beta[which];
  rl_conv_work w = {.p = &pass, .scratch = j->scratch + worker * j->scratch_bytes};
  w.source = (const char *)j->from[which] + (at * j->from_image + j->from_at) * j->size;
  w.out = (char *)j->to[which] + (at * j->to_image + j->to_at) * j->size;
  w.i0 = row * j->rows;
  w.i1 = least(w.i0 + j->rows, pass.gh);
  w.j0 = col * j->cols;
  w.j1 = least(w.j0 + j->cols, pass.dc);
  RL_KERNEL_CALL(j->k, j->s->dtype, conv_block, &w);
}

static rl_status run_pass(job *j) {
  cut(j);
  j->pass.packed = j->memory + lists_bytes(j->s);
  RL_TRY(rl_parallel(pack_body, j, rl_blocks(j->pass.dc, j->panel)));
  return rl_parallel(block_body, j, j->count * j->s->n * j->gi * j->gj);
}

static rl_status job_open(job *j, const rl_conv *s) {
  j->s = s;
  j->k = rl_kernels_best();
  j->size = s->dtype == RL_F64 ? 8 : 4;
  j->panel = 2 * j->k->vector_bytes / j->size;
  j->bytes = lists_bytes(s);
  void *memory = NULL;
  RL_TRY(rl_mem_alloc(&memory, (size_t)j->bytes));
  j->memory = memory;
  lists_open(j, memory);
  return RL_OK;
}

/* The passes have been sized up: exchanges the lists' memory for all that is needed. */
static rl_status job_grow(job *j, int64_t more_bytes) {
  void *memory = NULL;
  int64_t lists = j->bytes, bytes = lists + more_bytes;
  RL_TRY(rl_mem_alloc(&memory, (size_t)bytes));
  rl_mem_free(j->memory, (size_t)lists);
  j->memory = memory;
  j->bytes = bytes;
  lists_open(j, memory);
  return RL_OK;
}

static void job_close(job *j) {
  if (j->memory != NULL) rl_mem_free(j->memory, (size_t)j->bytes);
  j->memory = NULL;
}

static const void *past(const void *p, int64_t elements, int64_t size) {
  return p == NULL ? NULL : (const char *)p + elements * size;
}

static rl_status forward_groups(job *j, const void *weight, const void *bias) {
  const rl_conv *s = j->s;
  forward_pass(j);
  size_up(j);
  RL_TRY(job_grow(j, j->packed_bytes + j->scratch_bytes * rl_threads_get()));
  j->scratch = j->memory + lists_bytes(s) + j->packed_bytes;
  for (int64_t g = 0; g < s->groups; g++) {
    forward_pass(j);
    int64_t in = g * j->pass.sc, out = g * j->pass.dc;
    rl_prologue px = {past(s->px.scale, in, j->size), past(s->px.shift, in, j->size), s->px.relu};
    j->pass.px = &px;
    j->pass.weight = past(weight, out * j->pass.sc * j->pass.kernel, j->size);
    j->pass.bias = past(bias, out, j->size);
    j->from_at = in;
    j->to_at = out;
    RL_TRY(run_pass(j));
  }
  return RL_OK;
}

rl_status rl_conv_forward(const rl_conv *s, const void *x, const void *weight, const void *bias, void *y) {
  int64_t pixels = s->n * s->oh * s->ow;
  if (pixels == 0 || s->cout == 0) return RL_OK;
  if (is_plain_product(s))
    return rl_gemm_run(&(rl_gemm){.dtype = s->dtype,
                                  .tb = true,
                                  .m = pixels,
                                  .n = s->cout,
                                  .k = s->cin,
                                  .a = x,
                                  .lda = s->ldx,
                                  .b = weight,
                                  .ldb = s->cin,
                                  .c = y,
                                  .ldc = s->ldy,
                                  .bias = bias,
                                  .pa = s->px});
  job j = {.count = 1,
           .from = &x,
           .to = &y,
           .from_image = s->h * s->w * s->ldx,
           .to_image = s->oh * s->ow * s->ldy};
  RL_TRY(job_open(&j, s));
  rl_fpmode mode = rl_fp_enter();
  rl_status status = forward_groups(&j, weight, bias);
  rl_fp_leave(mode);
  job_close(&j);
  return status;
}

/* ---- the gradient to the input */

static rl_status back_phases(job *j, const void *weight, bool only_size) {
  const rl_conv *s = j->s;
  static const rl_prologue none;
  for (int64_t g = 0; g < (only_size ? 1 : s->groups); g++)
    for (int64_t ry = 0; ry < least(s->stride[0], s->h); ry++)
      for (int64_t rx = 0; rx < least(s->stride[1], s->w); rx++) {
        back_pass(j, ry, rx);
        if (only_size) {
          size_up(j);
          continue;
        }
        j->pass.px = &none;
        j->pass.weight = past(weight, g * j->pass.sc * j->pass.dc * j->pass.kernel, j->size);
        j->from_at = g * j->pass.sc;
        j->to_at += g * j->pass.dc;
        RL_TRY(run_pass(j));
      }
  return RL_OK;
}

static rl_status back_product(const rl_conv *s, int count, const void *const *dy, const void *weight,
                              void *const *dx, const double *beta) {
  for (int i = 0; i < count; i++)
    if (dx[i] != NULL)
      RL_TRY(rl_gemm_run(&(rl_gemm){.dtype = s->dtype,
                                    .m = s->n * s->h * s->w,
                                    .n = s->cin,
                                    .k = s->cout,
                                    .a = dy[i],
                                    .lda = s->ldy,
                                    .b = weight,
                                    .ldb = s->cin,
                                    .c = dx[i],
                                    .ldc = s->ldx,
                                    .beta = beta[i]}));
  return RL_OK;
}

rl_status rl_conv_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                            void *const *dx, const double *beta) {
  if (s->n * s->h * s->w * s->cin == 0) return RL_OK;
  if (is_plain_product(s)) return back_product(s, count, dy, weight, dx, beta);
  job j = {.count = count,
           .from = dy,
           .to = dx,
           .beta = beta,
           .from_image = s->oh * s->ow * s->ldy,
           .to_image = s->h * s->w * s->ldx};
  RL_TRY(job_open(&j, s));
  rl_fpmode mode = rl_fp_enter();
  back_phases(&j, weight, true);
  rl_status status = job_grow(&j, j.packed_bytes + j.scratch_bytes * rl_threads_get());
  if (status == RL_OK) {
    j.scratch = j.memory + lists_bytes(s) + j.packed_bytes;
    status = back_phases(&j, weight, false);
  }
  rl_fp_leave(mode);
  job_close(&j);
  return status;
}

/* ---- the gradient to the weight */

typedef struct grad_job {
  job j;
  rl_conv_grad grad;
  int64_t parts, slices, slice, part_bytes, fold_rows;
  char *part;
  void *dweight;
  double beta;
} grad_job;

/* At most 8 private sums, each over a run of rows fixed by the shape; where memory allows fewer, the input channels are cut
** into slices as well, so that there is work for several threads. */
static void grad_cut(grad_job *q) {
  rl_conv_pass *p = &q->j.pass;
  const rl_conv *s = q->j.s;
  int64_t columns = p->depth == p->sc ? p->sc : p->depth, vector = q->j.panel / 2;
  q->grad.step = ceil_to(columns, vector);
  q->part_bytes = ceil_to(p->runs * p->dc * q->grad.step * q->j.size, 64);
  int64_t rows = s->n * p->gh, blocks = (rows * p->gw + 2 * GRAD_PIXELS - 1) / (2 * GRAD_PIXELS);
  q->parts = least(least(PARTS_MAX, rows), most(1, least(blocks, PARTS_BYTES / q->part_bytes)));
  int64_t meant = p->depth == p->sc ? PARTS_MAX / most(1, q->parts) : 1;
  q->slice = ceil_to((p->sc + meant - 1) / meant, q->j.panel);
  if (p->depth != p->sc || q->slice >= p->sc) q->slice = p->sc;
  q->slices = (p->sc + q->slice - 1) / q->slice;
  if (q->slices > 1) { /* the copy holds one slice's channels */
    int64_t old = p->bc;
    p->bc = q->slice * q->j.size % 512 == 0 ? q->slice + 64 / q->j.size : q->slice;
    for (int64_t r = 0; r < p->runs; r++) p->run[r] = p->run[r] / old * p->bc;
  }
  q->grad.rows = least(most(1, GRAD_PIXELS / p->gw), p->gh);
  q->grad.cout = p->dc;
  int64_t copy = ((q->grad.rows - 1) * p->scale[0] + p->reach + 1) * p->bw * p->bc + q->j.panel;
  int64_t lists = 2 * q->grad.rows * (int64_t)sizeof(ptrdiff_t);
  q->j.scratch_bytes = ceil_to(lists + (copy + q->grad.rows * p->gw * p->dc) * q->j.size, 64);
}

static void grad_body(void *ctx, int64_t block, int worker) {
  const grad_job *q = ctx;
  int64_t part = block / q->slices, slice = block % q->slices, rows = q->j.s->n * q->j.pass.gh;
  rl_conv_grad g = q->grad;
  g.i0 = rows * part / q->parts;
  g.i1 = rows * (part + 1) / q->parts;
  g.j0 = slice * q->slice;
  g.j1 = least(g.j0 + q->slice, q->j.pass.sc);
  g.part = q->part + part * q->part_bytes;
  g.scratch = q->j.scratch + worker * q->j.scratch_bytes;
  RL_KERNEL_CALL(q->j.k, q->j.s->dtype, conv_grad, &g);
}

static void fold_body(void *ctx, int64_t block, int worker) {
  const grad_job *q = ctx;
  rl_conv_fold f = {
      .g = &q->grad, .part = q->part, .parts = q->parts, .dweight = q->dweight, .beta = q->beta};
  f.part_bytes = q->part_bytes;
  f.co0 = block * q->fold_rows;
  f.co1 = least(f.co0 + q->fold_rows, q->grad.cout);
  RL_KERNEL_CALL(q->j.k, q->j.s->dtype, conv_fold, &f);
  (void)worker;
}

static rl_status grad_groups(grad_job *q, const void *x, const void *dy) {
  const rl_conv *s = q->j.s;
  forward_pass(&q->j);
  grad_cut(q);
  RL_TRY(job_grow(&q->j, q->parts * q->part_bytes + q->j.scratch_bytes * rl_threads_get()));
  q->part = q->j.memory + lists_bytes(s);
  q->j.scratch = q->part + q->parts * q->part_bytes;
  void *dweight = q->dweight;
  for (int64_t g = 0; g < s->groups; g++) {
    forward_pass(&q->j);
    grad_cut(q);
    const rl_conv_pass *p = &q->j.pass;
    rl_prologue px = {past(s->px.scale, g * p->sc, q->j.size), past(s->px.shift, g * p->sc, q->j.size),
                      s->px.relu};
    q->j.pass.px = &px;
    q->grad.p = p;
    q->grad.x = past(x, g * p->sc, q->j.size);
    q->grad.dy = past(dy, g * p->dc, q->j.size);
    q->grad.image_x = s->h * s->w * s->ldx;
    q->grad.ldy = s->ldy;
    q->dweight = (char *)dweight + g * p->dc * p->sc * p->kernel * q->j.size;
    q->fold_rows = most(1, 16384 / most(1, p->sc * p->kernel));
    RL_TRY(rl_parallel(grad_body, q, q->parts * q->slices));
    RL_TRY(rl_parallel(fold_body, q, rl_blocks(p->dc, q->fold_rows)));
  }
  return RL_OK;
}

/* No outputs: the gradient is 0. */
static rl_status nothing_to_add(const rl_conv *s, void *dweight, double beta) {
  int64_t n = s->cout * (s->cin / s->groups) * s->kh * s->kw;
  for (int64_t i = 0; i < n && s->dtype == RL_F64; i++)
    ((double *)dweight)[i] = beta == 0 ? 0 : beta * ((double *)dweight)[i];
  for (int64_t i = 0; i < n && s->dtype != RL_F64; i++)
    ((float *)dweight)[i] = beta == 0 ? 0 : (float)beta * ((float *)dweight)[i];
  return RL_OK;
}

rl_status rl_conv_back_weight(const rl_conv *s, const void *x, const void *dy, void *dweight, double beta) {
  int64_t pixels = s->n * s->oh * s->ow;
  if (s->cout * s->cin == 0) return RL_OK;
  if (pixels == 0) return nothing_to_add(s, dweight, beta);
  if (is_plain_product(s))
    return rl_gemm_run(&(rl_gemm){.dtype = s->dtype,
                                  .ta = true,
                                  .m = s->cout,
                                  .n = s->cin,
                                  .k = pixels,
                                  .a = dy,
                                  .lda = s->ldy,
                                  .b = x,
                                  .ldb = s->ldx,
                                  .c = dweight,
                                  .ldc = s->cin,
                                  .beta = beta,
                                  .pb = s->px});
  grad_job q = {.dweight = dweight, .beta = beta};
  RL_TRY(job_open(&q.j, s));
  rl_fpmode mode = rl_fp_enter();
  rl_status status = grad_groups(&q, x, dy);
  rl_fp_leave(mode);
  job_close(&q.j);
  return status;
}

/* ---- column sums */

typedef struct sums_job {
  rl_dtype dtype;
  const rl_kernels *k;
  int64_t rows, cols, ld, parts;
  const char *x;
  double *part;
} sums_job;

static void sums_body(void *ctx, int64_t block, int worker) {
  const sums_job *q = ctx;
  int64_t i0 = q->rows * block / q->parts, i1 = q->rows * (block + 1) / q->parts,
          size = q->dtype == RL_F64 ? 8 : 4;
  const void *x = q->x + i0 * q->ld * size;
  RL_KERNEL_CALL(q->k, q->dtype, column_sums, q->part + block * q->cols, x, (size_t)(i1 - i0),
                 (size_t)q->cols, (size_t)q->ld);
  (void)worker;
}

rl_status rl_column_sums(rl_dtype dtype, int64_t rows, int64_t cols, const void *x, int64_t ld, void *out,
                         double beta) {
  sums_job q = {.dtype = dtype, .k = rl_kernels_best(), .rows = rows, .cols = cols, .ld = ld, .x = x};
  q.parts = most(1, least(PARTS_MAX, rows * cols / 16384));
  void *part = NULL;
  size_t bytes = (size_t)(q.parts * cols) * sizeof(double);
  RL_TRY(rl_mem_alloc(&part, bytes));
  q.part = part;
  rl_status status = rl_parallel(sums_body, &q, q.parts);
  for (int64_t j = 0; j < cols && status == RL_OK; j++) {
    double sum = 0;
    for (int64_t p = 0; p < q.parts; p++) sum += q.part[p * cols + j];
    if (dtype == RL_F64)
      ((double *)out)[j] = (beta == 0 ? 0 : beta * ((double *)out)[j]) + sum;
    else
      ((float *)out)[j] = (float)((beta == 0 ? 0 : beta * (double)((float *)out)[j]) + sum);
  }
  rl_mem_free(part, bytes);
  return status;
}
