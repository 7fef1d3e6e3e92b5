/* sys/timers.c -- libuv's timers for a set that is waited for directly, see pollset.h.
 * Owns: nothing; the loop is the worker's. */
#include "sys/pollset.h"

int fw__timers_wait(uv_loop_t *loop)
{
    return uv_loop_alive(loop) ? uv_backend_timeout(loop) : -1;
}

bool fw__timers_run(uv_loop_t *loop)
{
    if (fw__timers_wait(loop) == 0)
        uv_run(loop, UV_RUN_NOWAIT);
    return uv_loop_alive(loop) != 0;
}
