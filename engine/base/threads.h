/* threads.h: the pool, and the one loop that everything parallel runs in. Results never depend on the number
** of threads: a caller cuts its work into blocks by shape alone, blocks write disjoint outputs (or partials
** that the caller adds in block order), and idle threads claim blocks by counter. */
#ifndef RL_BASE_THREADS_H
#define RL_BASE_THREADS_H

#include "rille.h"

#define RL_THREADS_MAX 64 /* rl_threads_get() is never more: room for what is kept per worker */

/* body(ctx, block, worker): block in [0, blocks), worker in [0, rl_threads_get()): for scratch, never for
** results.
** Bodies allocate nothing and cannot fail. Nested calls run on the calling thread alone.
** Returns RL_EINTR if the work was abandoned on request (rl_interrupt_allow), else RL_OK. */
typedef void (*rl_body)(void *ctx, int64_t block, int worker);
rl_status rl_parallel(rl_body body, void *ctx, int64_t blocks);

/* The same, where blocks may be tiny: `work`, about how many elements all of them touch together, decides whether
** anybody is called; below a few microseconds' worth the caller does it alone. */
rl_status rl_parallel_work(rl_body body, void *ctx, int64_t blocks, int64_t work);

/* Number of blocks for `n` equal items at `grain` items a block: by shape, never by threads. */
static inline int64_t rl_blocks(int64_t n, int64_t grain) { return n <= 0 ? 0 : (n + grain - 1) / grain; }

/* ---- interrupts: a signal handler sets the flag; who may stop on it is decided by the caller. */
void rl_interrupt_set(bool on); /* safe in a signal handler */
bool rl_interrupt_pending(void);
void rl_interrupt_allow(bool on); /* while on, rl_parallel gives up between blocks */

/* Denormals count as zero while kernels run (FMA on them is up to 100 times slower); restored afterwards. */
typedef struct rl_fpmode {
  unsigned saved;
} rl_fpmode;
rl_fpmode rl_fp_enter(void);
void rl_fp_leave(rl_fpmode m);

#endif
