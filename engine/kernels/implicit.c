/* Cuts convolutions into passes and blocks: forward is one pass; the gradient to the input is one pass per residue of the
** stride (each a stride-1 convolution of dY with some of the taps); groups one after the other. */
#include "kernels/implicit.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#define BLOCK_PIXELS 224 /* outputs of a block; fewer if that gives too few blocks */
#define BLOCKS_MEANT 16
#define GRAD_PIXELS  256 /* inner steps of the weight's gradient between two touches of its sums */
#define PARTS_MAX    8
#define PARTS_BYTES  ((int64_t)16 << 20)
#define NEAR_BYTES                                                                                           \
  ((int64_t)1 << 20) /* sums that an L2 holds; of larger ones half as many, which are added in the end */
#define THIN 8       /* input channels up to which neighbouring taps join to one run */

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
  int count;             /* cotangents; 1 forward */
  const void *const *dy; /* sources of the way back */
  const rl_conv_dx *to;  /* where each goes: sums are not looked at */
  int64_t at_pixel, row_pixels,
      step_pixels; /* of the output: first one, from row to row, from point to point */
  int64_t image_pixels, at_channel, source_channel; /* of a group: first ones */
  int64_t rows, cols, gi, gj;                       /* a block; the grid of one image */
  bool of_weight;                                   /* the pass is read for the weight's gradient */
  int to_step;                                      /* from one cotangent's `to` to the next's */
  int64_t groups;                    /* passes; 1 for a depthwise convolution, which is one pass */
  const rl_conv_part *mask;          /* or NULL: what is made goes through this part's prologue */
  int64_t mask_first, mask_channels; /* its channels within the input */
  double *moments, *sums;            /* or NULL: a part per block; the same for the mask's sums */
  char *memory, *scratch;
  int64_t bytes, packed_bytes, scratch_bytes;
} job;

/* ---- passes */

static const void *past(const void *p, int64_t elements, int64_t size) {
  return p == NULL ? NULL : (const char *)p + elements * size;
}

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

static void lists(job *j) {
  j->pass.tap_y = j->taps.y;
  j->pass.tap_x = j->taps.x;
  j->pass.tap_at = j->taps.at;
  j->pass.run = j->taps.run;
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
  p->spread = 1;
  for (int64_t t = 1; t < p->taps && j->taps.y[t] == j->taps.y[0]; t++) p->spread++;
  bool thin = !j->of_weight && !p->diagonal && p->scale[1] == 1 && 4 * p->dc <= j->panel &&
              x1 - p->x0 + 1 == p->spread;
  if (!thin) p->spread = 1;
  p->lanes = p->spread * p->dc;
  p->bw = (p->gw - 1) * p->scale[1] + x1 - p->x0 + 1;
  p->bc = p->sc * j->size % 512 == 0 ? p->sc + 64 / j->size : p->sc;
  if (p->spread > 1) {
    p->runs = p->taps / p->spread;
    p->depth = p->sc;
    for (int64_t r = 0; r < p->runs; r++)
      j->taps.run[r] = (ptrdiff_t)((j->taps.y[r * p->spread] - p->y0) * p->bw * p->bc);
    lists(j);
    return;
  }
  int64_t join = may_join && !p->diagonal && p->sc <= THIN && j->s->dilation[1] == 1 ? j->s->kw : 1;
  p->runs = p->taps / join;
  p->depth = p->sc * join;
  for (int64_t r = 0; r < p->runs; r++)
    j->taps.run[r] =
        (ptrdiff_t)(((j->taps.y[r * join] - p->y0) * p->bw + j->taps.x[r * join] - p->x0) * p->bc);
  lists(j);
}

/* Group g of the input. */
static rl_conv_source source_of(const job *j, int part, int64_t g) {
  const rl_conv *s = j->s;
  const rl_conv_part *q = &s->part[part];
  int64_t channels = q->channels / j->groups, at = g * channels, size = s->dtype == RL_F64 ? 8 : 4;
  rl_conv_source m = {.channels = channels, .ld = q->ld, .w = s->w / q->up, .up = q->up, .px = q->px};
  m.x = past(q->x, at, size);
  m.image = s->h / q->up * m.w * q->ld;
  m.px.scale = past(q->px.scale, at, size);
  m.px.shift = past(q->px.shift, at, size);
  m.px.slope = past(q->px.slope, at, size);
  return m;
}

