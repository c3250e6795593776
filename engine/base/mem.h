/* mem.h: counted memory. What is freed is kept for reuse and goes back to the system only under a limit: fresh
** pages cost as much as ten passes over them. Safe to call from any thread. */
#ifndef RL_BASE_MEM_H
#define RL_BASE_MEM_H

#include "rille.h"

/* 64-byte aligned; contents undefined (NaN pattern when RILLE_POISON is set in the build). bytes 0 gives
** a block too. */
rl_status rl_mem_alloc(void **out, size_t bytes);
void rl_mem_free(void *block, size_t bytes); /* `bytes` as given to alloc; takes NULL */

typedef struct rl_memstat {
  size_t live_bytes;   /* handed out */
  size_t peak_bytes;   /* largest live_bytes since rl_mem_reset_peak */
  size_t cached_bytes; /* kept for reuse, of the larger blocks */
  size_t limit_bytes;  /* alloc refuses above it; 90 % of the cgroup's or the machine's memory by default */
} rl_memstat;
rl_memstat rl_mem_stat(void);
void rl_mem_reset_peak(void);
void rl_mem_limit(size_t bytes); /* 0: the default */
void rl_mem_trim(void);          /* gives the cache back to the system */

/* For tests: the n-th alloc from now fails (n from 1), and all after it if `for_good`; n = 0 switches off.
** Returns how many allocs were asked for since the last call. */
long rl_mem_fail_at(long n, bool for_good);

/* a * b in *out, or false where size_t cannot hold it. The only way sizes are multiplied. */
static inline bool rl_size_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

#endif
