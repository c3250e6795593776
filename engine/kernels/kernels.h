/* kernels.h: the table of kernels, filled once for the best instruction set of this CPU. A kernel works on
** plain contiguous runs; it knows nothing of tensors, threads or errors. Row NAME of kernels.def gives the
** members NAME_f32 and NAME_f64 (same text, real = float or double). */
#ifndef RL_KERNELS_KERNELS_H
#define RL_KERNELS_KERNELS_H

#include "kernels/lists.h"
#include "rille.h"

struct rl_gemm_work;
struct rl_gemm_fold;
struct rl_gates;
struct rl_conv;
struct rl_conv_dx;
struct rl_conv_pass;
struct rl_conv_work;
struct rl_conv_grad;
struct rl_conv_fold;
struct rl_conv_finish;
struct rl_norm_map;
struct rl_norm_back;
struct rl_pool;
struct rl_resize;
struct rl_wino_read;
struct rl_wino_filter;
struct rl_wino_product;
struct rl_wino_outer;
struct rl_wino_write;
struct rl_wino_fold;
struct rl_back;

/* A row says how the arguments read for one real type. */
typedef struct rl_kernels {
  const char *isa;             /* "scalar", "avx2", "avx512" */
  int tile_rows, vector_bytes; /* the micro-kernel's: tile_rows x 2 vectors */
#define RL_KERNEL(name, args) void(*name##_f32) args;
#define real                  float
#include "kernels/kernels.def"
#undef real
#undef RL_KERNEL
#define RL_KERNEL(name, args) void(*name##_f64) args;
#define real                  double
#include "kernels/kernels.def"
#undef real
#undef RL_KERNEL
#define RL_KERNEL(name, args) void(*name) args;
#include "kernels/winograd.def"
#undef RL_KERNEL
} rl_kernels;

/* The table in use; RILLE_ISA=scalar|avx2|avx512 in the environment caps it. */
const rl_kernels *rl_kernels_best(void);

/* From now on the table of this rung; false where it is missing. Between ops only, on the main thread. */
bool rl_kernels_use(const char *isa);

/* The table of one rung, or NULL where the CPU or the build lacks it: for tests. */
const rl_kernels *rl_kernels_rung(const char *isa);

/* Each rung overrides what it improves. */
void rl_kernels_fill_scalar(rl_kernels *k);
void rl_kernels_fill_avx2(rl_kernels *k);
void rl_kernels_fill_avx512(rl_kernels *k);

/* f32 and f64 only; `dtype` names the type, the rest are the kernel's arguments. */
#define RL_KERNEL_CALL(k, dtype, name, ...)                                                                  \
  ((dtype) == RL_F64 ? (k)->name##_f64(__VA_ARGS__) : (k)->name##_f32(__VA_ARGS__))

#endif
