/* sys/clock.c -- milliseconds of the monotonic clock, as cheaply as the system gives them. */
#include <time.h>
#include <uv.h>

#include "fapws.h"

uint64_t fw_now(void)
{
#if defined(CLOCK_MONOTONIC_COARSE) && !defined(FW_PORTABLE)
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0)
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
#endif
    return uv_hrtime() / 1000000;
}
