/* heap.h: blocks above a page or two, from one reserved stretch of addresses. Free neighbours merge and the
** smallest fitting gap is taken, so that what a step gave back serves whatever the next one asks for, of any
** size, and resident memory stays near the largest sum of live bytes. Not locked: mem.c holds its lock. */
#ifndef RL_BASE_HEAP_H
#define RL_BASE_HEAP_H

#include <stddef.h>

#define RL_HEAP_UNIT ((size_t)4096) /* sizes are multiples of it, blocks are aligned to it */

void *rl_heap_take(size_t bytes); /* NULL where the system refuses */
void rl_heap_give(void *block, size_t bytes);
size_t rl_heap_cached(void); /* bytes of gaps that still hold memory of the system's */
void rl_heap_trim(void);     /* gives them back; addresses stay reserved */

#endif
