/* op.h: what an op's row says, and the call that carries one application through forward and backward.
**
** The way of a call: the binding (or rl_apply) fills in[] and arg[]; rl_call_run checks dtypes and ranges,
** lays inputs out as the row demands, asks `shape` for the outputs, allocates them, runs `forward`, and, if a
** gradient may be asked for, makes a node that keeps what the row `saves`. The walk back
** (autograd/backward.c) fills a call again and runs `backward`.
**
** Adding an op: one file with its row, one line in ops.def, one spec. Nothing else. */
#ifndef RL_OPS_OP_H
#define RL_OPS_OP_H

#include "base/rng.h"
#include "base/status.h"
#include "kernels/kernels.h"
#include "tensor/iter.h"
#include "tensor/tensor.h"

#define RL_MAXARG  12 /* parameters of an op */
#define RL_MAXOUT  3
#define RL_MAXKEEP 6 /* tensors of its own that a forward may keep for its backward */

typedef enum rl_class { RL_COMPUTE, RL_VIEW, RL_INPLACE } rl_class;

typedef enum rl_param_kind {
  RL_NUMBER,
  RL_INTEGER,
  RL_INTEGERS, /* .len > 0: exactly that many, one number stands for all; 0: any number of them */
  RL_DIM,      /* a dim of the first input: from 1 in Lua, from 0 in C, negative from the end; no preset */
  RL_DIMS,     /* one or several of them */
  RL_POSITION, /* a place along a dim: from 1 in Lua, from 0 in C, negative from the end */
  RL_ENUM,     /* one of .words; arg.i is its number */
  RL_BOOLEAN
} rl_param_kind;

typedef struct rl_param {
  const char *name;
  rl_param_kind kind;
  double preset;     /* default; for RL_ENUM the word's number */
  double lo, hi;     /* inclusive range of numbers and integers; both 0: none */
  int len;           /* RL_INTEGERS, RL_NUMBER lists */
  bool required;     /* no default */
  bool optional;     /* may be absent: arg.given tells */
  int extra;         /* RL_DIM: dims beyond the first input's (1 for stack, unsqueeze) */
  const char *words; /* "mean sum none" */
  const char *doc;   /* one phrase for help; optional */
} rl_param;

typedef struct rl_arg {
  bool given;
  int n; /* length of list */
  double num;
  int64_t i; /* integer, dim, position, enum's number, boolean */
  int64_t list[RL_MAXRANK];
} rl_arg;

typedef struct rl_input {
  const char *name;
  bool optional, variadic; /* variadic: the last one; takes the rest */
  bool scalar;             /* a Lua number will do: arrives as a rank-0 tensor without storage */
  bool fixed;              /* never gets a gradient (labels, running statistics) */
  bool in_place;           /* forward updates it (running statistics): version bumped, not saved */
  rl_layout layout;        /* what forward and backward see; RL_ANY: the op's own */
  unsigned dtypes;         /* 0: the op's own */
  bool unsaved;            /* variadic: RL_SAVE_ALL_IN leaves it out, as what is in_place */
  const struct rl_input
      *cycle; /* variadic: the inputs come in rounds, and these, `round` of them, describe one */
  int round;
} rl_input;

typedef struct rl_meta { /* what `shape` says of an output */
  rl_dtype dtype;
  rl_shape shape;
  rl_layout layout;      /* RL_ANY: like `like`; else RL_ROWMAJOR or RL_NHWC */
  const rl_tensor *like; /* NULL: row-major */
} rl_meta;

struct rl_op;
struct rl_node;

typedef struct rl_call {
  const struct rl_op *op;
  const rl_kernels *k;
  rl_dtype dtype; /* that of the first floating input: what kernels are asked for */
  int nin, nout, narg;
  rl_tensor **in; /* laid out as demanded; NULL where optional and absent. In backward: data only if saved */
  rl_tensor *out[RL_MAXOUT];   /* in backward: data only if saved */
  rl_meta meta[RL_MAXOUT];     /* forward: filled by `shape` */
  const rl_arg *arg;           /* in the row's order */
  bool *need;                  /* need[i]: input i wants a gradient; in forward too */
  bool grad;                   /* forward: a node will be made */
  rl_tensor *keep[RL_MAXKEEP]; /* forward fills, the node owns, backward reads */
  rl_stream draw;              /* .stochastic rows: this call's own place in the random stream */
  struct rl_node *node;        /* backward: whose turn it is */
  /* ---- backward. One cotangent at a time (ncot = 1), but all of them at once where the row is .batched:
  ** dout[k * nout + o], din[k * nin + i], beta[k * nin + i]. */
  int ncot;
  rl_tensor **dout; /* NULL where no gradient arrives; laid out as the outputs */
  rl_tensor **din;  /* NULL where none is wanted; shape of the input, laid out as demanded of it */
  int *beta;        /* as in BLAS: 0 writes din, 1 adds to it */
} rl_call;

