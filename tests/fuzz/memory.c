/* memory.c -- see memory.h. */
#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>

static unsigned until_failure; /* 0: never */
static unsigned between;

void memory_fails(unsigned first, unsigned step)
{
    until_failure = first;
    between = step;
}

static bool fails(void)
{
    if (until_failure == 0 || --until_failure > 0)
        return false;
    until_failure = between;
    return true;
}

void *core_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

void *core_calloc(size_t count, size_t size)
{
    return fails() ? NULL : calloc(count, size);
}

void *core_realloc(void *old, size_t size)
{
    return fails() ? NULL : realloc(old, size);
}
