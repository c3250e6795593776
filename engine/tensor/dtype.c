/* The six element types. */
#include "tensor/dtype.h"

#include <string.h>

static const char *const name[RL_NDTYPE] = {
    [RL_F32] = "f32", [RL_F64] = "f64", [RL_I64] = "i64",
    [RL_I32] = "i32", [RL_U8] = "u8",   [RL_BOOL] = "bool",
};

const char *rl_dtype_name(rl_dtype d) { return name[d]; }

int rl_dtype_find(const char *word) {
  for (int d = 0; d < RL_NDTYPE; d++)
    if (strcmp(name[d], word) == 0) return d;
  return -1;
}
