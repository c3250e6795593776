/* Rows whose output is bool. */
#include "ops/compare.h"

rl_status rl_compare_shape(rl_call *c) {
  RL_TRY(c->nin == 2 ? rl_shape_pair(c) : rl_shape_same(c));
  c->meta[0].dtype = RL_BOOL;
  return RL_OK;
}
