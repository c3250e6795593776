/* The pool: workers spin for about 200 us after a region, then sleep on a futex. */
#include "base/threads.h"
#include "base/status.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#else
#define PAUSE() ((void)0)
#endif

#define SPINS      16000
#define WORK_LEAST 8192    /* elements; about 3 us */
#define FLUSH      0x8040u /* MXCSR: flush-to-zero, denormals-are-zero */

/* Each worker has a share of the blocks, neighbours in memory mostly, and helps the others when that is done: what one region
** leaves in a core's cache the next one finds there. */
typedef struct job {
  rl_body body;
  void *ctx;
  int workers;
  struct {
    _Alignas(64) _Atomic int64_t next;
    int64_t end;
  } share[RL_THREADS_MAX];
} job;

/* A region is open while OPEN stands in `gate`; the rest of it counts the workers inside. Whoever comes after
** it was closed stays out, so that the caller never waits for one that sleeps. */
#define OPEN 0x80000000u
static struct {
  job now;
  _Atomic uint32_t gate;
  _Atomic uint32_t turn; /* counts regions; workers wait for a change */
  _Atomic int sleepers;
  _Atomic bool quit;
  pthread_t id[RL_THREADS_MAX];
  int running, wanted;
} pool;

static _Thread_local bool in_region;
static atomic_bool interrupted, may_abandon;

void rl_interrupt_set(bool on) { atomic_store(&interrupted, on); }
bool rl_interrupt_pending(void) { return atomic_load(&interrupted); }
void rl_interrupt_allow(bool on) { atomic_store(&may_abandon, on); }

static bool abandoned(void) {
  return atomic_load_explicit(&may_abandon, memory_order_relaxed) &&
         atomic_load_explicit(&interrupted, memory_order_relaxed);
}

rl_fpmode rl_fp_enter(void) {
  rl_fpmode m = {0};
#if defined(__x86_64__)
  m.saved = _mm_getcsr();
  if ((m.saved & FLUSH) != FLUSH) _mm_setcsr(m.saved | FLUSH);
#endif
  return m;
}

void rl_fp_leave(rl_fpmode m) {
#if defined(__x86_64__)
  if ((m.saved & FLUSH) != FLUSH) _mm_setcsr(m.saved);
#else
  (void)m;
#endif
}

static void claim(job *j, int worker) {
  for (int k = 0, w = worker; k < j->workers; k++, w = w + 1 < j->workers ? w + 1 : 0)
    for (;;) {
      int64_t b = atomic_fetch_add_explicit(&j->share[w].next, 1, memory_order_relaxed);
      if (b >= j->share[w].end) break;
      if (abandoned()) return;
      j->body(j->ctx, b, worker);
    }
}

static void wait_for_turn(uint32_t seen) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&pool.turn, memory_order_acquire) != seen) return;
    PAUSE();
  }
  atomic_fetch_add(&pool.sleepers, 1);
  while (atomic_load(&pool.turn) == seen)
    syscall(SYS_futex, &pool.turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
  atomic_fetch_sub(&pool.sleepers, 1);
}

static bool come_in(void) {
  uint32_t g = atomic_load_explicit(&pool.gate, memory_order_relaxed);
  while (g & OPEN)
    if (atomic_compare_exchange_weak_explicit(&pool.gate, &g, g + 1, memory_order_acquire,
                                              memory_order_relaxed))
      return true;
  return false;
}

typedef struct start {
  int worker;
  uint32_t turn;
} start;

static void *worker_main(void *arg) {
  start s = *(start *)arg;
  free(arg);
  in_region = true;
  rl_fp_enter();
  for (;;) {
    wait_for_turn(s.turn);
    s.turn = atomic_load(&pool.turn);
    if (atomic_load(&pool.quit)) return NULL;
    if (!come_in()) continue;
    claim(&pool.now, s.worker);
    atomic_fetch_sub_explicit(&pool.gate, 1, memory_order_release);
  }
}

