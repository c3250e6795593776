/* dtype.h: the six element types. */
#ifndef RL_TENSOR_DTYPE_H
#define RL_TENSOR_DTYPE_H

#include "rille.h"

static inline size_t rl_dtype_size(rl_dtype d) { /* bytes of one element */
  return d == RL_F32 || d == RL_I32 ? 4 : d == RL_F64 || d == RL_I64 ? 8 : 1;
}
const char *rl_dtype_name(rl_dtype d); /* "f32" ... */
int rl_dtype_find(const char *word);   /* the rl_dtype, or -1 */

/* Sets of dtypes, for op rows. */
#define RL_DT(d)  (1u << (d))
#define RL_FLOATS (RL_DT(RL_F32) | RL_DT(RL_F64))
#define RL_INDEX  (RL_DT(RL_I64) | RL_DT(RL_I32))
#define RL_INTS   (RL_INDEX | RL_DT(RL_U8) | RL_DT(RL_BOOL))
#define RL_ALL    (RL_FLOATS | RL_INTS)

static inline bool rl_is_float(rl_dtype d) { return d == RL_F32 || d == RL_F64; }

#endif
