/* Philox4x32-10 and the default stream. */
#include "base/rng.h"

#include <math.h>

static rl_stream default_stream = {.seed = 1, .stream = RL_STREAM_DEFAULT};

void rl_philox(uint64_t seed, uint32_t stream, uint32_t step, uint32_t sample, uint64_t quad,
               uint32_t out[4]) {
  /* The paper has 64 key bits and 128 counter bits: the stream shares a word with the element's upper
  ** half. */
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  uint32_t c0 = (uint32_t)quad, c1 = (uint32_t)(quad >> 32) ^ (stream << 16), c2 = sample, c3 = step;
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static double unit(uint32_t hi, uint32_t lo) { /* 53 bits in [0, 1) */
  return (double)((((uint64_t)hi << 32) | lo) >> 11) * 0x1p-53;
}

double rl_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint32_t sample, uint64_t element) {
  uint32_t w[4];
  rl_philox(seed, stream, step, sample, element >> 1, w);
  return (element & 1) ? unit(w[2], w[3]) : unit(w[0], w[1]);
}

double rl_normal(uint64_t seed, uint32_t stream, uint32_t step, uint32_t sample, uint64_t element) {
  uint32_t w[4];
  rl_philox(seed, stream, step, sample, element >> 1, w);
  double r = sqrt(-2 * log(1 - unit(w[0], w[1]))), a = 6.283185307179586 * unit(w[2], w[3]);
  return (element & 1) ? r * sin(a) : r * cos(a);
}

rl_stream *rl_stream_default(void) { return &default_stream; }

void rl_manual_seed(uint64_t seed) {
  default_stream.seed = seed;
  default_stream.step = 0;
}
