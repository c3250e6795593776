/* poisson: counts with the given means.  [any shape] of rates -> [same]
** Element i (row-major) is a function of its rate and of its own place in the random stream: the same counts
** whatever the layout and the number of threads. Rates up to 60 by inversion: the smallest k at which the sum of
** the probabilities of 0..k passes one uniform number. Above: transformed rejection, PTRS, Hoermann,
** Insurance: Mathematics and Economics 12, 1993. */
#include "base/threads.h"
#include "ops/op.h"

#include <math.h>

#define GRAIN      2048
#define INVERTED   60.0 /* e^-60 is a normal double, and sums of 150 terms are quick */
#define MOST       1e15 /* beyond, a double no longer holds every count */
#define HALF_LN2PI 0.91893853320467274178

static double invert(double rate, double u) {
  double p = exp(-rate), sum = p, k = 0;
  while (u >= sum && p > 0 && k < 400) { /* u may lie above the rounded sum of all: p ends that */
    k += 1;
    p *= rate / k;
    sum += p;
  }
  return k;
}

static double ln_factorial(double k) { /* Stirling's series; to 1e-12 from 10 on */
  double product = 1;
  if (k < 10) {
    for (double i = 2; i <= k; i += 1) product *= i;
    return log(product);
  }
  return (k + 0.5) * log(k) - k + HALF_LN2PI + (1 - (1 - 2 / (7 * k * k)) / (30 * k * k)) / (12 * k);
}

static double reject(double rate, const rl_stream *s, uint64_t element) {
  double ln_rate = log(rate), b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
  double ln_inverse = log(1.1239 + 1.1328 / (b - 3.4)), v_r = 0.9277 - 3.6224 / (b - 2);
  for (uint32_t attempt = 1;; attempt++) {
    double u = rl_uniform(s->seed, s->stream, (uint32_t)s->step, attempt, 2 * element) - 0.5;
    double v = rl_uniform(s->seed, s->stream, (uint32_t)s->step, attempt, 2 * element + 1);
    double us = 0.5 - fabs(u), k = floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (log(v) + ln_inverse - log(a / (us * us) + b) <= k * ln_rate - rate - ln_factorial(k)) return k;
  }
}

static void block(void *ctx, int64_t b, int worker) {
  const rl_call *c = ctx;
  (void)worker;
  const rl_stream *s = &c->draw;
  int64_t n = rl_count(c->in[0]), stop = (b + 1) * GRAIN < n ? (b + 1) * GRAIN : n;
  for (int64_t i = b * GRAIN; i < stop; i++) {
    double rate = rl_load(rl_data(c->in[0]), c->dtype, (size_t)i), k;
    if (rate <= INVERTED)
      k = invert(rate, rl_uniform(s->seed, s->stream, (uint32_t)s->step, 0, (uint64_t)i));
    else
      k = reject(rate, s, (uint64_t)i);
    rl_save(rl_data(c->out[0]), c->dtype, (size_t)i, k);
  }
}

static rl_status forward(rl_call *c) {
  int64_t n = rl_count(c->in[0]);
  for (int64_t i = 0; i < n; i++) {
    double rate = rl_load(rl_data(c->in[0]), c->dtype, (size_t)i);
    if (!(rate >= 0 && rate <= MOST))
      return rl_fail(RL_EARG, "poisson: element %lld is %g; rates lie between 0 and %g, clamp them first",
                     (long long)i + 1, rate, MOST);
  }
  return rl_parallel(block, c, rl_blocks(n, GRAIN));
}

static rl_status shape(rl_call *c) {
  c->meta[0] = (rl_meta){.dtype = c->dtype, .shape = c->in[0]->shape, .layout = RL_ROWMAJOR};
  return RL_OK;
}

const rl_op rl_op_poisson = {
    .name = "poisson",
    .doc = "whole numbers drawn with x as their means (0 to 1e15), in x's dtype; any shape; repeatable by "
           "rl.manual_seed",
    .stochastic = true,
    .dtypes = RL_FLOATS,
    .is_method = true,
    .in = {{"x"}},
    .layout = RL_ROWMAJOR,
    .samples = "{ T{2, 3, lo = 0.1, hi = 9} } { T{4, lo = 70, hi = 90} } { T{0} }",
    .no_gradient = "counts are whole numbers",
    .shape = shape,
    .forward = forward,
};
