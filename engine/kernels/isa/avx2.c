/* The avx2 rung: the common text under this set's flags (CMakeLists.txt). */
#include <immintrin.h>

#define ISA               avx2
#define VBYTES            32
#define LANES_f32         8
#define LANES_f64         4
#define TILE_ROWS         6
#define VSET_f32(x)       _mm256_set1_ps(x)
#define VSET_f64(x)       _mm256_set1_pd(x)
#define VFMA_f32(a, b, c) _mm256_fmadd_ps(a, b, c)
#define VFMA_f64(a, b, c) _mm256_fmadd_pd(a, b, c)
/* x where it is not below 0, NaN kept; a where z is above 0, else b */
#define VPOSITIVE(x)        _mm256_max_ps(_mm256_setzero_ps(), x)
#define VWHERE_f32(z, a, b) _mm256_blendv_ps(b, a, _mm256_cmp_ps(z, _mm256_setzero_ps(), _CMP_GT_OQ))
#define VWHERE_f64(z, a, b) _mm256_blendv_pd(b, a, _mm256_cmp_pd(z, _mm256_setzero_pd(), _CMP_GT_OQ))
/* bytes as a vector of integers of the type's width */
#define VWIDEN_f32(p) ((vec_i32)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p))))
#define VWIDEN_f64(p) ((vec_i64)_mm256_cvtepu8_epi64(_mm_loadu_si32(p)))
/* an aligned store past the caches */
#define VSTREAM_f32(p, v) _mm256_stream_ps(p, v)
#define VSTREAM_f64(p, v) _mm256_stream_pd(p, v)
#include "kernels/body/all.inc"
