/* Cuts a product into blocks and runs them: over rows and columns, and over the inner dimension only where
** that is long and C small; then at fixed places, at most 8 partial products, added in their order. */
#include "kernels/gemm.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/columns.h"
#include "kernels/kernels.h"

#define PACK_ROWS    64
#define PARTS_MAX    8
#define STACK_BYTES  32768
#define BLOCK_FLOPS  1000000 /* a block is not cut below this: about 10 us on one core */
#define BLOCKS_MEANT 16

typedef struct plan {
  const rl_gemm *g;
  const rl_kernels *k;
  size_t size;                  /* of an element */
  int64_t rows, cols;           /* of a block */
  int64_t gi, gj, parts, batch; /* the grid */
  int64_t panel;
  size_t scratch_bytes; /* per worker */
  char *scratch, *packed, *part;
  double *sums;
} plan;

static int64_t ceil_to(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Bytes of one worker: a copied tile of A (all of the block's where A must be turned), and a slice of the
** block's panels unless they are packed for all. */
static size_t scratch_size(const plan *p, bool packed) {
  int64_t rows = p->g->ta && p->rows > p->k->tile_rows ? p->rows : p->k->tile_rows;
  int64_t a = rows * (RL_GEMM_DEPTH + 64 / (int64_t)p->size);
  int64_t b = packed ? 0 : ceil_to(p->cols, p->panel) * least(p->g->k, RL_GEMM_DEPTH);
  return (size_t)ceil_to((a + b) * (int64_t)p->size, 64);
}

/* Blocks of 28 rows balance better below 1000 rows, larger ones amortise more above; columns are cut when
** rows alone give too few blocks. */
static void cut(plan *p) {
  const rl_gemm *g = p->g;
  int64_t tile = p->k->tile_rows, flops = 2 * g->m * g->n * least(g->k, INT64_MAX / 2);
  bool lean = g->back == NULL && g->m * g->n <= 262144 && g->k >= 4096;
  p->parts = lean ? least(PARTS_MAX, g->k / 2048) : 1;
  p->rows = g->m < 1000 ? 2 * tile : 8 * tile;
  if (p->parts > 1 || g->batch > 4) p->rows = 16 * tile; /* these pack B in each block */
  p->rows = least(p->rows, g->m);
  p->gi = (g->m + p->rows - 1) / p->rows;
  int64_t meant = BLOCKS_MEANT / least(BLOCKS_MEANT, p->gi * p->batch * p->parts);
  meant = least(meant, flops / (p->gi * p->parts) / BLOCK_FLOPS + 1);
  p->cols = least(ceil_to((g->n + meant - 1) / meant, p->panel), 512);
  p->gj = (g->n + p->cols - 1) / p->cols;
}

static rl_gemm_work work_of(const plan *p, int64_t batch) {
  const rl_gemm *g = p->g;
  return (rl_gemm_work){.g = g,
                        .a = (const char *)g->a + (size_t)(batch * g->stride_a) * p->size,
                        .b = (const char *)g->b + (size_t)(batch * g->stride_b) * p->size,
                        .c = (char *)g->c + (size_t)(batch * g->stride_c) * p->size,
                        .ldc = g->ldc,
                        .packed = p->packed,
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

static void block_body(void *ctx, int64_t block, int worker) {
  const plan *p = ctx;
  const rl_gemm *g = p->g;
  int64_t i = block % p->gi, j = block / p->gi % p->gj, rest = block / p->gi / p->gj;
  int64_t part = rest % p->parts, batch = rest / p->parts;
  rl_gemm_work w = work_of(p, batch);
  w.scratch = p->scratch + (size_t)worker * p->scratch_bytes;
  w.i0 = i * p->rows;
  w.i1 = least(w.i0 + p->rows, g->m);
  w.j0 = j * p->cols;
  w.j1 = least(w.j0 + p->cols, g->n);
  w.k0 = g->k * part / p->parts;
  w.k1 = g->k * (part + 1) / p->parts;
  if (p->parts > 1) {
    w.c = p->part + (size_t)(rest * g->m * g->n) * p->size;
    w.ldc = g->n;
    w.beta = 0;
    w.bias = NULL;
  }
  if (g->back != NULL) w.sums = p->sums + i * 3 * g->n;
  RL_KERNEL_CALL(p->k, g->dtype, gemm_block, &w);
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
  (void)worker;
}

static void fold_sums(const plan *p) {
  double *sums = p->g->back->sums;
  for (int64_t j = 0; sums != NULL && j < 3 * p->g->n; j++) {
    sums[j] = 0;
    for (int64_t i = 0; i < p->gi; i++) sums[j] += p->sums[i * 3 * p->g->n + j];
  }
}

static rl_status run_blocks(plan *p, bool pack) {
  int64_t work = p->g->m * p->g->n * p->g->k / 16 * p->batch; /* small products wake nobody */
  if (pack)
    RL_TRY(rl_parallel_work(pack_body, p,
                            p->g->tb ? rl_blocks(p->g->n, p->panel) : rl_blocks(p->g->k, PACK_ROWS), work));
  RL_TRY(rl_parallel_work(block_body, p, p->batch * p->parts * p->gi * p->gj, work));
  if (p->parts > 1) RL_TRY(rl_parallel(fold_body, p, p->batch * p->gi));
  if (p->g->back != NULL) fold_sums(p);
  return RL_OK;
}

rl_status rl_gemm_run(const rl_gemm *g) {
  plan p = {.g = g,
            .k = rl_kernels_best(),
            .size = g->dtype == RL_F64 ? 8 : 4,
            .batch = g->batch == 0 ? 1 : g->batch};
  _Alignas(64) char stack[STACK_BYTES];
  if (g->m == 0 || g->n == 0) return RL_OK;
  p.panel = 2 * p.k->vector_bytes / (int64_t)p.size;
  cut(&p);
  bool shared = p.batch == 1 || g->stride_b == 0,
       pack = g->back != NULL || (shared && p.parts == 1 && p.gi * p.batch > 1);
  int64_t blocks = p.batch * p.parts * p.gi * p.gj;
  p.scratch_bytes = scratch_size(&p, pack);
  size_t all = p.scratch_bytes * (size_t)(blocks > 1 ? rl_threads_get() : 1);
  size_t packed = pack ? (size_t)(ceil_to(g->n, p.panel) * g->k) * p.size : 0;
  size_t part = p.parts > 1 ? (size_t)(p.batch * p.parts * g->m * g->n) * p.size : 0;
  if (g->back != NULL) part = (size_t)(p.gi * 3 * g->n) * sizeof(double);
  size_t bytes = all + (size_t)ceil_to((int64_t)packed, 64) + part;
  void *memory = stack;
  if (bytes > STACK_BYTES) RL_TRY(rl_mem_alloc(&memory, bytes));
  p.scratch = memory;
  if (pack) p.packed = p.scratch + all;
  p.part = p.scratch + all + ceil_to((int64_t)packed, 64);
  if (g->back != NULL) p.sums = (double *)(void *)p.part;
  rl_fpmode mode = rl_fp_enter();
  rl_status status = run_blocks(&p, pack);
  rl_fp_leave(mode);
  if (memory != stack) rl_mem_free(memory, bytes);
  if (status == RL_OK && g->moments != NULL)
    status = rl_column_moments(g->dtype, g->m, g->n, g->c, g->ldc, g->moments);
  return status;
}
