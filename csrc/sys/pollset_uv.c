/* sys/pollset_uv.c -- the set of sys/pollset.h wherever libuv runs: a uv_poll_t for each descriptor
 * that is waited for. on_closed() is the only free() of one. */
#include "sys/pollset.h"

#if defined(FW_POLLSET_UV)

#include <errno.h>
#include <stdlib.h>

#include "error.h"
#include "fapws.h"

const char *fw_pollset_name(void)
{
    return "libuv";
}

#define FIRST_SIZE 64u

typedef struct fw_uv_poll {
    uv_poll_t poll;
    fw_pollset *set;
    int64_t token;
} fw_uv_poll;

int fw__pollset_new(fw_pollset *set)
{
    set->fd = -1;
    return 0;
}

void fw__pollset_free(fw_pollset *set)
{
    free(set->by_fd);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_poll(uv_poll_t *poll, int status, int told);

static int start(fw_uv_poll *own, unsigned events)
{
    int wanted = (events & FW_POLL_READ ? UV_READABLE | UV_DISCONNECT : 0) |
                 (events & FW_POLL_WRITE ? UV_WRITABLE : 0);
    return uv_poll_start(&own->poll, wanted, on_poll) ? FW_ESYSTEM : 0;
}

static void on_poll(uv_poll_t *poll, int status, int told)
{
    fw_uv_poll *own = poll->data;
    unsigned events = 0;
    if (status < 0) {
        events = FW_POLL_ERROR;
        (void)start(own, FW_POLL_READ); /* libuv has stopped it; errors are to be told again */
    }
    if (told & (UV_READABLE | UV_DISCONNECT))
        events |= FW_POLL_READ;
    if (told & UV_DISCONNECT)
        events |= FW_POLL_END;
    if (told & UV_WRITABLE)
        events |= FW_POLL_WRITE;
    own->set->polled(own->set->owner, own->token, events);
}

static bool make_room(fw_pollset *set, uint32_t fd)
{
    uint32_t size = set->by_fd_size ? set->by_fd_size : FIRST_SIZE;
    while (size <= fd)
        size *= 2;
    if (size == set->by_fd_size)
        return true;
    fw_uv_poll **by_fd = realloc(set->by_fd, size * sizeof *by_fd);
    if (!by_fd)
        return false;
    for (uint32_t i = set->by_fd_size; i < size; i++)
        by_fd[i] = NULL;
    set->by_fd = by_fd;
    set->by_fd_size = size;
    return true;
}

static int add(fw_pollset *set, int fd, int64_t token, unsigned events)
{
    fw_uv_poll *own;
    if (fd < 0 || !make_room(set, (uint32_t)fd) || (own = malloc(sizeof *own)) == NULL)
        return FW_ESYSTEM;
    if (uv_poll_init(set->loop, &own->poll, fd)) {
        free(own);
        return FW_ESYSTEM;
    }
    own->poll.data = own;
    own->set = set;
    own->token = token;
    if (start(own, events)) {
        uv_close((uv_handle_t *)&own->poll, on_closed);
        return FW_ESYSTEM;
    }
    set->by_fd[fd] = own;
    set->members++;
    return 0;
}

int fw__pollset_set(fw_pollset *set, int fd, int64_t token, unsigned before, unsigned events)
{
    if (before == events)
        return 0;
    if (!before)
        return add(set, fd, token, events);
    if (events)
        return start(set->by_fd[fd], events);
    fw__pollset_drop(set, fd, before);
    return 0;
}

/* uv_close() takes the descriptor out of libuv's set at once, while it is still ours. */
void fw__pollset_drop(fw_pollset *set, int fd, unsigned before)
{
    if (!before)
        return;
    uv_close((uv_handle_t *)&set->by_fd[fd]->poll, on_closed);
    set->by_fd[fd] = NULL;
    set->members--;
}

bool fw__pollset_turn(fw_pollset *set, bool wait)
{
    if (!fw__loop_works(set->loop)) {
        set->error = EBADF;
        return false;
    }
    return uv_run(set->loop, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
}

#else
typedef int fw_pollset_uv_unused; /* ISO C wants something in every file */
#endif
