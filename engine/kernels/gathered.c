/* Copies, products and where they are worth it (gathered.h). The gradient to the input is a product that is scattered back. */
#include "kernels/gathered.h"

#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/implicit.h"
#include "kernels/kernels.h"

#define BYTES_MOST ((int64_t)32 << 20) /* of the copy */
#define BLOCK_ROWS 8                   /* outputs that are copied as one piece of work */

typedef struct job {
  const rl_conv *s;
  const rl_kernels *k;
  int64_t pixels, depth; /* outputs; numbers that one of them sees */
  void *rows;            /* [pixels][cin kh kw], as the weight lies */
  size_t bytes;
  const rl_conv_dx *to;
} job;

static int64_t size_of(const rl_conv *s) { return s->dtype == RL_F64 ? 8 : 4; }

/* The largest row of outputs, by direction: 64 x 128 x 8 x 8 to 256 with stride 2 gave 179, 139, 58 GF/s as implicit
** GEMM and 189, 209, 188 gathered on two cores; 8 x 256 x 14 x 14 to 512 212, 126, 99 and 158, 183, 186; 64 x 64 x 16 x 16
** to 128 239, 182, 152 and 155, 170, 147. */
static const int64_t side_most[] = {[RL_FORWARD] = 4, [RL_BACK_DATA] = 7, [RL_BACK_WEIGHT] = 7};

bool rl_gathered_fits(const rl_conv *s, rl_direction direction) {
  int64_t taps = s->kh * s->kw, outputs = s->oh * s->ow;
  if (s->groups != 1 || s->nparts != 1 || s->part[0].up != 1) return false;
  if (taps == 1 || taps > RL_GATHERED_TAPS || s->cin < 16 || s->cout < 16) return false;
  bool dense = s->stride[0] * s->stride[1] == 1 && s->dilation[0] * s->dilation[1] == 1;
  if (dense && outputs > 4) return false; /* Winograd, mostly */
  return s->ow <= side_most[direction] && s->n * outputs * taps * s->cin * size_of(s) <= BYTES_MOST;
}

static rl_status job_open(job *j, const rl_conv *s) {
  *j = (job){.s = s, .k = rl_kernels_best(), .pixels = s->n * s->oh * s->ow, .depth = s->cin * s->kh * s->kw};
  j->bytes = (size_t)((j->pixels * j->depth + RL_GATHERED_SPARE) * size_of(s));
  return rl_mem_alloc(&j->rows, j->bytes);
}

static void gather_body(void *ctx, int64_t block, int worker) {
  const job *j = ctx;
  int64_t first = block * BLOCK_ROWS, last = first + BLOCK_ROWS < j->pixels ? first + BLOCK_ROWS : j->pixels;
  RL_KERNEL_CALL(j->k, j->s->dtype, conv_gather, j->s, j->rows, first, last);
  (void)worker;
}

static void scatter_body(void *ctx, int64_t image, int worker) {
  const job *j = ctx;
  RL_KERNEL_CALL(j->k, j->s->dtype, conv_scatter, j->s, j->rows, j->to, image);
  (void)worker;
}

static rl_status gather(job *j) { return rl_parallel(gather_body, j, rl_blocks(j->pixels, BLOCK_ROWS)); }

rl_status rl_gathered_forward(const rl_conv *s, const void *weight, const void *bias, void *y,
                              double *moments) {
  job j;
  RL_TRY(job_open(&j, s));
  rl_gemm g = {.dtype = s->dtype, .tb = true, .m = j.pixels, .n = s->cout, .k = j.depth};
  g.a = j.rows, g.lda = j.depth;
  g.b = weight, g.ldb = j.depth;
  g.c = y, g.ldc = s->ldy;
  g.bias = bias, g.moments = moments;
  rl_status status = gather(&j);
  if (status == RL_OK) status = rl_gemm_run(&g);
  rl_mem_free(j.rows, j.bytes);
  return status;
}

/* The gradient behind the prologue is scattered first into `behind`, where there is one. */
static rl_status back(job *j, const void *dy, const void *weight, const rl_conv_dx *to, void *behind) {
  const rl_conv *s = j->s;
  rl_gemm g = {.dtype = s->dtype, .m = j->pixels, .n = j->depth, .k = s->cout};
  g.a = dy, g.lda = s->ldy;
  g.b = weight, g.ldb = j->depth;
  g.c = j->rows, g.ldc = j->depth;
  RL_TRY(rl_gemm_run(&g));
  j->to = behind == NULL ? to : &(rl_conv_dx){.dx = behind, .ld = s->cin};
  RL_TRY(rl_parallel(scatter_body, j, s->n));
  return behind == NULL ? RL_OK : rl_conv_through(s, &s->part[0], to, behind);
}

rl_status rl_gathered_back_data(const rl_conv *s, int count, const void *const *dy, const void *weight,
                                const rl_conv_dx *dx) {
  job j;
  void *behind = NULL;
  size_t bytes = s->part[0].px.scale == NULL ? 0 : (size_t)(s->n * s->h * s->w * s->cin * size_of(s));
  RL_TRY(job_open(&j, s));
  rl_status status = bytes == 0 ? RL_OK : rl_mem_alloc(&behind, bytes);
  for (int k = 0; k < count && status == RL_OK; k++)
    if (dx[k].dx != NULL) status = back(&j, dy[k], weight, &dx[k], behind);
  if (behind != NULL) rl_mem_free(behind, bytes);
  rl_mem_free(j.rows, j.bytes);
  return status;
}

rl_status rl_gathered_back_weight(const rl_conv *s, int count, const void *const *dy, void *const *dweight,
                                  const double *beta) {
  job j;
  RL_TRY(job_open(&j, s));
  rl_status status = gather(&j);
  for (int k = 0; k < count && status == RL_OK; k++) {
    if (dweight[k] == NULL) continue;
    rl_gemm g = {.dtype = s->dtype, .ta = true, .m = s->cout, .n = j.depth, .k = j.pixels};
    g.a = dy[k], g.lda = s->ldy;
    g.b = j.rows, g.ldb = j.depth;
    g.c = dweight[k], g.ldc = j.depth, g.beta = beta[k];
    status = rl_gemm_run(&g);
  }
  rl_mem_free(j.rows, j.bytes);
  return status;
}
