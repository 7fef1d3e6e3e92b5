/* sys/lifeline.c -- a worker whose master is dead ends, also when it is stuck for ever in C.
 * Owns:   a thread that waits until the master's end of a pipe closes, then for the time that the worker
 *         has to finish, then ends the process. It does nothing else.
 * The thread touches no memory of others, takes no signal and allocates nothing, so its stack may be
 * the smallest there is. */
#include "error.h"
#include "fapws.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE 32768 /* bytes; raised to what the system demands */

typedef struct {
    int fd;
    uint32_t grace_ms;
    char log[]; /* path; empty: none */
} lifeline;

static const char farewell[] = "fapws: the master is gone and drain_timeout is over: the worker "
                               "ends, whatever is unanswered\n";

/* To standard error, unless that would wait; if it has no reader, to the log, with this process's rights. */
static void tell_end(const char *log)
{
    if (fw_write_now(2, farewell, sizeof farewell - 1) >= 0 || !log[0])
        return;
    int fd = open(log, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && write(fd, farewell, sizeof farewell - 1) < 0)
        return; /* there is no other place to write it */
}

static void wait_for_end(int fd)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    while (poll(&end, 1, -1) < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
}

static void *guard(void *data)
{
    const lifeline *own = data; /* never freed: the thread ends with the process */
    struct timespec left = {.tv_sec = (time_t)(own->grace_ms / 1000),
                            .tv_nsec = (long)(own->grace_ms % 1000) * 1000000};
    wait_for_end(own->fd);
    while (nanosleep(&left, &left) && errno == EINTR)
        continue;
    tell_end(own->log);
    _exit(1);
}

int fw_guard_lifeline(int fd, uint32_t grace_ms, const char *log)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, former;
    size_t size = STACK_SIZE;
    size_t len = strlen(log);
    lifeline *given = malloc(sizeof *given + len + 1);
    if (!given)
        return FW_EMEMORY;
    given->fd = fd;
    given->grace_ms = grace_ms;
    memcpy(given->log, log, len + 1);
    long smallest = sysconf(_SC_THREAD_STACK_MIN);
    if (smallest > 0 && (size_t)smallest > size)
        size = (size_t)smallest;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_attr_setstacksize(&attributes, size))
        pthread_attr_setstacksize(&attributes,
                                  (size_t)1 << 18); /* a system that wants whole pages */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former); /* inherited by the thread */
    int failed = pthread_create(&thread, &attributes, guard, given);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    pthread_attr_destroy(&attributes);
    if (failed)
        free(given);
    return failed ? FW_ESYSTEM : 0;
}
