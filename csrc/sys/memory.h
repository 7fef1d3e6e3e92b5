/* sys/memory.h -- memory that the C library keeps after free(), and memory past it. */
#ifndef FAPWS_MEMORY_H
#define FAPWS_MEMORY_H

#include <stddef.h>

#include "fapws.h" /* fw_memory_give_back() */

/* For a program that takes and frees blocks of up to 3 MB again and again: as much as that stays, at the end of the
 * heap, from one to the next. */
void fw_memory_reuse(void);

char *fw_pages_new(size_t size); /* all zero; NULL for want of memory */
void fw_pages_free(char *pages, size_t size);

#endif