static void forward_pass(job *j, int64_t g) {
  const rl_conv *s = j->s;
  rl_conv_pass *p = &j->pass;
  *p = (rl_conv_pass){
      .sh = s->h, .sw = s->w, .sc = s->cin / j->groups, .gh = s->oh, .gw = s->ow, .sources = s->nparts};
  for (int i = 0; i < s->nparts; i++) p->source[i] = source_of(j, i, g);
  p->dc = s->cout / j->groups;
  p->diagonal = j->groups != s->groups;
  p->wc = p->sc;
  j->at_channel = g * p->dc;
  j->at_pixel = 0;
  j->image_pixels = s->oh * s->ow;
  j->row_pixels = s->ow;
  j->step_pixels = 1;
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
static void back_pass(job *j, int64_t g, int64_t ry, int64_t rx) {
  const rl_conv *s = j->s;
  rl_conv_pass *p = &j->pass;
  *p = (rl_conv_pass){.sh = s->oh, .sw = s->ow, .sc = s->cout / j->groups, .sources = 1, .flip = true};
  p->source[0] =
      (rl_conv_source){.channels = p->sc, .ld = s->ldy, .image = s->oh * s->ow * s->ldy, .w = s->ow, .up = 1};
  p->gh = (s->h - ry + s->stride[0] - 1) / s->stride[0];
  p->gw = (s->w - rx + s->stride[1] - 1) / s->stride[1];
  p->wc = s->cin / j->groups;
  p->dc = j->groups > 1 ? p->wc : j->mask_channels;
  p->diagonal = j->groups != s->groups;
  j->source_channel = g * p->sc;
  j->at_channel = g * p->dc;
  j->at_pixel = ry * s->w + rx;
  j->image_pixels = s->h * s->w;
  j->row_pixels = s->stride[0] * s->w;
  j->step_pixels = s->stride[1];
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
  if (p->spread > 1) j->cols = p->dc;
  j->gj = (p->dc + j->cols - 1) / j->cols;
}

static void size_up(job *j) { /* what this pass needs at most */
  const rl_conv_pass *p = &j->pass;
  cut(j);
  int64_t copy = ((j->rows - 1) * p->scale[0] + p->reach + 1) * p->bw * p->bc;
  copy += j->panel + (p->spread > 1 ? (p->gw + p->spread) * ceil_to(p->lanes, j->panel) : 0);
  int64_t packed = ceil_to(p->lanes, j->panel) * p->taps * (p->diagonal ? 1 : p->sc);
  j->scratch_bytes = most(j->scratch_bytes, ceil_to(copy * j->size, 64));
  j->packed_bytes = most(j->packed_bytes, ceil_to(packed * j->size, 64));
}

static void pack_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  RL_KERNEL_CALL(j->k, j->s->dtype, conv_pack, &j->pass, block * j->panel);
  (void)worker;
}

/* The part's prologue from the pass's first channel on, x at pixel `first`. */
static rl_gemm_back mask_of(const job *j, int64_t first, bool add) {
  const rl_conv_part *q = j->mask;
  rl_gemm_back e = {.f = q->px, .ldx = q->ld, .add = add};
  e.x = past(q->x, first * q->ld + j->at_channel, j->size);
  e.f.scale = past(q->px.scale, j->at_channel, j->size);
  e.f.shift = past(q->px.shift, j->at_channel, j->size);
  e.f.slope = past(q->px.slope, j->at_channel, j->size);
  e.mean = past(q->mean, j->at_channel, j->size);
  e.rstd = past(q->rstd, j->at_channel, j->size);
  return e;
}

static void block_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t col = block % j->gj, row = block / j->gj % j->gi, image = block / j->gj / j->gi;
  int64_t which = image / j->s->n, at = image % j->s->n;
  const rl_conv_dx *to = &j->to[which * j->to_step];
  if (to->dx == NULL) return;
  rl_conv_pass pass = j->pass;
  pass.beta = to->beta;
  pass.row_step = j->row_pixels * to->ld;
  pass.point_step = j->step_pixels * to->ld;
  if (j->dy != NULL) pass.source[0].x = past(j->dy[which], j->source_channel, j->size);
  rl_conv_work w = {.p = &pass, .image = at, .scratch = j->scratch + worker * j->scratch_bytes};
  int64_t first = at * j->image_pixels + j->at_pixel;
  w.out = (char *)to->dx + (first * to->ld + j->at_channel) * j->size;
  w.i0 = row * j->rows;
  w.i1 = least(w.i0 + j->rows, pass.gh);
  w.j0 = col * j->cols;
  w.j1 = least(w.j0 + j->cols, pass.dc);
  w.moments_step = j->s->cout;
  if (j->moments != NULL) w.moments = j->moments + (image * j->gi + row) * 3 * w.moments_step + j->at_channel;
  rl_gemm_back mask;
  if (j->mask != NULL) {
    mask = mask_of(j, first, to->beta != 0);
    w.mask = &mask;
    w.mask_row = j->row_pixels, w.mask_point = j->step_pixels;
    w.sums_step = pass.dc;
    w.sums = j->sums + (image * j->gi + row) * 3 * pass.dc;
  }
  RL_KERNEL_CALL(j->k, j->s->dtype, conv_block, &w);
}

