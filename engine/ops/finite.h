/* finite.h: which op first gave a value that is not finite, forward or going back. Off, it costs one branch
** per op; on, every result is read once more. */
#ifndef RL_OPS_FINITE_H
#define RL_OPS_FINITE_H

#include "ops/op.h"

typedef struct rl_finite_find {
  const char *op, *path; /* path: of the layer at work, interned */
  bool back;             /* going back: `which` is the input whose gradient it is */
  bool given;            /* a tensor that the op read was not finite already */
  int which;             /* output or input, from 0 */
  rl_shape shape;
  int64_t place[RL_MAXRANK]; /* of the first one in row-major order, from 0 */
  double value;
} rl_finite_find;

extern bool rl_watching; /* main thread only, as all that runs ops */

void rl_finite_look(const rl_call *c);      /* behind a call that succeeded; only while rl_watching */
void rl_finite_start(void);                 /* forgets what was found */
const rl_finite_find *rl_finite_stop(void); /* NULL: everything was finite */

#endif
