/* The scalar rung: the common text. */
#define ISA scalar
#include "kernels/body/all.inc"
