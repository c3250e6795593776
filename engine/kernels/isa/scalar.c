/* The scalar rung: the common text. Its vectors of 16 bytes are whatever the plain build makes of them. */
#define ISA               scalar
#define VBYTES            16
#define LANES_f32         4
#define LANES_f64         2
#define TILE_ROWS         4
#define VSET_f32(x)       ((vec_f32){x, x, x, x})
#define VSET_f64(x)       ((vec_f64){x, x})
#define VFMA_f32(a, b, c) ((a) * (b) + (c))
#define VFMA_f64(a, b, c) ((a) * (b) + (c))
/* x where it is not below 0, NaN kept; a where z is above 0, else b */
#define VPOSITIVE(x)        (vec_f32)((vec_i32)(x) & ~((x) < 0))
#define VWHERE_f32(z, a, b) ((vec_f32)((((z) > 0) & (vec_i32)(a)) | (~((z) > 0) & (vec_i32)(b))))
#define VWHERE_f64(z, a, b) ((vec_f64)((((z) > 0) & (vec_i64)(a)) | (~((z) > 0) & (vec_i64)(b))))
/* bytes as a vector of integers of the type's width */
#define VWIDEN_f32(p) ((vec_i32){(p)[0], (p)[1], (p)[2], (p)[3]})
#define VWIDEN_f64(p) ((vec_i64){(p)[0], (p)[1]})
/* an aligned store past the caches */
#define VSTREAM_f32(p, v) (*(vec_f32 *)(p) = (v))
#define VSTREAM_f64(p, v) (*(vec_f64 *)(p) = (v))
#include "kernels/body/all.inc"
