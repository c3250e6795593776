/* peaks.h: what this CPU can do at most, measured: the ceilings that kernels' rates are read against. */
#ifndef RL_KERNELS_PEAKS_H
#define RL_KERNELS_PEAKS_H

#include "rille.h"

enum { RL_PEAK_L2, RL_PEAK_L3, RL_PEAK_DRAM, RL_PEAK_LEVELS };

/* All threads together. A copy counts what it reads and what it writes. */
typedef struct rl_peaks {
  double fma;                                        /* f32 operations/s, two for a multiply-add */
  double read[RL_PEAK_LEVELS], copy[RL_PEAK_LEVELS]; /* bytes/s */
} rl_peaks;

rl_status rl_peaks_measure(rl_peaks *p); /* takes about half a second */

#endif
