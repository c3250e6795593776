/* create.h: what rows without inputs share. Their last two parameters are always dtype and requires_grad. */
#ifndef RL_OPS_CREATE_H
#define RL_OPS_CREATE_H

#include "ops/op.h"

#define RL_CREATE_SHAPE                                                                                      \
  { .name = "shape", .kind = RL_INTEGERS, .required = true, .doc = "list of sizes" }
#define RL_CREATE_LAST                                                                                       \
  {.name = "dtype", .kind = RL_ENUM, .words = "f32 f64 i64 i32 u8 bool"}, {                                  \
    .name = "requires_grad", .kind = RL_BOOLEAN                                                              \
  }
#define RL_CREATE_NO_GRADIENT "makes a new tensor: nothing flows in"
#define RL_EXACT              9007199254740992.0 /* 2^53: integers up to it are exact in double */

/* meta[0] from a shape, the dtype option (or `preset`) and requires_grad. */
rl_status rl_create_meta(rl_call *c, const rl_shape *shape, rl_dtype preset);
/* The same from the list in arg[0], f32. */
rl_status rl_create_from_list(rl_call *c);

/* out[0][i] = value(c, i), i in row-major order from 0; called from several threads. */
rl_status rl_create_each(rl_call *c, double (*value)(const rl_call *c, int64_t i));
rl_status rl_create_filled(rl_call *c, double v);
/* Marks out[0] as a leaf if the option asks for it; the two above do it themselves. */
void rl_create_mark(rl_call *c);

#endif