#define RL_SAVE_IN(i)  (1u << (i)) /* i < 16 */
#define RL_SAVE_ALL_IN (1u << 31)  /* of a variadic op */
#define RL_SAVE_OUT(o) (1u << (16 + (o)))

typedef struct rl_op {
  const char *name;
  const char *doc; /* one line: formula, shapes, units, source; shown by help */
  rl_class class;
  bool stochastic;
  bool batched;     /* backward takes all cotangents at once */
  bool ints_in_f64; /* integer inputs are computed in f64 and cast back: exact to 2^53 */
  bool promote;     /* floats of two types meet in the wider; integers join the float */
  bool several;     /* may have more than one output; the C array is RL_MAXOUT long */
  bool first_only;  /* the outputs after the first carry no gradient: statistics of it */
  bool is_method;   /* also x:name(...) */
  unsigned dtypes;
  rl_input in[16];
  const rl_param *params; /* ends with {0}; NULL: none */
  rl_layout layout;       /* of all inputs that say nothing else */
  unsigned saves;         /* all that backward reads, besides keep[] */
  const char *samples; /* Lua: "{ args } { args }"; T{2, 3} random away from kinks, I{4, max = 3} positions */
  const char *no_gradient;        /* why there is no backward; required where it is NULL */
  rl_status (*shape)(rl_call *c); /* fills meta[0 .. nout-1]; may lower nout */
  rl_status (*forward)(
      rl_call *c); /* COMPUTE: writes every element of out. VIEW: sets out[0]'s strides and offset */
  rl_status (*backward)(rl_call *c); /* writes or adds every din that is not NULL */
  rl_status (*view_back)(
      const rl_call *c,
      rl_tensor *din); /* instead of backward, for views: restates an alias of dout as din */
  /* for the profiler: floating operations of a forward or (ncot > 0) backward call, from shapes; NULL: not told */
  double (*flops)(const rl_call *c);
  bool (*passes)(const rl_call *c,
                 int i); /* input i's gradient is out[0]'s, unchanged: may be handed on without a copy */
  unsigned (*saves_of)(const rl_call *c); /* instead of `saves`, where it depends on who needs a gradient */
  const char *plain; /* composite rows: a Lua function of the same arguments, made of plain ops */
} rl_op;

/* ---- the registry */
#define RL_OP(name) extern const rl_op rl_op_##name;
#include "ops/ops.def"
#undef RL_OP
const rl_op *const *rl_ops(int *count);
const rl_op *rl_op_find(const char *name);
int rl_op_inputs(const rl_op *op);                                  /* rows of in[] */
static inline const rl_input *rl_op_input(const rl_op *op, int i) { /* the last one repeats if variadic */
  int last = i < 16 && op->in[i].name != NULL ? i : rl_op_inputs(op) - 1;
  const rl_input *row = &op->in[last];
  return row->cycle == NULL ? row : &row->cycle[(i - last) % row->round];
}
int rl_op_params(const rl_op *op);

/* ---- running. c->op, in, nin, arg (narg as the row has, unfilled ones not given) are set by the caller,
** who owns them.
** On success c->out[0 .. nout-1] are owned by the caller. */
rl_status rl_call_run(rl_call *c);

/* ---- for shape functions */
rl_status rl_shape_same(rl_call *c); /* out[0] like in[0] */
rl_status
rl_shape_pair(rl_call *c); /* out[0] = broadcast of in[0] and in[1], laid out like the first full-size one */
rl_status rl_shape_scalar(rl_call *c); /* out[0] rank 0 */

/* For `flops` of products: how many as large as the forward's are made; a and b are the operands. */
static inline int rl_passes(const rl_call *c, int a, int b) {
  int n = c->ncot == 0;
  for (int k = 0; k < c->ncot; k++) n += (c->din[k * c->nin + a] != NULL) + (c->din[k * c->nin + b] != NULL);
  return n;
}

/* ---- for pointwise rows (RL_RUNS): forward sees runs; out[0]'s dtype is c->dtype unless meta says otherwise */
#define RL_BY_TYPE(c, name, ...) RL_KERNEL_CALL((c)->k, (c)->dtype, name, __VA_ARGS__)

/* Where a kernel may keep the weight in a form of its own: NULL while a graph is made, and where the weight is new or changes. */
rl_kept *rl_kept_of(const rl_call *c, const rl_tensor *weight);

/* An output of forward's own, kept for backward: row-major, owned by the call. */
rl_status rl_keep(rl_call *c, int j, rl_dtype dtype, const rl_shape *shape);

/* The number of `word` in a row of words "mean sum none", or -1. */
int rl_word_find(const char *words, const char *word);

#endif
