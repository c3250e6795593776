/* The six element types. */
#include "tensor/dtype.h"

#include <string.h>

static const struct {
  const char *name;
  size_t size;
} table[RL_NDTYPE] = {
    [RL_F32] = {"f32", 4}, [RL_F64] = {"f64", 8}, [RL_I64] = {"i64", 8},
    [RL_I32] = {"i32", 4}, [RL_U8] = {"u8", 1},   [RL_BOOL] = {"bool", 1},
};

size_t rl_dtype_size(rl_dtype d) { return table[d].size; }
const char *rl_dtype_name(rl_dtype d) { return table[d].name; }

int rl_dtype_find(const char *name) {
  for (int d = 0; d < RL_NDTYPE; d++)
    if (strcmp(table[d].name, name) == 0) return d;
  return -1;
}
