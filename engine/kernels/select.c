/* Climbs the ladder: scalar fills the whole table, each later rung overrides what it improves. */
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static rl_kernels table[3];
static int rungs;                     /* how many of the three this CPU has */
static const rl_kernels *_Atomic now; /* the table in use; NULL before the climb */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void climb(void) {
  rl_kernels_fill_scalar(&table[0]);
  rungs = 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    table[1] = table[0];
    rl_kernels_fill_avx2(&table[1]);
    rungs = 2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      table[2] = table[1];
      rl_kernels_fill_avx512(&table[2]);
      rungs = 3;
    }
  }
#endif
  int best = rungs - 1;
  const char *cap = getenv("RILLE_ISA");
  for (int i = 0; cap != NULL && i < rungs; i++)
    if (strcmp(cap, table[i].isa) == 0) best = i;
  now = &table[best];
}

const rl_kernels *rl_kernels_best(void) {
  const rl_kernels *k = now;
  if (k != NULL) return k;
  pthread_once(&once, climb);
  return now;
}

bool rl_kernels_use(const char *isa) {
  pthread_once(&once, climb);
  for (int i = 0; i < rungs; i++)
    if (strcmp(isa, table[i].isa) == 0) {
      now = &table[i];
      return true;
    }
  return false;
}

const rl_kernels *rl_kernels_rung(const char *isa) {
  pthread_once(&once, climb);
  for (int i = 0; i < rungs; i++)
    if (strcmp(isa, table[i].isa) == 0) return &table[i];
  return NULL;
}

const char *rl_isa_name(void) { return rl_kernels_best()->isa; }
