/* cat: tensors joined along a dim they have; channels last if the first one is.
** [.., a, ..], [.., b, ..] -> [.., a + b, ..] */
#include "base/threads.h"
#include "ops/along.h"
#include "ops/viewing.h"

#include <string.h>

static rl_status shape(rl_call *c) {
  const rl_shape *first = &c->in[0]->shape;
  int d = (int)c->arg[0].i;
  rl_meta *m = &c->meta[0];
  *m = (rl_meta){.dtype = c->in[0]->dtype, .shape = *first, .layout = rl_along_layout(c->in[0])};
  for (int i = 1; i < c->nin; i++) {
    rl_shape s = c->in[i]->shape;
    int64_t size = s.rank == first->rank ? s.size[d] : 0;
    s.size[d] = first->size[d];
    if (!rl_shape_equal(&s, first))
      return rl_fail(RL_ESHAPE, "cat: tensor %d is %s, the first %s; all but dim %d must agree", i + 1,
                     rl_shape_text(&c->in[i]->shape), rl_shape_text(first), d + 1);
    m->shape.size[d] += size;
  }
  return RL_OK;
}

/* Where every part lies as the whole does, a block of places is filled from all parts: the whole is written in its order.
** As memory lies the whole is outer x (sum of parts) x inner. */
#define GRAIN 65536 /* bytes of a block */

typedef struct join {
  rl_call *c;
  int64_t outer, rows; /* places; of a block */
  int64_t total, inner;
  size_t width;
  int d;
  bool back;
} join;

static bool lies(const rl_tensor *t, rl_layout layout) {
  return layout == RL_NHWC ? rl_is_nhwc(t) : rl_is_rowmajor(t);
}

static bool lie_alike(const rl_call *c, const rl_tensor *whole, rl_tensor *const *part) {
  rl_layout layout = rl_along_layout(whole);
  if (!lies(whole, layout)) return false;
  for (int i = 0; i < c->nin; i++)
    if (part[i] != NULL && (!lies(part[i], layout) || part[i]->dtype != whole->dtype)) return false;
  return true;
}

static void join_block(void *ctx, int64_t b, int worker) {
  const join *j = ctx;
  rl_call *c = j->c;
  (void)worker;
  int64_t stop = (b + 1) * j->rows < j->outer ? (b + 1) * j->rows : j->outer;
  for (int64_t o = b * j->rows; o < stop; o++) {
    int64_t at = o * j->total * j->inner;
    for (int i = 0; i < c->nin; i++) {
      int64_t n = c->in[i]->shape.size[j->d] * j->inner;
      if (!j->back)
        memcpy(rl_at(c->out[0], at), rl_at(c->in[i], o * n), (size_t)n * j->width);
      else if (c->din[i] != NULL && c->beta[i])
        RL_BY_TYPE(c, axpy, rl_at(c->din[i], o * n), rl_at(c->dout[0], at), 1, 1, (size_t)n);
      else if (c->din[i] != NULL)
        memcpy(rl_at(c->din[i], o * n), rl_at(c->dout[0], at), (size_t)n * j->width);
      at += n;
    }
  }
}

static rl_status run(join *j, const rl_tensor *whole) {
  if (rl_count(whole) == 0) return RL_OK;
  j->d = (int)j->c->arg[0].i;
  rl_along a = rl_along_of(&whole->shape, rl_along_layout(whole), j->d);
  j->outer = a.outer, j->total = a.size, j->inner = a.inner;
  j->width = rl_dtype_size(whole->dtype);
  j->rows = GRAIN / (int64_t)((size_t)(a.size * a.inner) * j->width);
  if (j->rows < 1) j->rows = 1;
  return rl_parallel(join_block, j, rl_blocks(a.outer, j->rows));
}

static bool is_long(const rl_call *c,
                    const rl_tensor *whole) { /* few places: the copies are parallel by themselves */
  return rl_along_of(&whole->shape, rl_along_layout(whole), (int)c->arg[0].i).outer < 16;
}

static rl_status forward(rl_call *c) {
  int d = (int)c->arg[0].i;
  int64_t at = 0;
  if (lie_alike(c, c->out[0], c->in) && !is_long(c, c->out[0])) return run(&(join){.c = c}, c->out[0]);
  for (int i = 0; i < c->nin; i++) {
    int64_t n = c->in[i]->shape.size[d];
    rl_tensor part = rl_view_narrowed(c->out[0], d, at, n);
    RL_TRY(rl_copy(&part, c->in[i], false));
    at += n;
  }
  return RL_OK;
}

static rl_status backward(rl_call *c) {
  int d = (int)c->arg[0].i;
  int64_t at = 0;
  if (lie_alike(c, c->dout[0], c->din) && !is_long(c, c->dout[0]))
    return run(&(join){.c = c, .back = true}, c->dout[0]);
  for (int i = 0; i < c->nin; i++) {
    int64_t n = c->in[i]->shape.size[d];
    rl_tensor part = rl_view_narrowed(c->dout[0], d, at, n);
    if (c->din[i] != NULL) RL_TRY(rl_copy(c->din[i], &part, c->beta[i] != 0));
    at += n;
  }
  return RL_OK;
}

static const rl_param params[] = {{.name = "dim", .kind = RL_DIM, .required = true}, {0}};

const rl_op rl_op_cat = {
    .name = "cat",
    .doc = "tensors (a list, or one after another) joined along `dim`; all other sizes agree",
    .dtypes = RL_ALL,
    .in = {{"tensors", .variadic = true}},
    .params = params,
    .samples = "{ { T{2, 3}, T{1, 3} }, 1 } { { T{2, 3}, T{2, 1}, T{2, 2} }, -1 } { { T{3} }, 1 } "
               "{ { T{2, 0}, T{2, 2} }, 2 } { { T{2, 3, 2, 2}, T{2, 1, 2, 2} }, 2 }",
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
