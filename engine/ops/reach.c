/* Windows turned round: from outputs that look at inputs to inputs and who looks at them. */
#include "ops/reach.h"
#include "base/mem.h"

rl_status rl_reach_make(rl_reaches *r, int64_t inputs, int64_t outputs,
                        rl_look (*look)(const void *ctx, int64_t o), const void *ctx) {
  int64_t taps = 0, first = 0, last = 0;
  for (int64_t o = 0; o < outputs; o++) taps += look(ctx, o).to - look(ctx, o).from;
  r->bytes = (size_t)inputs * sizeof *r->of + (size_t)(taps + 1) * sizeof(double);
  RL_TRY(rl_mem_alloc((void **)&r->of, r->bytes));
  double *weight = (double *)(void *)(r->of + inputs);
  for (int64_t i = 0; i < inputs; i++) { /* both ends of the outputs over i only move on */
    while (first < outputs && look(ctx, first).to <= i) first++;
    if (last < first) last = first;
    while (last < outputs && look(ctx, last).from <= i) last++;
    r->of[i] = (rl_reach){.from = first, .to = last, .weight = weight};
    for (int64_t o = first; o < last; o++) {
      rl_look l = look(ctx, o);
      *weight++ = l.from == i ? l.first : l.others;
    }
  }
  return RL_OK;
}

void rl_reach_drop(rl_reaches *r) {
  if (r->of != NULL) rl_mem_free(r->of, r->bytes);
}
