/* sys/file_clock.c -- see file_clock.h. Systems stamp files by a clock that goes on by ticks of some ms. */
#include "sys/file_clock.h"

#define TICK_NS 20000000 /* more than that of any system that does not tell */

void fw__file_clock(struct timespec *now)
{
#if defined(CLOCK_REALTIME_COARSE) && !defined(FW_PORTABLE)
    if (clock_gettime(CLOCK_REALTIME_COARSE, now) == 0)
        return;
#endif
    (void)clock_gettime(CLOCK_REALTIME, now); /* cannot fail */
    now->tv_nsec -= TICK_NS;
    if (now->tv_nsec < 0) {
        now->tv_nsec += 1000000000;
        now->tv_sec--;
    }
}
