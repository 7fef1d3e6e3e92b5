/* sys/timers.c -- libuv's timers for a set that is waited for directly, see pollset.h.
 * Owns: nothing; the loop is the worker's. */
#include "sys/pollset.h"

#include <sys/stat.h>

#if defined(__linux__)
#define IS_LOOP(mode) (((mode)&S_IFMT) == 0) /* a file without a name, which epoll has */
#else
#define IS_LOOP(mode) (!S_ISREG(mode))
#endif

bool fw__loop_works(const uv_loop_t *loop)
{
    struct stat status;
    return fstat(uv_backend_fd(loop), &status) == 0 && IS_LOOP(status.st_mode);
}

int fw__timers_wait(uv_loop_t *loop)
{
    return uv_loop_alive(loop) ? uv_backend_timeout(loop) : -1;
}

bool fw__timers_run(uv_loop_t *loop)
{
    if (fw__timers_wait(loop) == 0) {
        if (fw__loop_works(loop))
            uv_run(loop, UV_RUN_NOWAIT);
        else
            loop->data = loop; /* a mark for the worker */
    }
    return uv_loop_alive(loop) != 0;
}
