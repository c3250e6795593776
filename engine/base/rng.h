/* rng.h: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011): random numbers by position, not by order. Key:
** (seed, stream). Counter: (step, sample, element). So any element can be drawn by any thread. */
#ifndef RL_BASE_RNG_H
#define RL_BASE_RNG_H

#include "rille.h"

typedef struct rl_stream { /* all of it is saved in checkpoints */
  uint64_t seed;
  uint32_t stream; /* who draws: one number per purpose, below */
  uint64_t step;   /* moves on by one per draw of a whole tensor */
} rl_stream;

/* Streams in use. The prompt has its own, so that looking at a run does not change it. */
enum {
  RL_STREAM_DEFAULT = 0,
  RL_STREAM_PROMPT = 1,
  RL_STREAM_LOADER = 2,
  RL_STREAM_PHANTOM = 3,
  RL_STREAM_VIEWS = 4,
  RL_STREAM_USER = 16
};

/* Four 32-bit words for (seed, stream) at (step, sample, element/4). */
void rl_philox(uint64_t seed, uint32_t stream, uint32_t step, uint32_t sample, uint64_t quad,
               uint32_t out[4]);

/* One number for element e of sample n at a step. uniform: [0, 1), 53 bits; normal: Box-Muller in double. */
double rl_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint32_t sample, uint64_t element);
double rl_normal(uint64_t seed, uint32_t stream, uint32_t step, uint32_t sample, uint64_t element);

/* The process's default stream (drawn from by rl.randn, dropout, initialisation). Borrowed. */
rl_stream *rl_stream_default(void);

#endif
