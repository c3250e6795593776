/* Gaps in order of address, in one array: a few hundred at most in a training step, so a scan is cheap beside
** the blocks' own work. */
#include "base/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20) /* regions start on a huge page and ask for huge ones */

typedef struct gap {
  char *at;
  size_t bytes;
  bool clean; /* given back to the system since it was last used */
} gap;

static gap *gaps;
static size_t ngap, room, live; /* room >= gaps that all live blocks could become, so giving cannot fail */
static size_t cached;
static char *top, *end; /* the region's part that was never handed out */

static size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

/* Addresses for all of the machine's memory, or for less where a limit forbids that; pages come when touched. */
static bool reserve(size_t bytes) {
  size_t want = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGE_SIZE);
  bytes = round_up(bytes, HUGE_BYTES) + HUGE_BYTES;
  for (want = want > bytes ? want : bytes; want >= bytes; want /= 2) {
    char *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) continue;
    top = (char *)round_up((uintptr_t)p, HUGE_BYTES);
    end = p + want;
    madvise(top, (size_t)(end - top), MADV_HUGEPAGE);
    return true;
  }
  return false;
}

static void remove_gap(size_t i) {
  cached -= gaps[i].clean ? 0 : gaps[i].bytes;
  memmove(gaps + i, gaps + i + 1, (--ngap - i) * sizeof *gaps);
}

static void *fresh(size_t bytes) { /* from the region's end, with a gap that lies right below it */
  size_t below = ngap > 0 && gaps[ngap - 1].at + gaps[ngap - 1].bytes == top ? gaps[ngap - 1].bytes : 0;
  if ((size_t)(end - top) < bytes - below) {
    if (top != end) rl_heap_give(top, (size_t)(end - top) / RL_HEAP_UNIT * RL_HEAP_UNIT), live++;
    if (!reserve(bytes)) return top = end = NULL;
    below = 0;
  }
  if (below > 0) remove_gap(ngap - 1);
  char *p = top - below;
  top = p + bytes;
  return p;
}

static bool make_room(void) { /* for the gap that one more live block may leave behind, and a region's rest */
  if (live + ngap + 2 <= room) return true;
  size_t more = room == 0 ? 256 : 2 * room;
  gap *bigger = realloc(gaps, more * sizeof *gaps);
  if (bigger == NULL) return false;
  gaps = bigger;
  room = more;
  return true;
}

void *rl_heap_take(size_t bytes) {
  if (!make_room()) return NULL;
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < ngap; i++) {
    if (gaps[i].bytes < bytes || (best != SIZE_MAX && gaps[i].bytes >= gaps[best].bytes)) continue;
    best = i;
    if (gaps[i].bytes == bytes) break;
  }
  char *p;
  if (best == SIZE_MAX)
    p = fresh(bytes);
  else {
    gap *g = &gaps[best];
    p = g->at;
    if (g->bytes == bytes)
      remove_gap(best);
    else
      g->at += bytes, g->bytes -= bytes, cached -= g->clean ? 0 : bytes;
  }
  live += p != NULL;
  return p;
}

void rl_heap_give(void *block, size_t bytes) {
  char *at = block;
  size_t i = 0, n = ngap; /* the first gap above the block */
  while (i < n) {
    size_t mid = (i + n) / 2;
    if (gaps[mid].at < at)
      i = mid + 1;
    else
      n = mid;
  }
  live--;
  gap whole = {.at = at, .bytes = bytes};
  if (i < ngap && gaps[i].at == at + bytes) {
    whole.bytes += gaps[i].bytes;
    remove_gap(i);
  }
  if (i > 0 && gaps[i - 1].at + gaps[i - 1].bytes == at) {
    whole.at = gaps[i - 1].at, whole.bytes += gaps[i - 1].bytes;
    remove_gap(--i);
  }
  memmove(gaps + i + 1, gaps + i, (ngap++ - i) * sizeof *gaps);
  gaps[i] = whole;
  cached += whole.bytes;
}

size_t rl_heap_cached(void) { return cached; }

void rl_heap_trim(void) {
  for (size_t i = 0; i < ngap; i++) {
    if (!gaps[i].clean) madvise(gaps[i].at, gaps[i].bytes, MADV_DONTNEED);
    gaps[i].clean = true;
  }
  cached = 0;
}
