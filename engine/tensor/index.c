/* The only door to the elements of index tensors. */
#include "tensor/index.h"
#include "base/status.h"

rl_status rl_index_get(const rl_tensor *t, int64_t i, int64_t limit, int64_t ignore, const char *op,
                       int64_t *out) {
  int64_t v = t->dtype == RL_I32 ? ((const int32_t *)rl_data(t))[i] : ((const int64_t *)rl_data(t))[i];
  if (v == ignore) {
    *out = -1;
    return RL_OK;
  }
  if (v < 1 || v > limit)
    return rl_fail(RL_EARG, "%s: index %lld at place %lld is not between 1 and %lld; positions start at 1",
                   op, (long long)v, (long long)(i + 1), (long long)limit);
  *out = v - 1;
  return RL_OK;
}

void rl_index_set(rl_tensor *t, int64_t i, int64_t position) {
  if (t->dtype == RL_I32)
    ((int32_t *)rl_data(t))[i] = (int32_t)(position + 1);
  else
    ((int64_t *)rl_data(t))[i] = position + 1;
}
