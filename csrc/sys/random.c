/* sys/random.c -- see random.h. libuv knows what each system has: getrandom(), getentropy(), /dev/urandom.
 * FW_PORTABLE forces the fallback, so that tests reach it everywhere.
 * Never:  waits, but for a machine that has just been switched on and has gathered nothing yet. */
#include "sys/random.h"

#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* The last steps of SplitMix64: each bit that goes in changes half of those that come out. */
static uint64_t mixed(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

static void guessable(unsigned char *at, size_t size)
{
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t seeds[] = {uv_hrtime(), (uint64_t)now.tv_sec, (uint64_t)now.tv_nsec,
                              (uint64_t)getpid(), (uint64_t)(uintptr_t)at};
    uint64_t state = 0, word;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        state = mixed(state ^ seeds[i]) + UINT64_C(0x9E3779B97F4A7C15);
    for (size_t done = 0; done + sizeof word <= size; done += sizeof word) {
        memcpy(&word, at + done, sizeof word);
        state = mixed(state ^ word) + UINT64_C(0x9E3779B97F4A7C15);
        word = mixed(state);
        memcpy(at + done, &word, sizeof word);
    }
}

void fw__random(void *bytes, size_t size)
{
#if !defined(FW_PORTABLE)
    if (uv_random(NULL, NULL, bytes, size, 0, NULL) == 0)
        return;
#endif
    guessable(bytes, size);
}
