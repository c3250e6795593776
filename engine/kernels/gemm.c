/* Cuts a product into blocks and runs them: over rows and columns, and over the inner dimension only where
** that is long and C small; then at fixed places, at most 8 partial products, added in their order. */
#include "kernels/gemm.h"

#include "base/bypass.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/columns.h"
#include "kernels/kernels.h"

#define PACK_ROWS    64
#define PARTS_MAX    8
#define PART_DEPTH   384     /* inner steps that make a part worth its sum */
#define PARTS_SIZE   2097152 /* elements of all parts */
#define STACK_BYTES  32768
#define BLOCK_FLOPS  1000000 /* a block is not cut below this: about 10 us on one core */
#define BLOCKS_MEANT 16
#define COLS_MAX     512
#define KEPT_ROWS    4096 /* beyond, panels of B are little of the work */

typedef struct plan {
  const rl_gemm *g;
  const rl_kernels *k;
  size_t size;                  /* of an element */
  int64_t rows, cols;           /* of a block */
  int64_t gi, gj, parts, batch; /* the grid */
  int64_t panel;
  bool pack;            /* B once for all blocks; else each block its own panels */
  bool flat;            /* few inner steps, or few rows: see rl_gemm_work */
  bool kept, ready;     /* packed is B's owner's; and is filled */
  size_t scratch_bytes; /* per worker */
  char *scratch, *packed, *part;
  double *sums, *moments;
} plan;

/* How many times `step` covers n. Small products shall not wait for a dozen divisions. */
static int64_t cover(int64_t n, int64_t step) {
  return step == 1 ? n : n <= step ? n > 0 : (n + step - 1) / step;
}

