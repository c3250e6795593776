/* rille.h: the one public header. Tensors, ops and gradients for C programs without Lua. Handles are opaque
** and counted: what an `alloc` or an out-parameter hands over is dropped by the caller. Every function that
** can fail returns rl_status; rl_error_text() then says what was wrong and what to do. */
#ifndef RILLE_H
#define RILLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RL_API __attribute__((visibility("default")))
#else
#define RL_API
#endif

typedef enum rl_status {
  RL_OK = 0,
  RL_ENOMEM,    /* memory refused: the limit or the system */
  RL_ESHAPE,    /* sizes do not fit */
  RL_EARG,      /* an argument out of its range, or unknown */
  RL_ETYPE,     /* a dtype that the op does not take */
  RL_ESTATE,    /* right call, wrong moment: graph spent, saved tensor changed */
  RL_EIO,       /* the system refused: open, read, write, sync */
  RL_EFORMAT,   /* a file's contents are not what they must be */
  RL_ENOSPC,    /* no space left on the device */
  RL_EINTR,     /* abandoned on request */
  RL_ECALLBACK, /* a host function failed; its error is kept by the host */
  RL_EBUG       /* the engine contradicts itself */
} rl_status;

typedef enum rl_dtype { RL_F32, RL_F64, RL_I64, RL_I32, RL_U8, RL_BOOL } rl_dtype;
#define RL_NDTYPE  6
#define RL_MAXRANK 8

typedef struct rl_tensor rl_tensor;

/* One option of an op by name, as in PyTorch: a number, a list or a word. */
typedef struct rl_option {
  const char *name;
  double num;
  int nlist; /* > 0: list is used instead of num */
  const int64_t *list;
  const char *word; /* for enums; else NULL */
} rl_option;

/* The text of this thread's last failure; never NULL. Valid until the next failing call. */
RL_API const char *rl_error_text(void);

/* ---- tensors: [any shape], row-major unless an op made them; f32 if nothing else is said */
RL_API rl_status rl_tensor_zeros(rl_tensor **out, rl_dtype dtype, int rank, const int64_t *size);
RL_API void rl_tensor_drop(rl_tensor **t);        /* takes NULL; empties *t */
RL_API rl_tensor *rl_tensor_retain(rl_tensor *t); /* returns t */
RL_API int rl_tensor_rank(const rl_tensor *t);
RL_API int64_t rl_tensor_size(const rl_tensor *t, int dim);   /* dim from 0 */
RL_API int64_t rl_tensor_stride(const rl_tensor *t, int dim); /* in elements */
RL_API rl_dtype rl_tensor_dtype(const rl_tensor *t);
RL_API void *rl_tensor_data(rl_tensor *t); /* the first element; other elements by strides */
RL_API void rl_tensor_require_grad(rl_tensor *t, bool on);
RL_API rl_tensor *rl_tensor_grad(const rl_tensor *t); /* borrowed, NULL if there is none */

/* ---- ops: `name` as in Lua; positions and dims from 0 here. out: nout handles, owned by the caller. */
RL_API rl_status rl_apply(const char *name, rl_tensor *const *in, int nin, const rl_option *options,
                          int noption, rl_tensor **out, int *nout);

/* ---- gradients */
RL_API rl_status rl_backward(rl_tensor *loss, bool retain); /* adds dloss/dleaf to each leaf's grad */
RL_API bool rl_grad_enable(bool on);                        /* returns what it was */

/* ---- the process */
RL_API rl_status rl_threads_set(int n); /* 0: as many as the machine grants */
RL_API int rl_threads_get(void);
RL_API void rl_manual_seed(uint64_t seed);
RL_API const char *rl_isa_name(void);

#endif
