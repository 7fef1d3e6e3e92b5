/* sys/clock.c -- see clock.h. */
#include "sys/clock.h"

#include <time.h>
#include <uv.h>

#include "fapws.h"

uint64_t fw__clock(bool fine)
{
#if defined(CLOCK_MONOTONIC_COARSE) && !defined(FW_PORTABLE)
    struct timespec now;
    if (clock_gettime(fine ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_COARSE, &now) == 0)
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
#else
    (void)fine;
#endif
    return uv_hrtime() / 1000000;
}

uint64_t fw_now(void)
{
    return fw__clock(false);
}
