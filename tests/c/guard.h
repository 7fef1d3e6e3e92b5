/* guard.h -- input between pages that must not be touched, so that one byte read too far is a
 * crash. Include before any other header. The two places are made once and used again. */
#ifndef GUARD_H
#define GUARD_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1 /* MAP_ANON under -std=c11 */
#endif

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_ROOM (256 * 1024)

/* PROT_NONE, GUARD_ROOM bytes, PROT_NONE; returns the first of the bytes. */
static inline char *guard_map(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, GUARD_ROOM + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, GUARD_ROOM, PROT_READ | PROT_WRITE) != 0) {
        perror("guard_map");
        exit(2);
    }
    return map + page;
}

/* A copy whose last byte touches the page after it. */
static inline char *guard_before_end(const void *bytes, size_t len)
{
    static char *room;
    if (room == NULL)
        room = guard_map();
    char *copy = room + GUARD_ROOM - len;
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

/* A copy whose first byte touches the page before it. */
static inline char *guard_after_start(const void *bytes, size_t len)
{
    static char *room;
    if (room == NULL)
        room = guard_map();
    if (len > 0)
        memcpy(room, bytes, len);
    return room;
}

/* before, then count copies of repeat, then after; no longer than GUARD_ROOM */
static inline const char *build(const char *before, const char *repeat, size_t count,
                                const char *after)
{
    static char text[GUARD_ROOM];
    size_t len = strlen(before);
    memcpy(text, before, len);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + len, repeat, strlen(repeat));
        len += strlen(repeat);
    }
    memcpy(text + len, after, strlen(after) + 1);
    return text;
}

#endif
