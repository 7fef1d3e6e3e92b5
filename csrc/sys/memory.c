/* sys/memory.c -- memory that the C library keeps after free(), and memory past it.
 * glibc gives back what lies at the end of its heap; one small block there holds everything below it. Other
 * libraries give back by themselves. */
#include "sys/memory.h"

#include <stdlib.h> /* defines __GLIBC__ */
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

char *fw_pages_new(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void fw_pages_free(char *pages, size_t size)
{
    (void)munmap(pages, size);
}

#if defined(__GLIBC__) && !defined(FW_PORTABLE)

#include <malloc.h>

#define REUSED (4 << 20) /* bytes; an upload in memory and what its request takes beside it */

void fw_memory_give_back(void)
{
    (void)malloc_trim(0);
}

/* By default 128 KB: with each larger block the heap grows and shrinks again, and each of its pages is a fault. Setting
 * one of the two makes glibc stop adapting the other. */
void fw_memory_reuse(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, REUSED);
    (void)mallopt(M_MMAP_THRESHOLD, REUSED);
}

#else

void fw_memory_give_back(void)
{
}

void fw_memory_reuse(void)
{
}

#endif
