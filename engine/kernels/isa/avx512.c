/* The avx512 rung: the common text under this set's flags (CMakeLists.txt). */
#define ISA avx512
#include "kernels/body/all.inc"
