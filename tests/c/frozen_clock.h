/* frozen_clock.h -- the clock that files are stamped by stands still when a test says so, and what waits goes by
 * another one, which can be set ahead. For one file of a program, which has defined _GNU_SOURCE. */
#ifndef FROZEN_CLOCK_H
#define FROZEN_CLOCK_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

static struct timespec frozen; /* what it says; 0: the right time */
static uint64_t ahead_ms;      /* that all other clocks are ahead */

static int system_clock(clockid_t clock, struct timespec *when)
{
    static int (*call)(clockid_t, struct timespec *);
    if (!call) {
        void *symbol = dlsym(RTLD_NEXT, "clock_gettime");
        memcpy(&call, &symbol, sizeof symbol);
    }
#if defined(SYS_clock_gettime)
    if (!call) /* a static program has no other */
        return (int)syscall(SYS_clock_gettime, clock, when);
#elif defined(SYS_clock_gettime64)
    if (!call)
        return (int)syscall(SYS_clock_gettime64, clock, when);
#endif
    return call(clock, when);
}

static bool stamps_files(clockid_t clock)
{
#if defined(CLOCK_REALTIME_COARSE)
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
#else
    return clock == CLOCK_REALTIME;
#endif
}

/* The ones that the core calls. */
int clock_gettime(clockid_t clock, struct timespec *when)
{
    if (frozen.tv_sec && stamps_files(clock)) {
        *when = frozen;
        return 0;
    }
    int code = system_clock(clock, when);
    if (code == 0 && !stamps_files(clock))
        when->tv_sec += (time_t)(ahead_ms / 1000);
    return code;
}

time_t time(time_t *second)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (second)
        *second = now.tv_sec;
    return now.tv_sec;
}

#endif
