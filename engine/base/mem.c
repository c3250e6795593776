/* Counted memory. Small blocks come from free lists of size classes (to 512 bytes in steps of 64, then four per
** power of two, so at most 25 % is unused), carved from slabs that stay; larger ones from base/heap.c. */
#include "base/mem.h"
#include "base/heap.h"
#include "base/status.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h> /* glibc: no other thread runs */
#define ALONE __libc_single_threaded
#else
#define ALONE false
#endif

#define SMALL_BYTES ((size_t)32768)
#define SLAB_BYTES  ((size_t)131072)
#define CLASSES     32

static atomic_bool busy; /* held for a few instructions: no sleeping */
static rl_memstat stat;
static long asked, fail_n;
static bool fail_on;

static void take_lock(void) {
  if (ALONE) return; /* an exchange costs as much as all the rest of a small block */
  for (int spins = 0; atomic_exchange_explicit(&busy, true, memory_order_acquire); spins++)
    if (spins > 100) sched_yield();
}

static void give_lock(void) { atomic_store_explicit(&busy, false, memory_order_release); }

/* What a request takes, and its class where it is small. */
static inline size_t rounded(size_t bytes, int *class) {
  if (bytes > SMALL_BYTES) return (bytes + RL_HEAP_UNIT - 1) / RL_HEAP_UNIT * RL_HEAP_UNIT;
  if (bytes <= 512) {
    *class = bytes == 0 ? 0 : (int)((bytes - 1) / 64);
    return 64 * ((size_t) * class + 1);
  }
  int top = 63 - __builtin_clzll(bytes - 1); /* 2^top <= bytes-1 < 2^(top+1) */
  size_t quarter = (size_t)1 << (top - 2), part = (bytes - 1) / quarter - 4; /* 0..3 */
  *class = 8 + 4 * (top - 9) + (int)part;
  return (5 + part) * quarter;
}

static size_t read_number(const char *file) { /* 0 if there is none ("max") */
  FILE *f = fopen(file, "r");
  unsigned long long v = 0;
  if (f != NULL) {
    if (fscanf(f, "%llu", &v) != 1) v = 0;
    fclose(f);
  }
  return (size_t)v;
}

static size_t default_limit(void) {
  size_t machine = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGE_SIZE);
  size_t group = read_number("/sys/fs/cgroup/memory.max");
  if (group == 0) group = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  if (group > 0 && group < machine) machine = group;
  return machine / 10 * 9;
}

#ifdef RILLE_SANITIZE /* the sanitizer must see every block and every free */
static void *obtain(size_t size, int class) {
  (void)class;
  return aligned_alloc(64, size);
}

static void hand_back(void *p, size_t size, int class) {
  (void)size, (void)class;
  free(p);
}
#else
typedef struct block {
  struct block *next;
} block;

static block *cache[CLASSES];

static bool carve(size_t size, int class) { /* a slab into blocks, the first on top */
  char *slab = rl_heap_take(SLAB_BYTES);
  if (slab == NULL) return false;
  for (size_t at = SLAB_BYTES / size * size; at > 0; at -= size) {
    block *b = (block *)(void *)(slab + at - size);
    b->next = cache[class];
    cache[class] = b;
  }
  return true;
}

static void *obtain(size_t size, int class) {
  if (size > SMALL_BYTES) return rl_heap_take(size);
  if (cache[class] == NULL && !carve(size, class)) return NULL;
  block *b = cache[class];
  cache[class] = b->next;
  return b;
}

static void hand_back(void *p, size_t size, int class) {
  if (size > SMALL_BYTES) {
    rl_heap_give(p, size);
    return;
  }
  block *b = p;
  b->next = cache[class];
  cache[class] = b;
}
#endif

static bool must_fail(void) {
  asked++;
  if (fail_n == 0) return false;
  if (fail_n > 1) return fail_n--, false;
  if (!fail_on) fail_n = 0;
  return true;
}

static rl_status refuse(size_t bytes, rl_memstat s) {
  return rl_fail(RL_ENOMEM,
                 "memory: cannot allocate %.1f MiB, %.1f MiB are live, the limit is %.1f MiB; "
                 "use a smaller size or batch, or raise the limit",
                 (double)bytes / 0x1p20, (double)s.live_bytes / 0x1p20, (double)s.limit_bytes / 0x1p20);
}

rl_status rl_mem_alloc(void **out, size_t bytes) {
  int class = 0;
  if (bytes > SIZE_MAX / 4) return refuse(bytes, stat);
  size_t size = rounded(bytes, &class);
  void *p = NULL;
  take_lock();
  if (stat.limit_bytes == 0) stat.limit_bytes = default_limit();
  if (!must_fail() && stat.live_bytes + size <= stat.limit_bytes) {
    if (size > SMALL_BYTES && stat.live_bytes + rl_heap_cached() + size > stat.limit_bytes) rl_heap_trim();
    p = obtain(size, class);
  }
  if (p == NULL) {
    rl_memstat seen = stat;
    give_lock();
    return refuse(bytes, seen);
  }
  stat.live_bytes += size;
  if (stat.live_bytes > stat.peak_bytes) stat.peak_bytes = stat.live_bytes;
  give_lock();
#ifdef RILLE_POISON
  memset(p, 0xff, bytes); /* NaN in every float */
#endif
  *out = p;
  return RL_OK;
}

void rl_mem_free(void *p, size_t bytes) {
  if (p == NULL) return;
  int class = 0;
  size_t size = rounded(bytes, &class);
#ifdef RILLE_POISON
  memset(p, 0xfb, bytes);
#endif
  take_lock();
  stat.live_bytes -= size;
  hand_back(p, size, class);
  give_lock();
}

rl_memstat rl_mem_stat(void) {
  take_lock();
  if (stat.limit_bytes == 0) stat.limit_bytes = default_limit();
  rl_memstat s = stat;
  s.cached_bytes = rl_heap_cached();
  give_lock();
  return s;
}

void rl_mem_reset_peak(void) {
  take_lock();
  stat.peak_bytes = stat.live_bytes;
  give_lock();
}

void rl_mem_limit(size_t bytes) {
  take_lock();
  stat.limit_bytes = bytes == 0 ? default_limit() : bytes;
  give_lock();
}

void rl_mem_trim(void) {
  take_lock();
  rl_heap_trim();
  give_lock();
}

long rl_mem_fail_at(long n, bool for_good) {
  take_lock();
  long before = asked;
  asked = 0;
  fail_n = n;
  fail_on = for_good;
  give_lock();
  return before;
}
