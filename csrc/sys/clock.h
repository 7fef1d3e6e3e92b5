/* sys/clock.h -- milliseconds of the monotonic clock: fw_now(), and how finely. */
#ifndef FAPWS_CLOCK_H
#define FAPWS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* fine: each of them; else as cheaply as the system gives them, which may be a few late. */
uint64_t fw__clock(bool fine);

#endif
