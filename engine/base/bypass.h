/* bypass.h: writing past the caches. A large output that is written once and read only when it has long left them
** costs a read of each line before it is written; streamed it does not. */
#ifndef RL_BASE_BYPASS_H
#define RL_BASE_BYPASS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define RL_BYPASS_BYTES                                                                                      \
  (16u << 20) /* outputs of at least so much: with what they are made from, more than a core's share of L3 */

/* Copies from memory that is near, a buffer of a few KiB. */
static inline void rl_bypass(void *to, const void *from, size_t bytes) {
#ifdef __SSE2__
  char *y = to;
  const char *x = from;
  size_t head = (size_t)(-(uintptr_t)y & 63) < bytes ? (size_t)(-(uintptr_t)y & 63) : bytes;
  memcpy(y, x, head);
  for (y += head, x += head, bytes -= head; bytes >= 64; bytes -= 64, y += 64, x += 64) {
    __m128i a = _mm_loadu_si128((const void *)x), b = _mm_loadu_si128((const void *)(x + 16)),
            c = _mm_loadu_si128((const void *)(x + 32)), d = _mm_loadu_si128((const void *)(x + 48));
    _mm_stream_si128((void *)y, a), _mm_stream_si128((void *)(y + 16), b);
    _mm_stream_si128((void *)(y + 32), c), _mm_stream_si128((void *)(y + 48), d);
  }
  memcpy(y, x, bytes);
#else
  memcpy(to, from, bytes);
#endif
}

/* Before other threads may read what was streamed. */
static inline void rl_bypass_end(void) {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

#endif
