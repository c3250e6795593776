/* blas.h: OpenBLAS, for LAPACK and as a second opinion on our own products. Loaded when first asked for, with local symbols;
** nothing that trains needs it. One thread: its workers would fight our pool, and its results depend on their number. */
#ifndef RL_KERNELS_BLAS_H
#define RL_KERNELS_BLAS_H

#include "kernels/gemm.h"

/* Loads it once, chooses its core type, and tries awkward products against plain loops. RL_ESTATE says what is missing or
** wrong; the same answer is given ever after. */
RL_API rl_status rl_blas_open(void);

/* "OpenBLAS 0.3.21, core Cooperlake", or why there is none; "poor" stands in it if the core is below what the CPU allows.
** Opens it. Valid for ever. */
RL_API const char *rl_blas_describe(void);

/* A Fortran symbol, "dgesdd_" and the like, or NULL. After rl_blas_open. */
void *rl_blas_symbol(const char *name);

/* As rl_gemm_run, through OpenBLAS, without prologue, bias and batch. */
RL_API rl_status rl_blas_gemm(const rl_gemm *g);

#endif
