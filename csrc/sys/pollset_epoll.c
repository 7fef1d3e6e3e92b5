/* sys/pollset_epoll.c -- the set of sys/pollset.h on Linux. */
#include "sys/pollset.h"

#if defined(FW_POLLSET_EPOLL)

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "error.h"
#include "fapws.h"

const char *fw_pollset_name(void)
{
    return "epoll";
}

int fw__pollset_new(fw_pollset *set)
{
    set->fd = epoll_create1(EPOLL_CLOEXEC);
    if (set->fd >= 0)
        return 0;
    if (errno != ENOSYS && errno != EPERM) /* else a sandbox that knows only older calls */
        return FW_ESYSTEM;
    set->fd = epoll_create(1);
    if (set->fd < 0 || fcntl(set->fd, F_SETFD, FD_CLOEXEC))
        return FW_ESYSTEM;
    return 0;
}

void fw__pollset_free(fw_pollset *set)
{
    if (set->fd >= 0)
        close(set->fd);
}

/* EPOLLEXCLUSIVE came with Linux 4.5; older ones take no notice of it. It goes with few other bits, and no
 * EPOLL_CTL_MOD: its members are added and removed only. */
static uint32_t bits_of(unsigned events)
{
    if (events & FW_POLL_ALONE)
        return EPOLLIN | EPOLLEXCLUSIVE;
    return (events & FW_POLL_READ ? (uint32_t)EPOLLIN | EPOLLRDHUP : 0) |
           (events & FW_POLL_WRITE ? (uint32_t)EPOLLOUT : 0);
}

int fw__pollset_set(fw_pollset *set, int fd, int64_t token, unsigned before, unsigned events)
{
    if (before == events)
        return 0;
    struct epoll_event event = {.data.u64 = (uint64_t)token, .events = bits_of(events)};
    /* Nothing to wait for: taken out, because epoll reports errors and hang-ups of every member. */
    int change = !events ? EPOLL_CTL_DEL : before ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(set->fd, change, fd, &event) && events)
        return FW_ESYSTEM;
    set->members += (uint32_t)(events != 0) - (uint32_t)(before != 0);
    return 0;
}

/* close() alone would do, were it not for children that the application forks: as long as one of them
 * has the descriptor too, a member that is ready would be told for ever, and could not be removed. */
void fw__pollset_drop(fw_pollset *set, int fd, unsigned before)
{
    (void)fw__pollset_set(set, fd, 0, before, 0);
}

static unsigned events_of(uint32_t told)
{
    unsigned events = 0;
    if (told & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
        events |= FW_POLL_READ;
    if (told & (EPOLLOUT | EPOLLHUP))
        events |= FW_POLL_WRITE;
    if (told & (EPOLLRDHUP | EPOLLHUP))
        events |= FW_POLL_END;
    if (told & EPOLLERR)
        events |= FW_POLL_ERROR;
    return events;
}

bool fw__pollset_turn(fw_pollset *set, bool wait)
{
    struct epoll_event told[FW_POLL_EVENTS];
    int timeout = wait ? fw__timers_wait(set->loop) : 0;
    int rounds = 0;
    int count = 0;
    do {
        count =
            set->members || timeout > 0 ? epoll_wait(set->fd, told, FW_POLL_EVENTS, timeout) : 0;
        uv_update_time(set->loop);
        if (count < 0)
            set->error = errno;
        for (int i = 0; i < count; i++)
            set->polled(set->owner, (int64_t)told[i].data.u64, events_of(told[i].events));
        timeout = 0;
    } while (count == FW_POLL_EVENTS && ++rounds < FW_POLL_ROUNDS);
    return fw__timers_run(set->loop) || set->members;
}

#else
typedef int fw_pollset_epoll_unused; /* ISO C wants something in every file */
#endif
