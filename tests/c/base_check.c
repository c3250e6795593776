/* The ground everything stands on: Philox's published values, blocks and threads, counted memory that can fail. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/threads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int failed;

#define CHECK(x)                                                                                             \
  do {                                                                                                       \
    if (!(x)) failed++, printf("%s:%d: %s\n", __FILE__, __LINE__, #x);                                       \
  } while (0)

static void philox(void) { /* known answers of the Random123 distribution */
  static const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  static const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  uint32_t w[4];
  rl_philox(0, 0, 0, 0, 0, w);
  CHECK(memcmp(w, zero, sizeof w) == 0);
  rl_philox(UINT64_MAX, 0, UINT32_MAX, UINT32_MAX, UINT64_MAX, w);
  CHECK(memcmp(w, ones, sizeof w) == 0);
  double sum = 0, square = 0;
  for (uint64_t i = 0; i < 100000; i++) {
    double v = rl_normal(7, 3, 1, 0, i);
    sum += v, square += v * v;
  }
  CHECK(fabs(sum / 1e5) < 0.015 && fabs(square / 1e5 - 1) < 0.02);
}

typedef struct squares {
  double out[1000];
} squares;

static void square_block(void *ctx, int64_t b, int worker) {
  (void)worker;
  ((squares *)ctx)->out[b] = sqrt((double)b);
}

static void threads(void) {
  static squares one, many;
  for (int n = 1; n <= 4; n++) {
    CHECK(rl_threads_set(n) == RL_OK);
    memset(&many, 0, sizeof many);
    for (int round = 0; round < 200; round++) CHECK(rl_parallel(square_block, &many, 1000) == RL_OK);
    if (n == 1) one = many;
    CHECK(memcmp(&one, &many, sizeof one) == 0);
  }
  rl_interrupt_allow(true);
  rl_interrupt_set(true);
  CHECK(rl_parallel(square_block, &many, 1000) == RL_EINTR);
  rl_interrupt_set(false);
  rl_interrupt_allow(false);
}

static void memory(void) {
  size_t before = rl_mem_stat().live_bytes;
  void *a = NULL, *b = NULL;
  CHECK(rl_mem_alloc(&a, 100) == RL_OK && ((uintptr_t)a & 63u) == 0);
  CHECK(rl_mem_alloc(&b, (size_t)5 << 20) == RL_OK && ((uintptr_t)b & 63u) == 0);
  memset(b, 1, (size_t)5 << 20);
  rl_mem_free(a, 100);
  rl_mem_free(b, (size_t)5 << 20);
  CHECK(rl_mem_stat().live_bytes == before);
  CHECK(rl_mem_alloc(&a, SIZE_MAX / 2) == RL_ENOMEM);
  CHECK(strstr(rl_error_text(), "memory: cannot allocate") != NULL);
  rl_mem_limit(before + 4096);
  CHECK(rl_mem_alloc(&a, 1 << 20) == RL_ENOMEM);
  rl_mem_limit(0);
  rl_mem_fail_at(2, false);
  CHECK(rl_mem_alloc(&a, 64) == RL_OK && rl_mem_alloc(&b, 64) == RL_ENOMEM);
  CHECK(rl_mem_alloc(&b, 64) == RL_OK);
  CHECK(rl_mem_fail_at(0, false) == 3);
  rl_mem_free(a, 64), rl_mem_free(b, 64);
  for (size_t n = 1; n < (size_t)9 << 20; n = n * 5 / 3 + 1) { /* every class holds what it promises */
    CHECK(rl_mem_alloc(&a, n) == RL_OK);
    memset(a, 0x5a, n);
    rl_mem_free(a, n);
  }
  rl_mem_trim();
  CHECK(rl_mem_stat().cached_bytes == 0 && rl_mem_stat().live_bytes == before);
}

static void paths(void) {
  CHECK(rl_path_push("encoder") == RL_OK && rl_path_push("conv1") == RL_OK);
  const char *once = rl_path_get();
  CHECK(strcmp(once, "encoder.conv1") == 0);
  CHECK(rl_fail(RL_ESHAPE, "op: %d", 3) == RL_ESHAPE && strcmp(rl_error_text(), "encoder.conv1: op: 3") == 0);
  rl_path_pop();
  CHECK(rl_path_push("conv1") == RL_OK && rl_path_get() == once); /* interned */
  rl_path_pop(), rl_path_pop();
  CHECK(rl_path_get()[0] == '\0');
}

int main(void) {
  philox();
  threads();
  memory();
  paths();
  if (failed == 0) puts("base: all checks hold");
  return failed != 0;
}
