/* Counted memory with a cache of size classes: four classes per power of two, so at most 25 % is unused. */
#include "base/mem.h"
#include "base/status.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define CLASSES    256

typedef struct block {
  struct block *next;
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *cache[CLASSES];
static rl_memstat stat;
static long asked, fail_n;
static bool fail_on;

static size_t class_of(size_t bytes, int *index) { /* the class's size; its index in *index */
  if (bytes <= 64) {
    *index = 0;
    return 64;
  }
  int top = 63 - __builtin_clzll(bytes - 1); /* 2^top <= bytes-1 < 2^(top+1) */
  size_t quarter = (size_t)1 << (top - 2);
  size_t part = (bytes - 1 - ((size_t)1 << top)) / quarter; /* 0..3 */
  *index = 4 * (top - 6) + (int)part + 1;
  size_t size = ((size_t)1 << top) + (part + 1) * quarter;
  return size >= HUGE_BYTES ? (size + HUGE_BYTES / 4 - 1) / (HUGE_BYTES / 4) * (HUGE_BYTES / 4) : size;
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

static void *from_system(size_t size) {
  if (size < HUGE_BYTES) return aligned_alloc(64, (size + 63) / 64 * 64);
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  madvise(p, size, MADV_HUGEPAGE);
  return p;
}

static void to_system(void *p, size_t size) {
  if (size < HUGE_BYTES)
    free(p);
  else
    munmap(p, size);
}

static size_t size_of_class(int index) {
  if (index == 0) return 64;
  int top = 6 + (index - 1) / 4, found;
  size_t probe = ((size_t)1 << top) + (size_t)((index - 1) % 4 + 1) * ((size_t)1 << (top - 2));
  return class_of(probe, &found);
}

static void trim_locked(void) {
  for (int i = 0; i < CLASSES; i++) {
    while (cache[i] != NULL) {
      block *b = cache[i];
      cache[i] = b->next;
      stat.cached_bytes -= size_of_class(i);
      to_system(b, size_of_class(i));
    }
  }
}

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
  int index;
  if (bytes > SIZE_MAX / 4) return refuse(bytes, stat);
  size_t size = class_of(bytes, &index);
  void *p = NULL;
  pthread_mutex_lock(&lock);
  if (stat.limit_bytes == 0) stat.limit_bytes = default_limit();
  if (!must_fail() && stat.live_bytes + size <= stat.limit_bytes) {
    if (cache[index] != NULL) {
      p = cache[index];
      cache[index] = cache[index]->next;
      stat.cached_bytes -= size;
    } else {
      if (stat.live_bytes + stat.cached_bytes + size > stat.limit_bytes) trim_locked();
      p = from_system(size);
    }
  }
  if (p != NULL) {
    stat.live_bytes += size;
    if (stat.live_bytes > stat.peak_bytes) stat.peak_bytes = stat.live_bytes;
  }
  rl_memstat seen = stat;
  pthread_mutex_unlock(&lock);
  if (p == NULL) return refuse(bytes, seen);
#ifdef RILLE_POISON
  memset(p, 0xff, bytes); /* NaN in every float */
#endif
  *out = p;
  return RL_OK;
}

void rl_mem_free(void *p, size_t bytes) {
  if (p == NULL) return;
  int index;
  size_t size = class_of(bytes, &index);
#ifdef RILLE_POISON
  memset(p, 0xfb, bytes);
#endif
  pthread_mutex_lock(&lock);
  stat.live_bytes -= size;
#ifdef RILLE_SANITIZE /* the sanitizer must see every free */
  to_system(p, size);
#else
  ((block *)p)->next = cache[index];
  cache[index] = p;
  stat.cached_bytes += size;
#endif
  pthread_mutex_unlock(&lock);
}

rl_memstat rl_mem_stat(void) {
  pthread_mutex_lock(&lock);
  if (stat.limit_bytes == 0) stat.limit_bytes = default_limit();
  rl_memstat s = stat;
  pthread_mutex_unlock(&lock);
  return s;
}

void rl_mem_reset_peak(void) {
  pthread_mutex_lock(&lock);
  stat.peak_bytes = stat.live_bytes;
  pthread_mutex_unlock(&lock);
}

void rl_mem_limit(size_t bytes) {
  pthread_mutex_lock(&lock);
  stat.limit_bytes = bytes == 0 ? default_limit() : bytes;
  pthread_mutex_unlock(&lock);
}

void rl_mem_trim(void) {
  pthread_mutex_lock(&lock);
  trim_locked();
  pthread_mutex_unlock(&lock);
}

long rl_mem_fail_at(long n, bool for_good) {
  pthread_mutex_lock(&lock);
  long before = asked;
  asked = 0;
  fail_n = n;
  fail_on = for_good;
  pthread_mutex_unlock(&lock);
  return before;
}
