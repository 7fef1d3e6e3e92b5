/* conn/listener.c -- listening sockets: which clients may come in, and when not.
 * Owns:   worker->accepting: the sockets and the pauses in accepting.
 * Never:  drops a client that was accepted, spins when nothing can be accepted: the kernel's backlog
 *         waits while a limit is reached or descriptors run out. */
#include "conn/accepting.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "worker.h"

static void pause_accepting(fw_worker *worker, uint64_t ms);

static int arm(fw_listener *listener, bool open)
{
    int64_t token = FW_TOKEN_LISTENER - listener->number;
    unsigned events = FW_POLL_READ;
    if (listener->worker->accepting.peers.count > 0)
        events |= FW_POLL_ALONE;
    unsigned before = listener->armed ? events : 0;
    int code =
        fw__pollset_set(&listener->worker->pollset, listener->fd, token, before, open ? events : 0);
    if (code == 0)
        listener->armed = open;
    return code;
}

static bool has_descriptors(const fw_worker *worker)
{
    uint32_t most = worker->settings.max_descriptors;
    return most == 0 || worker->table.open + worker->spool.files < most;
}

static bool has_room(fw_worker *worker)
{
    if (worker->table.open >= worker->settings.max_connections)
        return false;
    return has_descriptors(worker) || (fw__spool_spare(&worker->spool) && has_descriptors(worker));
}

/* Out of the set; fw__listeners_update() puts them in again. */
static void step_back(fw_worker *worker)
{
    for (int i = 0; i < worker->accepting.count; i++)
        if (worker->accepting.listeners[i].armed)
            (void)arm(&worker->accepting.listeners[i], false);
}

/* Linux tells of a client the worker that joined the queue first. One that keeps its clients goes to the end, so
 * that others get the next ones; one whose clients come and go stays where it is, and its caches warm. */
static void change_places(fw_worker *worker)
{
    worker->accepting.took = false;
    if (worker->accepting.peers.count > 0 && worker->table.open > 0)
        step_back(worker);
}

void fw__listeners_update(fw_worker *worker)
{
    if (worker->accepting.took)
        change_places(worker);
    bool open = !worker->draining && !worker->accepting.paused && has_room(worker);
    worker->score->shut = !open;
    for (int i = 0; i < worker->accepting.count; i++) {
        fw_listener *listener = &worker->accepting.listeners[i];
        if (listener->fd < 0 || listener->armed == open)
            continue;
        if (arm(listener, open))
            pause_accepting(worker, FW_STARVED_MS); /* the kernel has no room for it now */
    }
}

static void on_accept_timer(uv_timer_t *timer);

static void pause_accepting(fw_worker *worker, uint64_t ms)
{
    worker->accepting.paused = true;
    uv_timer_start(&worker->accepting.timer, on_accept_timer, ms, 0);
}

/* error: of the system; 0: no descriptor is left. */
static void starve(fw_worker *worker, int error)
{
    uint64_t now = uv_now(&worker->loop) + 1; /* never 0 */
    pause_accepting(worker, FW_STARVED_MS);
    worker->score->accept_pauses++;
    if (!fw__batch_full(&worker->batch) &&
        (worker->accepting.told == 0 || now - worker->accepting.told >= FW_TELL_MS)) {
        worker->accepting.told = now;
        fw__batch_event(&worker->batch, FW_STARVED, error);
    }
}

/* That client is gone (ECONNABORTED and its like), the next may not be. But some errors stay: a filter
 * or a policy that lets no client in, or one that no system had when this was written. */
static bool lose_one(fw_worker *worker, int error)
{
    if (++worker->accepting.failures < FW_ACCEPT_FAILURES)
        return true;
    starve(worker, error);
    return false;
}

/* False when there is no other client to accept for now. */
static bool accept_one(fw_listener *listener)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    address.ss_family = AF_UNSPEC;
    int fd = fw__accept(listener->fd, (struct sockaddr *)&address, &len);
    if (fd >= 0) {
        listener->worker->accepting.failures = 0;
        listener->worker->accepting.took = listener->worker->accepting.made_room = true;
        fw__conn_open(listener, fd, (const struct sockaddr *)&address);
        return true;
    }
    switch (-fd) {
    case EMFILE:
    case ENFILE:
        if (fw__spool_spare(&listener->worker->spool))
            return true; /* now there may be one for the client */
        starve(listener->worker, 0);
        return false;
    case ENOBUFS:
    case ENOMEM: starve(listener->worker, 0); return false;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
        return false;
    case EBADF:
    case EINVAL: /* the socket was shut down */
    case ENOTSOCK:
    case EOPNOTSUPP: /* or closed, and its number is used again: no client can come */
        if (!listener->worker->draining)
            fw__health_breaks(&listener->worker->health, FW_ELISTENER);
        return false;
    default: return lose_one(listener->worker, -fd);
    }
}

