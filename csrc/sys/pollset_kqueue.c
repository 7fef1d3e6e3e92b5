/* sys/pollset_kqueue.c -- the set of sys/pollset.h on the BSDs and macOS. */
#include "sys/pollset.h"

#if defined(FW_POLLSET_KQUEUE)

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

#include "error.h"
#include "fapws.h"

const char *fw_pollset_name(void)
{
    return "kqueue";
}

int fw__pollset_new(fw_pollset *set)
{
    set->fd = kqueue();
    if (set->fd < 0)
        return FW_ESYSTEM;
    (void)fcntl(set->fd, F_SETFD, FD_CLOEXEC); /* a child of fork() has none at all */
    return 0;
}

void fw__pollset_free(fw_pollset *set)
{
    if (set->fd >= 0)
        close(set->fd);
}

/* Not EV_SET: its casts differ from system to system, as udata does (a number in old NetBSD). */
static void add_change(struct kevent *changes, uint16_t *count, int fd, int filter, int64_t token,
                       bool wanted)
{
    struct kevent *change = &changes[(*count)++];
    memset(change, 0, sizeof *change);
    change->ident = (uintptr_t)fd;
    change->filter = (__typeof__(change->filter))filter;
    change->flags = wanted ? EV_ADD : EV_DELETE;
    change->udata = (__typeof__(change->udata))(intptr_t)token;
}

int fw__pollset_set(fw_pollset *set, int fd, int64_t token, unsigned before, unsigned events)
{
    struct kevent changes[2];
    uint16_t count = 0; /* kevent() wants an int, NetBSD's a size_t */
    unsigned other = before ^ events;
    if (other & FW_POLL_READ)
        add_change(changes, &count, fd, EVFILT_READ, token, (events & FW_POLL_READ) != 0);
    if (other & FW_POLL_WRITE)
        add_change(changes, &count, fd, EVFILT_WRITE, token, (events & FW_POLL_WRITE) != 0);
    /* A change that adds may find no memory; the first of two is then taken back. */
    if (count && kevent(set->fd, changes, count, NULL, 0, NULL) < 0 && events) {
        unsigned gone = events & ~before;
        if (count == 2) {
            changes[0].flags = gone & FW_POLL_READ ? EV_DELETE : EV_ADD;
            (void)kevent(set->fd, changes, 1, NULL, 0, NULL);
        }
        return FW_ESYSTEM;
    }
    set->members += (uint32_t)(events != 0) - (uint32_t)(before != 0);
    return 0;
}

/* close() takes a descriptor out: a kqueue knows descriptors of this process, not open files. */
void fw__pollset_drop(fw_pollset *set, int fd, unsigned before)
{
    (void)fd;
    set->members -= before != 0;
}

static unsigned events_of(const struct kevent *told)
{
    if (told->flags & EV_ERROR)
        return FW_POLL_ERROR;
    /* EV_EOF as well: the next recv() or send() says what it means. */
    if (told->filter == EVFILT_WRITE)
        return FW_POLL_WRITE;
    return told->flags & EV_EOF ? FW_POLL_READ | FW_POLL_END : FW_POLL_READ;
}

bool fw__pollset_turn(fw_pollset *set, bool wait)
{
    struct kevent told[FW_POLL_EVENTS];
    int timeout = wait ? fw__timers_wait(set->loop) : 0;
    int rounds = 0;
    int count = 0;
    do {
        struct timespec left = {.tv_sec = timeout / 1000,
                                .tv_nsec = (long)(timeout % 1000) * 1000000};
        count = set->members || timeout > 0
                    ? kevent(set->fd, NULL, 0, told, FW_POLL_EVENTS, timeout < 0 ? NULL : &left)
                    : 0;
        uv_update_time(set->loop);
        if (count < 0)
            set->error = errno;
        for (int i = 0; i < count; i++)
            set->polled(set->owner, (int64_t)(intptr_t)told[i].udata, events_of(&told[i]));
        timeout = 0;
    } while (count == FW_POLL_EVENTS && ++rounds < FW_POLL_ROUNDS);
    return fw__timers_run(set->loop) || set->members;
}

#else
typedef int fw_pollset_kqueue_unused; /* ISO C wants something in every file */
#endif
