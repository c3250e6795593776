/* The avx512 rung: the common text under this set's flags (CMakeLists.txt). */
#include <immintrin.h>

#define ISA               avx512
#define VBYTES            64
#define LANES_f32         16
#define LANES_f64         8
#define TILE_ROWS         14
#define VSET_f32(x)       _mm512_set1_ps(x)
#define VSET_f64(x)       _mm512_set1_pd(x)
#define VFMA_f32(a, b, c) _mm512_fmadd_ps(a, b, c)
#define VFMA_f64(a, b, c) _mm512_fmadd_pd(a, b, c)
/* x where it is not below 0, NaN kept; a where z is above 0, else b */
#define VPOSITIVE(x)        _mm512_max_ps(_mm512_setzero_ps(), x)
#define VWHERE_f32(z, a, b) _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(z, _mm512_setzero_ps(), _CMP_GT_OQ), a)
#define VWHERE_f64(z, a, b) _mm512_mask_mov_pd(b, _mm512_cmp_pd_mask(z, _mm512_setzero_pd(), _CMP_GT_OQ), a)
/* bytes as a vector of integers of the type's width */
#define VWIDEN_f32(p) ((vec_i32)_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(p))))
#define VWIDEN_f64(p) ((vec_i64)_mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)(p))))
/* an aligned store past the caches */
#define VSTREAM_f32(p, v) _mm512_stream_ps(p, v)
#define VSTREAM_f64(p, v) _mm512_stream_pd(p, v)
#include "kernels/body/all.inc"
