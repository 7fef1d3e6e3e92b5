/* sys/memory.c -- memory that the C library keeps after free().
 * glibc gives back what lies at the end of its heap; one small block there holds everything below it. Other
 * libraries give back by themselves. */
#include "sys/memory.h"

#include <stdlib.h> /* defines __GLIBC__ */

#if defined(__GLIBC__) && !defined(FW_PORTABLE)

#include <malloc.h>

void fw_memory_give_back(void)
{
    (void)malloc_trim(0);
}

#else

void fw_memory_give_back(void)
{
}

#endif