static rl_status run_pass(job *j) {
  cut(j);
  j->pass.packed = j->memory + lists_bytes(j->s);
  RL_TRY(rl_parallel(pack_body, j, rl_blocks(j->pass.lanes, j->panel)));
  return rl_parallel(block_body, j, j->count * j->s->n * j->gi * j->gj);
}

static rl_status job_open(job *j, const rl_conv *s) {
  j->s = s;
  j->groups = s->groups > 1 && s->groups == s->cin && s->groups == s->cout ? 1 : s->groups;
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

static rl_status forward_groups(job *j, const void *weight, const void *bias, double *moments) {
  const rl_conv *s = j->s;
  forward_pass(j, 0);
  size_up(j);
  bool aside = moments != NULL && j->pass.spread > 1; /* thin: little is written, its moments are a pass */
  int64_t parts = moments != NULL && !aside ? s->n * j->gi * 3 * s->cout * (int64_t)sizeof(double) : 0;
  RL_TRY(job_grow(j, j->packed_bytes + j->scratch_bytes * rl_threads_get() + parts));
  j->scratch = j->memory + lists_bytes(s) + j->packed_bytes;
  if (parts > 0) j->moments = (double *)(void *)(j->scratch + j->scratch_bytes * rl_threads_get());
  for (int64_t g = 0; g < j->groups; g++) {
    forward_pass(j, g);
    j->pass.weight = past(weight, g * j->pass.dc * j->pass.sc * j->pass.kernel, j->size);
    j->pass.bias = past(bias, g * j->pass.dc, j->size);
    RL_TRY(run_pass(j));
  }
  if (parts > 0) rl_moments_fold(moments, s->cout, s->n, s->oh * s->ow, j->rows * s->ow, j->moments);
  return aside ? rl_column_moments(s->dtype, s->n * s->oh * s->ow, s->cout, j->to->dx, s->ldy, moments)
               : RL_OK;
}

rl_status rl_implicit_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                              double *moments) {
  job j = {.count = 1, .to_step = 1, .to = &(rl_conv_dx){.dx = y, .ld = s->ldy}};
  RL_TRY(job_open(&j, s));
  rl_fpmode mode = rl_fp_enter();
  rl_status status = forward_groups(&j, weight, bias, moments);
  rl_fp_leave(mode);
  job_close(&j);
  return status;
}

/* ---- the gradient to the input */

/* What a phase's blocks have left of cotangent k, added to its sums in the blocks' order. */
static void fold_phase(const job *j) {
  const int64_t dc = j->pass.dc, blocks = j->s->n * j->gi, all = j->mask_channels;
  for (int k = 0; k < j->count; k++) {
    const rl_conv_dx *to = &j->to[k * j->to_step];
    if (to->dx == NULL || to->sums == NULL) continue;
    for (int64_t b = 0; b < blocks; b++)
      for (int64_t c = 0; c < 3 * dc; c++)
        to->sums[c / dc * all + j->at_channel + c % dc] += j->sums[(k * blocks + b) * 3 * dc + c];
  }
}

static rl_status run_phase(job *j, const void *weight, int64_t g) {
  int64_t first = j->groups > 1 ? 0 : j->mask_first; /* the part's place among the weight's input channels */
  int64_t at = j->pass.diagonal ? 0 : g * j->pass.sc * j->pass.wc + first;
  j->pass.weight = past(weight, at * j->pass.kernel, j->size);
  RL_TRY(run_pass(j));
  if (j->mask != NULL) fold_phase(j);
  return RL_OK;
}

static int64_t sums_bytes(const job *j) {
  return j->mask == NULL ? 0 : j->count * j->s->n * j->gi * 3 * j->pass.dc * (int64_t)sizeof(double);
}

