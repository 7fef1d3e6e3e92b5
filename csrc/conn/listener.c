/* conn/listener.c -- listening sockets: who may come in, and when not.
 * Owns:   worker->listeners and the pauses in accepting.
 * Called: worker.c adopts and closes listeners, tells of clients and of room that came free.
 * Never:  drops a client that was accepted, spins when nothing can be accepted: the kernel's backlog
 *         waits while a limit is reached or descriptors run out. */
#include "core.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void pause_accepting(fw_worker *worker, uint64_t ms);

static int arm(fw_listener *listener, bool open)
{
    int64_t token = FW_TOKEN_LISTENER - listener->number;
    unsigned before = listener->armed ? FW_POLL_READ : 0;
    int code =
        fw__pollset_set(listener->worker, listener->fd, token, before, open ? FW_POLL_READ : 0);
    if (code == 0)
        listener->armed = open;
    return code;
}

static bool has_room(const fw_worker *worker)
{
    uint32_t most = worker->settings.max_descriptors;
    return worker->open_count < worker->settings.max_connections &&
           (most == 0 || worker->open_count + worker->spools < most);
}

void fw__listeners_update(fw_worker *worker)
{
    bool open = !worker->draining && !worker->accept_paused && has_room(worker);
    for (int i = 0; i < worker->listener_count; i++) {
        fw_listener *listener = &worker->listeners[i];
        if (listener->fd < 0 || listener->armed == open)
            continue;
        if (arm(listener, open))
            pause_accepting(worker, FW_STARVED_MS); /* the kernel has no room for it now */
    }
}

static void on_accept_timer(uv_timer_t *timer);

static void pause_accepting(fw_worker *worker, uint64_t ms)
{
    worker->accept_paused = true;
    uv_timer_start(&worker->accept_timer, on_accept_timer, ms, 0);
}

/* error: of the system; 0: no descriptor is left. */
static void starve(fw_worker *worker, int error)
{
    uint64_t now = uv_now(&worker->loop) + 1; /* never 0 */
    pause_accepting(worker, FW_STARVED_MS);
    worker->score->accept_pauses++;
    if (!fw__batch_full(worker) &&
        (worker->starved_told == 0 || now - worker->starved_told >= FW_TELL_MS)) {
        worker->starved_told = now;
        fw__batch_event(worker, FW_STARVED, error);
    }
}

/* That client is gone (ECONNABORTED and its like), the next may not be. But some errors stay: a filter
 * or a policy that lets nobody in, or one that no system had when this was written. */
static bool lose_one(fw_worker *worker, int error)
{
    if (++worker->accept_failures < FW_ACCEPT_FAILURES)
        return true;
    starve(worker, error);
    return false;
}

/* False when there is nobody else to accept for now. */
static bool accept_one(fw_listener *listener)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    address.ss_family = AF_UNSPEC;
    int fd = fw__accept(listener->fd, (struct sockaddr *)&address, &len);
    if (fd >= 0) {
        listener->worker->accept_failures = 0;
        fw__conn_open(listener, fd, (const struct sockaddr *)&address);
        return true;
    }
    switch (-fd) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: starve(listener->worker, 0); return false;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
        return false;
    case EBADF:
    case EINVAL: /* somebody has shut the socket down: nobody will come, but do not spin on it */
    case ENOTSOCK:
    case EOPNOTSUPP: pause_accepting(listener->worker, FW_STARVED_MS); return false;
    default: return lose_one(listener->worker, -fd);
    }
}

/* Whether somebody was there. */
static bool accept_some(fw_listener *listener, uint32_t count)
{
    fw_worker *worker = listener->worker;
    uint32_t i = 0;
    /* Also when the batch is full: they wait in worker->ready, or a flood would keep them out. */
    while (i < count && has_room(worker) && accept_one(listener))
        i++;
    return i > 0;
}

void fw__listener_polled(fw_listener *listener)
{
    fw_worker *worker = listener->worker;
    if (!listener->armed)
        return; /* since this turn began */
    uint32_t share = fw__share(worker);
    if (share > 0) {
        worker->gave_way = 0;
        accept_some(listener, share);
    } else {
        worker->score->gave_way++;
        pause_accepting(worker, FW_SHARE_MS);
    }
    fw__listeners_update(worker);
}

/* Who was left to the others and still waits: they may be unable to come, so more from time to time. */
static void accept_left(fw_worker *worker)
{
    uint32_t count = UINT32_C(1) << worker->gave_way / FW_SHARE_PATIENCE;
    bool left = false;
    if (count > worker->settings.accept_burst)
        count = worker->settings.accept_burst;
    else
        worker->gave_way++;
    for (int i = 0; i < worker->listener_count; i++)
        if (worker->listeners[i].fd >= 0 && accept_some(&worker->listeners[i], count))
            left = true;
    if (!left)
        worker->gave_way = 0;
}

static void on_accept_timer(uv_timer_t *timer)
{
    fw_worker *worker = timer->data;
    worker->accept_paused = false;
    if (worker->peer_count > 0)
        accept_left(worker);
    fw__listeners_update(worker);
}

/* What the backlog still holds, as far as there is room and descriptors. */
static void accept_rest_of(fw_listener *listener)
{
    fw_worker *worker = listener->worker;
    while (has_room(worker) && accept_one(listener))
        continue;
}

void fw__listeners_close(fw_worker *worker, bool accept_rest)
{
    for (int i = 0; i < worker->listener_count; i++) {
        fw_listener *listener = &worker->listeners[i];
        if (listener->fd < 0)
            continue;
        if (accept_rest)
            accept_rest_of(listener);
        fw__pollset_drop(worker, listener->fd, listener->armed ? FW_POLL_READ : 0);
        listener->armed = false;
        close(listener->fd);
        listener->fd = -1;
    }
    uv_timer_stop(&worker->accept_timer);
}

int fw_listen(fw_worker *worker, int fd)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    if (worker->listener_count >= FW_LISTENERS)
        return FW_EFULL;
    if (worker->listener_count == 0) {
        uv_timer_init(&worker->loop, &worker->accept_timer);
        worker->accept_timer.data = worker;
    }
    fw_listener *listener = &worker->listeners[worker->listener_count];
    listener->worker = worker;
    listener->fd = fd;
    listener->number = worker->listener_count;
    listener->armed = false;
    if (fw__set_nonblocking(fd) || arm(listener, true))
        return FW_ESYSTEM;
    worker->listener_count++;
    fw__listeners_update(worker);
    return listener->number;
}