static int granted(void) { /* affinity, then the cgroup's quota */
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (f != NULL) {
    long quota = 0, period = 0;
    if (fscanf(f, "%ld %ld", &quota, &period) == 2 && period > 0) {
      long q = (quota + period - 1) / period;
      if (q >= 1 && q < n) n = (int)q;
    }
    fclose(f);
  }
  return n < RL_THREADS_MAX ? n : RL_THREADS_MAX;
}

static void call_workers(void) {
  atomic_fetch_add(&pool.turn, 1);
  if (atomic_load(&pool.sleepers) > 0)
    syscall(SYS_futex, &pool.turn, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void pool_stop(void) {
  if (pool.running == 0) return;
  atomic_store(&pool.quit, true);
  call_workers();
  for (int i = 0; i < pool.running; i++) pthread_join(pool.id[i], NULL);
  atomic_store(&pool.quit, false);
  pool.running = 0;
}

static void forget_workers(void) { /* in a forked child: the threads are gone, start anew when needed */
  pool.running = 0;
  atomic_store(&pool.sleepers, 0);
  atomic_store(&pool.gate, 0);
}

static void pool_start(void) {
  static bool registered;
  if (!registered) {
    registered = true;
    pthread_atfork(NULL, NULL, forget_workers);
    atexit(pool_stop);
  }
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old); /* signals belong to the main thread */
  while (pool.running < rl_threads_get() - 1) {
    start *s = malloc(sizeof *s);
    if (s == NULL) break;
    *s = (start){.worker = pool.running + 1, .turn = atomic_load(&pool.turn)};
    if (pthread_create(&pool.id[pool.running], NULL, worker_main, s) != 0) {
      free(s);
      break; /* fewer threads: the same results, later */
    }
    pool.running++;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int rl_threads_get(void) {
  if (pool.wanted == 0) pool.wanted = granted();
  return pool.wanted;
}

rl_status rl_threads_set(int n) {
  if (n < 0 || n > RL_THREADS_MAX)
    return rl_fail(RL_EARG, "threads: %d is not between 1 and %d", n, RL_THREADS_MAX);
  int now = n == 0 ? granted() : n;
  if (now != pool.wanted) pool_stop();
  pool.wanted = now;
  return RL_OK;
}

static void share(rl_body body, void *ctx, int64_t blocks) {
  if (pool.running < pool.wanted - 1) pool_start();
  pool.now.body = body, pool.now.ctx = ctx, pool.now.workers = pool.wanted;
  for (int w = 0; w < pool.wanted; w++) {
    atomic_store_explicit(&pool.now.share[w].next, blocks * w / pool.wanted, memory_order_relaxed);
    pool.now.share[w].end = blocks * (w + 1) / pool.wanted;
  }
  atomic_store_explicit(&pool.gate, OPEN, memory_order_release);
  in_region = true;
  call_workers();
  claim(&pool.now, 0);
  atomic_fetch_and(&pool.gate, ~OPEN);
  for (int spins = 0; atomic_load_explicit(&pool.gate, memory_order_acquire) != 0; spins++) {
    PAUSE();
    if (spins > SPINS / 4) sched_yield(); /* a worker has lost its core: it may have this one */
  }
  in_region = false;
}

rl_status rl_parallel_work(rl_body body, void *ctx, int64_t blocks, int64_t work) {
  if (in_region || blocks <= 1 || work < WORK_LEAST || rl_threads_get() == 1)
    for (int64_t b = 0; b < blocks && !abandoned(); b++) body(ctx, b, 0);
  else
    share(body, ctx, blocks);
  return abandoned() ? rl_fail(RL_EINTR, "interrupted") : RL_OK;
}

rl_status rl_parallel(rl_body body, void *ctx, int64_t blocks) {
  return rl_parallel_work(body, ctx, blocks, INT64_MAX);
}
