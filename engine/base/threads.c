/* The pool: workers spin for about 50 us after a region, then sleep on a condition variable. */
#include "base/threads.h"
#include "base/status.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#else
#define PAUSE() ((void)0)
#endif

#define WORKERS_MAX 64
#define SPINS       4000

typedef struct job {
  rl_body body;
  void *ctx;
  int64_t blocks;
  _Atomic int64_t next;
} job;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t wake;
  pthread_t id[WORKERS_MAX];
  job *now;              /* the region at work, NULL between regions */
  _Atomic uint32_t turn; /* counts regions; workers wait for a change */
  _Atomic int inside;    /* workers that may still touch `now` */
  _Atomic bool quit;
  int sleepers, running, wanted;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

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
  _mm_setcsr(m.saved | 0x8040u); /* flush-to-zero, denormals-are-zero */
#endif
  return m;
}

void rl_fp_leave(rl_fpmode m) {
#if defined(__x86_64__)
  _mm_setcsr(m.saved);
#else
  (void)m;
#endif
}

static void claim(job *j, int worker) {
  for (;;) {
    int64_t b = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
    if (b >= j->blocks || abandoned()) return;
    j->body(j->ctx, b, worker);
  }
}

static void wait_for_turn(uint32_t seen) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&pool.turn, memory_order_acquire) != seen) return;
    PAUSE();
  }
  pthread_mutex_lock(&pool.lock);
  pool.sleepers++;
  while (atomic_load(&pool.turn) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
  pool.sleepers--;
  pthread_mutex_unlock(&pool.lock);
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
    if (pool.now != NULL) claim(pool.now, s.worker);
    atomic_fetch_sub_explicit(&pool.inside, 1, memory_order_release);
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
  return n < WORKERS_MAX ? n : WORKERS_MAX;
}

static void advance(job *j) { /* lets every worker look at `j` */
  pool.now = j;
  atomic_store(&pool.inside, pool.running);
  pthread_mutex_lock(&pool.lock);
  atomic_fetch_add(&pool.turn, 1);
  if (pool.sleepers > 0) pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
}

static void pool_stop(void) {
  if (pool.running == 0) return;
  atomic_store(&pool.quit, true);
  advance(NULL);
  for (int i = 0; i < pool.running; i++) pthread_join(pool.id[i], NULL);
  atomic_store(&pool.quit, false);
  pool.running = 0;
}

static void forget_workers(void) { /* in a forked child: the threads are gone, start anew when needed */
  pool.running = pool.sleepers = 0;
  pool.now = NULL;
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.wake, NULL);
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
  if (n < 0 || n > WORKERS_MAX)
    return rl_fail(RL_EARG, "threads: %d is not between 1 and %d", n, WORKERS_MAX);
  int now = n == 0 ? granted() : n;
  if (now != pool.wanted) pool_stop();
  pool.wanted = now;
  return RL_OK;
}

rl_status rl_parallel(rl_body body, void *ctx, int64_t blocks) {
  if (in_region || blocks <= 1 || rl_threads_get() == 1) {
    for (int64_t b = 0; b < blocks && !abandoned(); b++) body(ctx, b, 0);
  } else {
    if (pool.running < pool.wanted - 1) pool_start();
    job j = {.body = body, .ctx = ctx, .blocks = blocks};
    in_region = true;
    advance(&j);
    claim(&j, 0);
    while (atomic_load_explicit(&pool.inside, memory_order_acquire) > 0) PAUSE();
    pool.now = NULL;
    in_region = false;
  }
  return abandoned() ? rl_fail(RL_EINTR, "interrupted") : RL_OK;
}