/* All passes of the way back; weight NULL: only what they need is found out. */
static rl_status back_phases(job *j, const void *weight, int64_t *need) {
  const rl_conv *s = j->s;
  for (int64_t g = 0; g < (weight == NULL ? 1 : j->groups); g++)
    for (int64_t ry = 0; ry < least(s->stride[0], s->h); ry++)
      for (int64_t rx = 0; rx < least(s->stride[1], s->w); rx++) {
        back_pass(j, g, ry, rx);
        if (weight != NULL) {
          RL_TRY(run_phase(j, weight, g));
          continue;
        }
        size_up(j);
        *need = most(*need, sums_bytes(j));
      }
  return RL_OK;
}

static void clear_sums(const job *j) {
  for (int k = 0; k < j->count; k++) {
    const rl_conv_dx *to = &j->to[k * j->to_step];
    for (int64_t c = 0; c < 3 * j->mask_channels && to->dx != NULL && to->sums != NULL; c++) to->sums[c] = 0;
  }
}

/* The gradient to channels first..first+channels of the input, through the mask of `part` unless that is NULL. */
static rl_status back_part(const rl_conv *s, int count, const void *const *dy, const void *weight,
                           const rl_conv_part *part, int64_t first, int64_t channels, const rl_conv_dx *to,
                           int to_step) {
  job j = {.count = count, .dy = dy, .to = to, .to_step = to_step, .mask = part};
  j.mask_first = first, j.mask_channels = channels;
  RL_TRY(job_open(&j, s));
  rl_fpmode mode = rl_fp_enter();
  int64_t sums = 0;
  back_phases(&j, NULL, &sums);
  rl_status status = job_grow(&j, j.packed_bytes + j.scratch_bytes * rl_threads_get() + sums);
  if (status == RL_OK) {
    j.scratch = j.memory + lists_bytes(s) + j.packed_bytes;
    j.sums = (double *)(void *)(j.scratch + j.scratch_bytes * rl_threads_get());
    clear_sums(&j);
    status = back_phases(&j, weight, NULL);
  }
  rl_fp_leave(mode);
  job_close(&j);
  return status;
}

/* ---- through the part's prologue, and from a doubled map to the small one */

typedef struct finish_job {
  const rl_kernels *k;
  rl_dtype dtype;
  rl_conv_finish f;
  int64_t rows, parts;
  double *sums;
} finish_job;

static void finish_body(void *ctx, int64_t block, int worker) {
  const finish_job *q = ctx;
  RL_KERNEL_CALL(q->k, q->dtype, conv_finish, &q->f, q->rows * block / q->parts,
                 q->rows * (block + 1) / q->parts, q->sums + block * 3 * q->f.part->channels);
  (void)worker;
}

rl_status rl_conv_through(const rl_conv *s, const rl_conv_part *part, const rl_conv_dx *to, const void *v) {
  finish_job q = {.k = rl_kernels_best(), .dtype = s->dtype, .rows = s->n * s->h / part->up};
  q.f = (rl_conv_finish){
      .v = v, .ldv = part->channels, .h = s->h / part->up, .w = s->w / part->up, .part = part, .to = to};
  q.parts = least(PARTS_MAX, q.rows);
  void *sums = NULL;
  size_t bytes = (size_t)(q.parts * 3 * part->channels) * sizeof(double);
  RL_TRY(rl_mem_alloc(&sums, bytes));
  q.sums = sums;
  rl_status status = rl_parallel(finish_body, &q, q.parts);
  for (int64_t c = 0; c < 3 * part->channels && to->sums != NULL; c++) {
    to->sums[c] = 0;
    for (int64_t b = 0; b < q.parts; b++) to->sums[c] += q.sums[b * 3 * part->channels + c];
  }
  rl_mem_free(sums, bytes);
  return status;
}

static rl_status back_doubled(const rl_conv *s, int count, const void *const *dy, const void *weight,
                              const rl_conv_part *part, int64_t first, const rl_conv_dx *to) {
  void *v = NULL;
  size_t bytes = (size_t)(s->n * s->h * s->w * part->channels) * (s->dtype == RL_F64 ? 8 : 4);
  RL_TRY(rl_mem_alloc(&v, bytes));
  rl_status status = RL_OK;
  for (int k = 0; k < count && status == RL_OK; k++) {
    if (to[k * s->nparts].dx == NULL) continue;
    const rl_conv_dx large = {.dx = v, .ld = part->channels};
    status = back_part(s, 1, &dy[k], weight, NULL, first, part->channels, &large, 1);
    if (status == RL_OK) status = rl_conv_through(s, part, &to[k * s->nparts], v);
  }
  rl_mem_free(v, bytes);
  return status;
}

