/* window.h: how the rows of convolution read their parameters stride, padding, dilation, groups. */
#ifndef RL_OPS_WINDOW_H
#define RL_OPS_WINDOW_H

#include "kernels/conv.h"
#include "ops/op.h"

/* From four parameters that follow one another; also the output's size, from s->h, w, kh, kw. */
static inline void rl_conv_window(rl_conv *s, const rl_arg *stride) {
  const rl_arg *padding = stride + 1, *dilation = stride + 2;
  for (int a = 0; a < 2; a++) {
    s->stride[a] = stride->list[a];
    s->pad[a] = padding->list[a];
    s->dilation[a] = dilation->list[a];
  }
  s->groups = stride[3].i;
  s->oh = rl_conv_size(s->h, s->kh, s->stride[0], s->pad[0], s->dilation[0]);
  s->ow = rl_conv_size(s->w, s->kw, s->stride[1], s->pad[1], s->dilation[1]);
}

#endif
