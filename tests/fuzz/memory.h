/* memory.h -- memory that runs out when an input says so. The fuzzers compile the core with malloc,
 * calloc and realloc renamed to these (tools/fuzz.sh). */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

void *core_malloc(size_t size);
void *core_calloc(size_t count, size_t size);
void *core_realloc(void *old, size_t size);

/* From now on the core's allocation number first fails, then every step-th; first 0: none does. */
void memory_fails(unsigned first, unsigned step);

#endif
