/* nn.h: what the kernels of body/nn.inc are told beyond pointers: windows of pooling and places of resizing. */
#ifndef RL_KERNELS_NN_H
#define RL_KERNELS_NN_H

#include "rille.h"

/* Along one dim: which inputs one output looks at. */
typedef struct rl_span {
  int64_t from, to; /* within the image */
  int64_t start;    /* where the window starts before it is cut at the edge */
  int64_t count;    /* how many elements the mean divides by */
} rl_span;

/* Along one dim: the outputs that look at one input, and with what weight; see ops/reach.h. */
typedef struct rl_reach {
  int64_t from, to;
  const double *weight; /* to - from of them */
} rl_reach;

typedef struct rl_pool { /* one image is h x w x c, channels fastest; its output oh x ow x c */
  int64_t h, w, c, oh, ow;
  const rl_span *ys, *xs;          /* oh and ow of them, in rising order */
  const rl_reach *over_y, *over_x; /* going back: h and w of them */
  int64_t width;                   /* of a window: a place in it is (y - start) * width + (x - start) */
  bool wide;                       /* places are int32, not uint8 */
} rl_pool;

/* Along one dim: the two inputs of one output and the second one's weight. */
typedef struct rl_tap {
  int64_t low, high;
  double weight;
} rl_tap;

typedef struct rl_resize {
  int64_t h, w, c, oh, ow;
  int64_t step; /* elements from one output pixel to the next: c, or more where others lie between them */
  bool past;    /* y is streamed past the caches: its pixels fill whole lines */
  const rl_tap *ys, *xs;
} rl_resize;

/* Going back where outputs are weighted sums of inputs. */
typedef struct rl_back {
  int64_t h, w, c, oh, ow;
  int64_t step;            /* elements from one output pixel to the next */
  const rl_reach *ys, *xs; /* h and w of them */
} rl_back;

#endif