static int64_t ceil_to(int64_t n, int64_t step) { return cover(n, step) * step; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Bytes of one worker: copied rows of A (a tile's, or all of the block's where it packs its own B), and a panel or (flat) all of them. */
static size_t scratch_size(const plan *p) {
  int64_t depth = least(p->g->k, RL_GEMM_DEPTH), tile = p->k->tile_rows, vector = p->panel / 2;
  int64_t straight = RL_GEMM_DEPTH + 64 / (int64_t)p->size, rows = p->pack ? tile : p->rows;
  if (p->g->back != NULL) rows *= p->g->k / RL_GEMM_DEPTH + 1;
  int64_t turned = (rows / tile + 1) * ceil_to(tile, vector) * depth + rows + 2 * (tile + vector);
  int64_t a = p->g->ta ? turned : rows * straight, cols = p->flat ? p->cols : p->panel;
  int64_t b = p->pack ? 0 : ceil_to(cols, p->panel) * depth;
  return (size_t)ceil_to((a + b) * (int64_t)p->size, 64);
}

/* Columns in equal shares so that there are `meant` blocks, but none too small and none wider than what stays near. */
static void cut_columns(plan *p, int64_t meant) {
  const rl_gemm *g = p->g;
  int64_t flops = 2 * g->m * g->n * least(g->k, INT64_MAX / 2), blocks = p->gi * p->parts;
  int64_t gj = flops < BLOCK_FLOPS ? 1 : flops / blocks / BLOCK_FLOPS + 1;
  if (gj > 1) gj = least(gj, cover(meant, blocks * p->batch));
  int64_t widest =
      g->ta && p->rows > 128 ? 2 * COLS_MAX : COLS_MAX; /* there, A is copied once for each of them */
  if (gj < cover(g->n, widest)) gj = cover(g->n, widest);
  int64_t panels = g->pa.scale != NULL && !g->ta && !p->pack ? 2 : 1; /* each block copies its rows of A */
  p->cols = ceil_to(cover(g->n, gj), panels * p->panel);
  p->gj = cover(g->n, p->cols);
  bool odd = p->gj > 1 && p->gj * blocks % 2 == 1 && p->cols % (2 * panels * p->panel) == 0;
  if (odd) p->cols /= 2, p->gj = cover(g->n, p->cols); /* two workers end together */
}

/* Three ways. Turned A (weights' gradients): blocks of C over parts of a long inner dimension, each with its own panels of B.
** Few rows: B is read once, so each block packs its own columns of it; but where A has a prologue, copying it twice costs more than
** packing B twice: halves of the rows if there are more than B has columns, else halves of a long inner dimension. Many rows: B is packed once, blocks of
** rows share it, their columns one after another, so that a worker has the same rows in one layer as in the next; 28 rows balance
** better below 1000, more amortise better above. */
static void cut(plan *p) {
  const rl_gemm *g = p->g;
  int64_t tile = p->k->tile_rows, most = (g->ta ? 20 : 16) * tile;
  bool few = g->back == NULL && (g->ta || g->m <= most || g->batch > 4),
       shared = p->batch == 1 || g->stride_b == 0;
  p->parts = 1;
  if (few) {
    if (g->k >= (g->ta ? 2 * PART_DEPTH : 4096))
      p->parts = least(least(PARTS_MAX, g->k / PART_DEPTH), PARTS_SIZE / (g->m * g->n));
    if (p->parts < 1) p->parts = 1;
    p->rows = cover(g->m, cover(g->m, most));
  } else {
    p->rows = least(g->m < 1000 ? 2 * tile : 8 * tile, g->m);
    p->pack = shared;
  }
  bool halves = !p->pack && p->batch == 1 && g->pa.scale != NULL && !g->ta && g->m > most / 2 && g->m > g->n;
  if (halves) p->rows = ceil_to((p->rows + 1) / 2, tile);
  bool deep = few && !halves && p->batch == 1 && g->pa.scale != NULL && !g->ta && g->k >= 512;
  if (deep) p->parts = 2;
  p->gi = cover(g->m, p->rows);
  cut_columns(p, deep ? 2 : halves ? p->gi : p->pack ? BLOCKS_MEANT : BLOCKS_MEANT / 2);
  p->flat = g->k <= RL_GEMM_FLAT || (p->rows <= tile && !g->tb);
  p->pack = p->kept || (p->pack && (g->back != NULL || p->gi * p->batch > 1));
}

/* Whether B's panels are, or will now be, with its owner. */
static bool look_for_kept(plan *p) {
  const rl_gemm *g = p->g;
  rl_kept *kept = g->kept;
  bool plain = p->batch == 1 && !g->ta && g->back == NULL && g->moments == NULL && g->pb.scale == NULL;
  if (kept == NULL || !plain || g->m > KEPT_ROWS || g->k <= RL_GEMM_FLAT) return false;
  p->ready = kept->by == p->k && kept->turned == g->tb && kept->n == g->n && kept->k == g->k;
  if (p->ready) return true;
  rl_mem_free(kept->panels, kept->bytes);
  *kept = (rl_kept){.turned = g->tb, .n = g->n, .k = g->k};
  kept->bytes = (size_t)(ceil_to(g->n, p->panel) * g->k) * p->size;
  return rl_mem_alloc(&kept->panels, kept->bytes) == RL_OK;
}

static rl_gemm_work work_of(const plan *p, int64_t batch) {
  const rl_gemm *g = p->g;
  return (rl_gemm_work){.g = g,
                        .a = (const char *)g->a + (size_t)(batch * g->stride_a) * p->size,
                        .b = (const char *)g->b + (size_t)(batch * g->stride_b) * p->size,
                        .c = (char *)g->c + (size_t)(batch * g->stride_c) * p->size,
                        .ldc = g->ldc,
                        .packed = p->packed,
                        .kept = p->kept,
                        .flat = p->flat,
                        .streams = p->parts == 1 && g->act == RL_ACT_NONE &&
                                   (size_t)(g->m * g->n) * p->size >= RL_BYPASS_BYTES,
                        .bias = g->bias,
                        .beta = g->beta};
}

/* B stored k x n is packed by rows, B stored n x k by panels: either way memory is read in order. */
static void pack_body(void *ctx, int64_t block, int worker) {
  const plan *p = ctx;
  const rl_gemm *g = p->g;
  rl_gemm_work w = work_of(p, 0);
  w.j0 = g->tb ? block * p->panel : 0;
  w.j1 = g->tb ? least(w.j0 + p->panel, g->n) : g->n;
  w.k0 = g->tb ? 0 : block * PACK_ROWS;
  w.k1 = g->tb ? g->k : least(w.k0 + PACK_ROWS, g->k);
  RL_KERNEL_CALL(p->k, g->dtype, gemm_pack, &w, p->packed);
  (void)worker;
}

static void rectify(const plan *p, const rl_gemm_work *w) { /* a block, while it is near */
  for (int64_t i = w->i0; i < w->i1; i++)
    RL_KERNEL_CALL(p->k, p->g->dtype, rectify,
                   (void *)((char *)w->c + (size_t)(i * w->ldc + w->j0) * p->size), (size_t)(w->j1 - w->j0));
}

/* The lowest digit of a number, to a base, is taken off it. */
static int64_t digit(int64_t *number, int64_t base) {
  int64_t all = *number;
  if (base == 1) return 0;
  *number = all / base;
  return all % base;
}

static void block_body(void *ctx, int64_t block, int worker) {
  const plan *p = ctx;
  const rl_gemm *g = p->g;
  int64_t j = digit(&block, p->pack ? p->gj : 1), i = digit(&block, p->gi);
  if (!p->pack) j = digit(&block, p->gj);
  int64_t whole = block, part = digit(&block, p->parts);
  rl_gemm_work w = work_of(p, block);
  w.scratch = p->scratch + (size_t)worker * p->scratch_bytes;
  w.i0 = i * p->rows;
  w.i1 = least(w.i0 + p->rows, g->m);
  w.j0 = j * p->cols;
  w.j1 = least(w.j0 + p->cols, g->n);
  w.k1 = g->k;
  if (p->parts > 1) {
    w.k0 = g->k * part / p->parts;
    w.k1 = g->k * (part + 1) / p->parts;
    w.c = p->part + (size_t)(whole * g->m * g->n) * p->size;
    w.ldc = g->n;
    w.beta = 0;
    w.bias = NULL;
  }
  if (p->moments != NULL) w.moments = p->moments + i * 3 * g->n;
  if (g->back != NULL) w.sums = p->sums + i * 3 * g->n;
  RL_KERNEL_CALL(p->k, g->dtype, gemm_block, &w);
  if (g->act == RL_ACT_RELU && p->parts == 1) rectify(p, &w);
}

static void fold_body(void *ctx, int64_t block, int worker) {
  const plan *p = ctx;
  const rl_gemm *g = p->g;
  int64_t batch = block / p->gi, i = block % p->gi;
  rl_gemm_fold f = {.part = p->part + (size_t)(batch * p->parts * g->m * g->n) * p->size,
                    .parts = p->parts,
                    .m = g->m,
                    .n = g->n,
                    .i0 = i * p->rows,
                    .i1 = least((i + 1) * p->rows, g->m),
                    .c = (char *)g->c + (size_t)(batch * g->stride_c) * p->size,
                    .ldc = g->ldc,
                    .bias = g->bias,
                    .beta = g->beta};
  RL_KERNEL_CALL(p->k, g->dtype, gemm_fold, &f);
  if (g->act == RL_ACT_RELU)
    rectify(p, &(rl_gemm_work){.c = f.c, .ldc = f.ldc, .i0 = f.i0, .i1 = f.i1, .j1 = f.n});
  (void)worker;
}

static void fold_sums(const plan *p) {
  double *sums = p->g->back->sums;
  for (int64_t j = 0; sums != NULL && j < 3 * p->g->n; j++) {
    sums[j] = 0;
    for (int64_t i = 0; i < p->gi; i++) sums[j] += p->sums[i * 3 * p->g->n + j];
  }
}

static rl_status run_blocks(plan *p) {
  int64_t work = p->g->m * p->g->n * p->g->k / 16 * p->batch; /* small products wake nobody */
  if (p->pack && !p->ready)
    RL_TRY(rl_parallel_work(pack_body, p,
                            p->g->tb ? rl_blocks(p->g->n, p->panel) : rl_blocks(p->g->k, PACK_ROWS), work));
  if (p->kept) p->g->kept->by = p->k;
  RL_TRY(rl_parallel_work(block_body, p, p->batch * p->parts * p->gi * p->gj, work));
  if (p->parts > 1) RL_TRY(rl_parallel(fold_body, p, p->batch * p->gi));
  if (p->g->back != NULL) fold_sums(p);
  if (p->moments != NULL) rl_moments_fold(p->g->moments, p->g->n, 1, p->g->m, p->rows, p->moments);
  return RL_OK;
}

static size_t lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

rl_status rl_gemm_run(const rl_gemm *g) {
  plan p = {.g = g,
            .k = rl_kernels_best(),
            .size = g->dtype == RL_F64 ? 8 : 4,
            .batch = g->batch == 0 ? 1 : g->batch};
  _Alignas(64) char stack[STACK_BYTES];
  if (g->m == 0 || g->n == 0) return RL_OK;
  p.panel = 2 * p.k->vector_bytes / (int64_t)p.size;
  p.kept = look_for_kept(&p);
  cut(&p);
  p.scratch_bytes = scratch_size(&p);
  int64_t blocks = p.batch * p.parts * p.gi * p.gj;
  bool aside = g->moments != NULL && p.parts > 1; /* of a sum of parts the moments are taken afterwards */
  size_t all = p.scratch_bytes * (size_t)(blocks > 1 ? rl_threads_get() : 1);
  size_t packed = p.pack && !p.kept ? lines((size_t)(ceil_to(g->n, p.panel) * g->k) * p.size) : 0;
  size_t part = p.parts > 1 ? lines((size_t)(p.batch * p.parts * g->m * g->n) * p.size) : 0;
  size_t sums =
      g->back != NULL || (g->moments != NULL && !aside) ? (size_t)(p.gi * 3 * g->n) * sizeof(double) : 0;
  size_t bytes = all + packed + part + sums;
  void *memory = stack;
  if (bytes > STACK_BYTES) RL_TRY(rl_mem_alloc(&memory, bytes));
  p.scratch = memory;
  if (p.pack) p.packed = p.kept ? g->kept->panels : p.scratch + all;
  p.part = p.scratch + all + packed;
  if (g->back != NULL) p.sums = (double *)(void *)(p.part + part);
  if (g->back == NULL && sums > 0) p.moments = (double *)(void *)(p.part + part);
  rl_fpmode mode = rl_fp_enter();
  rl_status status = run_blocks(&p);
  rl_fp_leave(mode);
  if (memory != stack) rl_mem_free(memory, bytes);
  if (status == RL_OK && aside) status = rl_column_moments(g->dtype, g->m, g->n, g->c, g->ldc, g->moments);
  return status;
}
