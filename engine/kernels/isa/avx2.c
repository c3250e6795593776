/* The avx2 rung: the common text under this set's flags (CMakeLists.txt). */
#define ISA avx2
#include "kernels/body/all.inc"
