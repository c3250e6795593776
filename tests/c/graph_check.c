/* The public header from C: ops, gradients, a chain of a million nodes let go without recursion, and every allocation
** of a small training step failed once. */
#include "base/mem.h"
#include "rille.h"

#include <math.h>
#include <stdio.h>

static int failed;

#define CHECK(x)                                                                                             \
  do {                                                                                                       \
    if (!(x)) failed++, printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #x, rl_error_text());                 \
  } while (0)

static rl_tensor *leaf(double v) {
  rl_tensor *t = NULL;
  CHECK(rl_tensor_zeros(&t, RL_F64, 1, (int64_t[]){3}) == RL_OK);
  for (int i = 0; i < 3; i++) ((double *)rl_tensor_data(t))[i] = v + i;
  rl_tensor_require_grad(t, true);
  return t;
}

static rl_status apply(const char *name, rl_tensor *a, rl_tensor *b, rl_tensor **out) {
  int n = 0;
  rl_tensor *in[2] = {a, b};
  return rl_apply(name, in, b == NULL ? 1 : 2, NULL, 0, out, &n);
}

/* sum(x * x) backward: x.grad = 2x. Returns the first failure; leaves nothing behind. */
static rl_status step(rl_tensor *x) {
  rl_tensor *square = NULL, *sum = NULL;
  rl_status s = apply("mul", x, x, &square);
  if (s == RL_OK) s = apply("sum", square, NULL, &sum);
  if (s == RL_OK) s = rl_backward(sum, false);
  rl_tensor_drop(&square);
  rl_tensor_drop(&sum);
  return s;
}

static void gradient(void) {
  rl_tensor *x = leaf(1);
  CHECK(step(x) == RL_OK);
  const double *g = rl_tensor_data(rl_tensor_grad(x));
  for (int i = 0; i < 3; i++) CHECK(fabs(g[i] - 2 * (1 + i)) < 1e-15);
  rl_tensor_drop(&x);
}

static void long_chain(void) {
  rl_tensor *x = leaf(0), *y = rl_tensor_retain(x);
  for (int i = 0; i < 1000000; i++) {
    rl_tensor *next = NULL;
    if (apply("neg", y, NULL, &next) != RL_OK) break;
    rl_tensor_drop(&y);
    y = next;
  }
  rl_tensor *sum = NULL;
  CHECK(apply("sum", y, NULL, &sum) == RL_OK && rl_backward(sum, true) == RL_OK);
  CHECK(((double *)rl_tensor_data(rl_tensor_grad(x)))[0] == 1);
  rl_tensor_drop(&sum);
  rl_tensor_drop(&y);
  rl_tensor_drop(&x);
}

static void every_allocation_fails(void) {
  for (long n = 1; n < 200; n++) {
    for (int for_good = 0; for_good < 2; for_good++) {
      rl_tensor *x = leaf(1);
      rl_mem_fail_at(n, for_good != 0);
      rl_status s = step(x);
      rl_mem_fail_at(0, false);
      CHECK(s == RL_OK || s == RL_ENOMEM);
      rl_tensor_drop(&x);
      if (s == RL_OK && n > 3) return;
    }
  }
  CHECK(!"a step never got through");
}

int main(void) {
  size_t before = rl_mem_stat().live_bytes;
  gradient();
  long_chain();
  every_allocation_fails();
  CHECK(rl_mem_stat().live_bytes == before); /* nothing left behind */
  if (failed == 0) puts("graph: all checks hold");
  return failed != 0;
}