/* Whether a client was there. */
static bool accept_some(fw_listener *listener, uint32_t count)
{
    fw_worker *worker = listener->worker;
    uint32_t i = 0;
    /* Also when the batch is full: new connections wait in worker->ready, so a flood of requests does not
     * keep other clients out. */
    while (i < count && has_room(worker) && accept_one(listener))
        i++;
    return i > 0;
}

bool fw__listener_polled(fw_listener *listener)
{
    fw_worker *worker = listener->worker;
    if (!listener->armed)
        return false; /* disarmed during this turn: the event is older */
    fw_accepting *accepting = &worker->accepting;
    uint32_t share = fw__share(&accepting->peers, worker->group, worker->table.open,
                               worker->settings.accept_burst);
    if (share > 0) {
        worker->accepting.gave_way = 0;
        accept_some(listener, share);
    } else {
        worker->score->gave_way++;
        pause_accepting(worker, FW_SHARE_MS);
    }
    fw__listeners_update(worker);
    return true;
}

/* The clients that were left to the others and still wait. The others may be unable to accept, so from
 * time to time this worker takes more of them. */
static void accept_left(fw_worker *worker)
{
    uint32_t count = UINT32_C(1) << worker->accepting.gave_way / FW_SHARE_PATIENCE;
    bool left = false;
    if (count > worker->settings.accept_burst)
        count = worker->settings.accept_burst;
    else
        worker->accepting.gave_way++;
    for (int i = 0; i < worker->accepting.count; i++)
        if (worker->accepting.listeners[i].fd >= 0 &&
            accept_some(&worker->accepting.listeners[i], count))
            left = true;
    if (!left)
        worker->accepting.gave_way = 0;
}

static void on_accept_timer(uv_timer_t *timer)
{
    fw_worker *worker = timer->data;
    worker->accepting.paused = false;
    if (worker->accepting.peers.count > 0)
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
    for (int i = 0; i < worker->accepting.count; i++) {
        fw_listener *listener = &worker->accepting.listeners[i];
        if (listener->fd < 0)
            continue;
        if (accept_rest)
            accept_rest_of(listener);
        else if (worker->accepting.peers.count >
                 0) /* this worker alone may have been told of them */
            (void)accept_some(listener, worker->settings.accept_burst);
        fw__pollset_drop(&worker->pollset, listener->fd, listener->armed ? FW_POLL_READ : 0);
        listener->armed = false;
        close(listener->fd);
        listener->fd = -1;
    }
    uv_timer_stop(&worker->accepting.timer);
}

int fw_listen(fw_worker *worker, int fd)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    if (worker->accepting.count >= FW_LISTENERS_MAX)
        return FW_EFULL;
    fw_listener *listener = &worker->accepting.listeners[worker->accepting.count];
    listener->worker = worker;
    listener->fd = fd;
    listener->number = worker->accepting.count;
    listener->armed = false;
    if (fw__set_nonblocking(fd) || arm(listener, true))
        return FW_ESYSTEM;
    worker->accepting.count++;
    fw__listeners_update(worker);
    return listener->number;
}

int fw_share(fw_worker *worker, const fw_score *rows, uint32_t count, uint64_t group)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    step_back(worker);
    worker->accepting.peers.rows = rows;
    worker->accepting.peers.count = count;
    worker->group = worker->score->group = group;
    fw__listeners_update(worker);
    return 0;
}

int fw_trust(fw_worker *worker, int family, const unsigned char *address, unsigned prefix)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    return fw__trust_add(&worker->trusted, family, address, prefix);
}

int fw_expect_proxy(fw_worker *worker, int listener)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    if (listener < 0 || listener >= worker->accepting.count)
        return FW_ESTATE;
    worker->accepting.listeners[listener].proxy = true;
    return 0;
}
