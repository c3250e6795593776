/* Ceilings, each the best of a few rounds: multiply-adds from registers only (12 independent sums hide the
** latency; all start from normal numbers, since leftover denormals would be a hundred times slower), and sums and
** copies over working sets that fit a level of the caches. */
#include "kernels/peaks.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SUMS       12
#define FMA_LOOPS  100000
#define ROUNDS     5
#define L2_BYTES   ((size_t)256 << 10) /* of one worker, and of each of a copy's two sides */
#define L3_BYTES   ((size_t)3 << 20)
#define DRAM_BYTES ((size_t)96 << 20) /* of all workers */
#define SLICES     32 /* blocks of a measurement per thread, so that none waits long for another */

typedef float wide __attribute__((vector_size(64)));

typedef struct probe {
  float (*fma)(int loops);
  float (*read)(const wide *x, size_t n);
  int width; /* floats of one of its sums */
  char *from, *to;
  size_t bytes; /* of a block */
  int passes;
  bool own;            /* each worker has its own working set; else each block has */
  volatile float sink; /* keeps results alive; which one stands last does not matter */
} probe;

static float fma_plain(int loops) {
  float s[SUMS * 4];
  for (int j = 0; j < SUMS * 4; j++) s[j] = (float)j + 1;
  for (int i = 0; i < loops; i++)
    for (int j = 0; j < SUMS * 4; j++) s[j] = s[j] * 0.999f + 0.001f;
  for (int j = 1; j < SUMS * 4; j++) s[0] += s[j];
  return s[0];
}

/* Four sums, so that none waits for its last addition. */
#define READER(name, target)                                                                                 \
  target static float name(const wide *x, size_t n) {                                                        \
    wide a = {0}, b = {0}, c = {0}, d = {0};                                                                 \
    for (size_t i = 0; i + 4 <= n; i += 4) a += x[i], b += x[i + 1], c += x[i + 2], d += x[i + 3];           \
    a += b + c + d;                                                                                          \
    return a[0] + a[7] + a[15];                                                                              \
  }

READER(read_plain, )

#if defined(__x86_64__)
READER(read_avx2, __attribute__((target("avx2"))))
READER(read_avx512, __attribute__((target("avx512f"))))

__attribute__((target("avx2,fma"))) static float fma_avx2(int loops) {
  __m256 s[SUMS], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (int j = 0; j < SUMS; j++) s[j] = _mm256_set1_ps((float)j + 1);
  for (int i = 0; i < loops; i++)
    for (int j = 0; j < SUMS; j++) s[j] = _mm256_fmadd_ps(s[j], a, b);
  for (int j = 1; j < SUMS; j++) s[0] = _mm256_add_ps(s[0], s[j]);
  return _mm256_cvtss_f32(s[0]);
}

__attribute__((target("avx512f"))) static float fma_avx512(int loops) {
  __m512 s[SUMS], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
  for (int j = 0; j < SUMS; j++) s[j] = _mm512_set1_ps((float)j + 1);
  for (int i = 0; i < loops; i++)
    for (int j = 0; j < SUMS; j++) s[j] = _mm512_fmadd_ps(s[j], a, b);
  for (int j = 1; j < SUMS; j++) s[0] = _mm512_add_ps(s[0], s[j]);
  return _mm512_cvtss_f32(s[0]);
}
#endif

static void choose(probe *p) {
  p->fma = fma_plain, p->width = 4, p->read = read_plain;
#if defined(__x86_64__)
  if (strcmp(rl_isa_name(), "avx2") == 0) p->fma = fma_avx2, p->width = 8, p->read = read_avx2;
  if (strcmp(rl_isa_name(), "avx512") == 0) p->fma = fma_avx512, p->width = 16, p->read = read_avx512;
#endif
}

static void fma_block(void *ctx, int64_t b, int worker) {
  probe *p = ctx;
  (void)b, (void)worker;
  p->sink = p->fma(FMA_LOOPS / SLICES);
}

static void read_block(void *ctx, int64_t b, int worker) {
  probe *p = ctx;
  const char *x = p->from + (p->own ? (size_t)worker : (size_t)b) * p->bytes;
  float sum = 0;
  for (int pass = 0; pass < p->passes; pass++)
    sum += p->read((const wide *)(const void *)x, p->bytes / sizeof(wide));
  p->sink = sum;
}

static void copy_block(void *ctx, int64_t b, int worker) {
  probe *p = ctx;
  size_t at = (p->own ? (size_t)worker : (size_t)b) * p->bytes;
  for (int pass = 0; pass < p->passes; pass++) memcpy(p->to + at, p->from + at, p->bytes);
}

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static rl_status best_of(probe *p, rl_body body, int64_t blocks, double amount, double *rate) {
  *rate = 0;
  for (int round = 0; round < ROUNDS; round++) {
    double began = now_s();
    RL_TRY(rl_parallel(body, p, blocks));
    double now = amount / (now_s() - began);
    if (now > *rate) *rate = now;
  }
  return RL_OK;
}

static rl_status bandwidths(probe *p, rl_peaks *out, int64_t workers) {
  static const size_t own[] = {L2_BYTES, L3_BYTES};
  static const int passes[] = {40, 4};
  int64_t blocks = workers * SLICES;
  for (int level = 0; level < RL_PEAK_LEVELS; level++) {
    p->own = level != RL_PEAK_DRAM;
    p->bytes = p->own ? own[level] : DRAM_BYTES / (size_t)blocks / 4096 * 4096;
    p->passes = p->own ? passes[level] : 1;
    double all = (double)p->bytes * (double)p->passes * (double)blocks;
    RL_TRY(best_of(p, read_block, blocks, all, &out->read[level]));
    RL_TRY(best_of(p, copy_block, blocks, 2 * all, &out->copy[level]));
  }
  return RL_OK;
}

rl_status rl_peaks_measure(rl_peaks *out) {
  probe p = {0};
  int64_t workers = rl_threads_get();
  size_t bytes = L3_BYTES * (size_t)workers;
  if (bytes < DRAM_BYTES) bytes = DRAM_BYTES;
  void *memory = NULL;
  RL_TRY(rl_mem_alloc(&memory, 2 * bytes));
  memset(memory, 0, 2 * bytes);
  p.from = memory, p.to = p.from + bytes;
  choose(&p);
  double flops = 2.0 * SUMS * p.width * (FMA_LOOPS / SLICES) * SLICES * (double)workers;
  rl_status s = best_of(&p, fma_block, workers * SLICES, flops, &out->fma);
  if (s == RL_OK) s = bandwidths(&p, out, workers);
  rl_mem_free(memory, 2 * bytes);
  return s;
}
