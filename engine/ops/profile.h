/* profile.h: where the time goes, per op, layer path and direction. Off, it costs one branch per op. */
#ifndef RL_OPS_PROFILE_H
#define RL_OPS_PROFILE_H

#include "ops/op.h"

typedef struct rl_profile_row {
  const char *op, *path; /* path: of the layer at work, interned */
  bool back;
  int64_t calls;
  double seconds, bytes, flops; /* seconds without those of ops called inside; bytes of inputs and outputs */
} rl_profile_row;

typedef struct rl_profile_mark {
  double began, inside; /* `inside`: of ops that ran to their end before this one began */
} rl_profile_mark;

extern bool rl_profiling; /* main thread only, as all that runs ops */

/* rl_profile_begin before the work, rl_profile_end after it; only while rl_profiling. */
rl_profile_mark rl_profile_begin(void);
void rl_profile_end(const rl_profile_mark *m, const char *op, bool back, double bytes, double flops);
double rl_profile_bytes(const rl_call *c); /* what a call reads and writes, from its shapes */

void rl_profile_start(void); /* forgets what was counted */
const rl_profile_row *rl_profile_stop(int *count);

#endif