rl_status rl_implicit_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                const rl_conv_dx *dx) {
  int64_t first = 0;
  for (int i = 0; i < s->nparts; first += s->part[i++].channels) {
    const rl_conv_part *part = &s->part[i];
    bool wanted = false;
    for (int k = 0; k < count; k++) wanted = wanted || dx[k * s->nparts + i].dx != NULL;
    if (wanted && part->up == 2)
      RL_TRY(back_doubled(s, count, dy, weight, part, first, dx + i));
    else if (wanted)
      RL_TRY(back_part(s, count, dy, weight, part->px.scale == NULL ? NULL : part, first, part->channels,
                       dx + i, s->nparts));
  }
  return RL_OK;
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

/* At most 8 private sums, each over a run of rows fixed by the shape; where there are fewer, the input channels are cut
** into slices as well, so that there is work for several threads. Slices do not change a sum. */
static void grad_cut(grad_job *q) {
  rl_conv_pass *p = &q->j.pass;
  const rl_conv *s = q->j.s;
  int64_t columns = p->depth == p->sc ? p->sc : p->depth, vector = q->j.panel / 2;
  q->grad.turned = p->depth != p->sc && !p->diagonal && p->dc % vector == 0;
  q->grad.step = q->grad.turned ? p->dc : ceil_to(columns, vector);
  q->part_bytes = ceil_to(p->runs *
                              (p->diagonal      ? 1
                               : q->grad.turned ? p->depth
                                                : p->dc) *
                              q->grad.step * q->j.size,
                          64);
  int64_t rows = s->n * p->gh, blocks = (rows * p->gw + 2 * GRAD_PIXELS - 1) / (2 * GRAD_PIXELS);
  bool far = q->part_bytes > NEAR_BYTES;
  q->parts = least(least(far ? PARTS_MAX / 2 : PARTS_MAX, rows),
                   most(1, least(blocks, PARTS_BYTES / q->part_bytes)));
  int64_t units = far ? most(PARTS_MAX / 2, rl_threads_get()) : PARTS_MAX;
  int64_t meant = p->depth == p->sc && !p->diagonal ? units / most(1, q->parts) : 1;
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
  q->j.scratch_bytes = ceil_to(lists + (copy + q->grad.rows * p->gw * p->dc + q->j.panel) * q->j.size, 64);
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

static rl_status grad_groups(grad_job *q, const void *dy) {
  const rl_conv *s = q->j.s;
  forward_pass(&q->j, 0);
  grad_cut(q);
  RL_TRY(job_grow(&q->j, q->parts * q->part_bytes + q->j.scratch_bytes * rl_threads_get()));
  q->part = q->j.memory + lists_bytes(s);
  q->j.scratch = q->part + q->parts * q->part_bytes;
  void *dweight = q->dweight;
  for (int64_t g = 0; g < q->j.groups; g++) {
    forward_pass(&q->j, g);
    grad_cut(q);
    const rl_conv_pass *p = &q->j.pass;
    q->grad.p = p;
    q->grad.dy = past(dy, g * p->dc, q->j.size);
    q->grad.ldy = s->ldy;
    q->dweight = (char *)dweight + g * p->dc * p->sc * p->kernel * q->j.size; /* g is 0 where depthwise */
    q->fold_rows = most(1, 16384 / most(1, p->sc * p->kernel));
    RL_TRY(rl_parallel(grad_body, q, q->parts * q->slices));
    RL_TRY(rl_parallel(fold_body, q, rl_blocks(p->dc, q->fold_rows)));
  }
  return RL_OK;
}

rl_status rl_implicit_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                  const double *beta) {
  rl_status status = RL_OK;
  for (int k = 0; k < count && status == RL_OK; k++) {
    if (dweight[k] == NULL) continue;
    grad_job q = {.j = {.of_weight = true}, .dweight = dweight[k], .beta = beta[k]};
    RL_TRY(job_open(&q.j, s));
    rl_fpmode mode = rl_fp_enter();
    status = grad_groups(&q, dy[k]);
    rl_fp_leave(mode);
    job_close(&q.j);
  }
  return status;
}
