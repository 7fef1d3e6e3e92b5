/* conn/conn.c -- one client connection, from accept to close.
 * Owns:   the descriptor, the state and what is waited for in it.
 * Never:  parses bytes, builds responses.
 * The states and their steps are in states.h and states.c.
 *
 * The set of sys/pollset.h learns of a connection only when it has to wait: a client that sends, gets
 * its response and is closed costs accept, recv, send and close. */
#include "conn/conn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn/tally.h"
#include "error.h"
#include "worker.h"

#if defined(__GNUC__) /* inlined, every right step would save registers for the wrong one */
#define COLD __attribute__((cold, noinline))
#else
#define COLD
#endif

/* ---- States ---------------------------------------------------------------------------------------- */

static bool with_application(fw_conn_state state)
{
    return state == FW_CONN_DISPATCHED || state == FW_CONN_STREAMING;
}

/* A caller that holds a request of it learns that it is gone: by a record, or by what its call returns. */
static COLD bool wrong_step(fw_conn *conn, fw_conn_state state)
{
    fw_fault *fault = &conn->worker->fault;
    if (fault->stage == FW_FAULT_NONE) {
        fault->from = conn->state;
        fault->to = state;
        fault->stage = FW_FAULT_NOTED;
    }
    if (conn->state == FW_CONN_CLOSED)
        return false;
    if (fw__batch_crowded(&conn->worker->batch))
        fw__conn_close(conn);
    else
        fw__conn_lost(conn);
    return false;
}

bool fw__conn_enter(fw_conn *conn, fw_conn_state state)
{
    if (!fw__conn_may_enter(conn->state, state))
        return wrong_step(conn, state);
    fw_worker *worker = conn->worker;
    worker->in_flight +=
        (uint64_t)with_application(state) - (uint64_t)with_application(conn->state);
    worker->score->in_flight = worker->in_flight;
    if (worker->tally && fw__tally_counts(conn->state, state))
        fw__tally_step(worker->tally, conn->state, state);
    conn->state = state;
    return true;
}

void fw__conn_tell_fault(fw_worker *worker)
{
    fw_fault *fault = &worker->fault;
    if (fault->stage != FW_FAULT_NOTED || fw__batch_crowded(&worker->batch))
        return;
    fault->stage = FW_FAULT_TOLD;
    fw__batch_fault(&worker->batch, fw__conn_state_name(fault->from),
                    fw__conn_state_name(fault->to));
}

void fw__response_reset(fw_conn *conn, fw_response_by by)
{
    conn->response = (fw_response){.by = by, .last = by > FW_BY_FILES};
}

/* ---- Open and close -------------------------------------------------------------------------------- */

void fw__conn_open(fw_listener *listener, int fd, const struct sockaddr *address)
{
    fw_worker *worker = listener->worker;
    fw_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        close(fd);
        return;
    }
    conn->worker = worker;
    conn->listener = listener;
    conn->socket.fd = fd;
    conn->state = FW_CONN_IDLE;
    if (listener->proxy)
        conn->proxy = fw__trusts(&worker->trusted, address) ? FW_PROXY_DUE : FW_PROXY_FOREIGN;
    conn->peer_len = (uint8_t)fw__format_peer(address, conn->peer);
    conn->id = fw__table_add(&worker->table, conn);
    if (conn->id < 0) {
        close(fd);
        free(conn);
        return;
    }
    worker->score->connections = worker->table.open;
    worker->score->accepted++;
    /* Most clients have sent their request by the time they are accepted. */
    fw__conn_queue(conn, FW_READY_READ);
    if (!fw__batch_full(&worker->batch))
        fw__conn_run_ready(conn);
}

static void socket_close(fw_worker *worker, fw_client_socket *own)
{
    if (own->polled)
        fw__pollset_drop(&worker->pollset, own->fd, own->polled);
    /* A child that the application has forked may hold it too: close() alone would not tell the client. */
    if (worker->health.children != fw__fork_children() && !fw__resets_on_close(own->fd))
        (void)shutdown(own->fd, SHUT_RDWR);
    close(own->fd);
    own->fd = -1;
    own->polled = 0;
}

void fw__conn_close(fw_conn *conn)
{
    fw_worker *worker = conn->worker;
    if (conn->state == FW_CONN_CLOSED)
        return;
    (void)fw__conn_enter(conn, FW_CONN_CLOSED); /* no state forbids that step */
    if (conn->request.access)
        fw__access_closed(worker->access_log, conn->request.access, fw_buffer_len(&conn->out),
                          fw__conn_peer(conn));
    conn->request.access = NULL;
    fw__table_remove(&worker->table, conn->id);
    worker->score->connections = worker->table.open;
    fw__request_let_go(conn);
    if (conn->request.sending)
        fw__static_drop(conn);
    worker->accepting.made_room = true;
    socket_close(worker, &conn->socket);
    fw__deadline_clear(&conn->deadline);
    fw_link_remove(&conn->ready_link);
    fw_list_append(&worker->closed, &conn->ready_link);
}

static void conn_free(fw_conn *conn)
{
    fw__deadline_clear(&conn->deadline);
    fw__request_reset(conn);
    fw_buffer_clear(&conn->in);
    fw_buffer_clear(&conn->out);
    free(conn);
}

void fw__conns_free_closed(fw_worker *worker)
{
    fw_link *link;
    uint32_t gone = 0;
    while ((link = fw_list_first(&worker->closed)) != NULL) {
        fw_link_remove(link);
        conn_free(FW_CONTAINER(link, fw_conn, ready_link));
        gone++;
    }
    fw__crowd_left(&worker->crowd, gone);
}

void fw__conn_cut(fw_conn *conn)
{
    /* Only a reset tells the client of a close-delimited response that it is not whole. */
    if (conn->state == FW_CONN_STREAMING && conn->response.framing == FW_FRAME_CLOSE)
        fw__reset_on_close(conn->socket.fd);
    if (conn->state == FW_CONN_DISPATCHED)
        (void)fw__out_send(conn, NULL,
                           0); /* out may hold whole responses to earlier requests: one try */
    fw__conn_close(conn);
}

void fw__conn_lost(fw_conn *conn)
{
    if (with_application(conn->state))
        fw__batch_event(&conn->worker->batch, FW_GONE, conn->id);
    fw__conn_close(conn);
}

void fw__conn_close_when_sent(fw_conn *conn)
{
    fw__response_reset(conn, FW_BY_NOBODY); /* the bytes in out are counted already */
    if (fw_buffer_len(&conn->out) == 0 || fw__out_send(conn, NULL, 0) < 0 ||
        fw_buffer_len(&conn->out) == 0) {
        fw__conn_close(conn);
        return;
    }
    if (!fw__conn_enter(conn, FW_CONN_FLUSHING))
        return;
    fw__conn_wait_to_send(conn);
    fw__conn_listen(conn);
}

/* ---- Waiting ----------------------------------------------------------------------------------------- */

/* held: of FW_CONTENT_HELD, too, which left_content.c reads. */
static inline bool waits_to_read(const fw_conn *conn, bool held)
{
    if (conn->socket.ended)
        return false;
    switch (conn->state) {
    case FW_CONN_CONTENT:
        return held ? !conn->request.content->waiting : !fw__content_is(conn, FW_CONTENT_HELD);
    case FW_CONN_HEAD:
    case FW_CONN_LINGERING: return true;
    case FW_CONN_IDLE: /* pipelined requests may wait in conn->in */
        return fw_buffer_len(&conn->in) < FW_AHEAD_MAX;
    case FW_CONN_DISPATCHED:
    case FW_CONN_STREAMING:
    case FW_CONN_FLUSHING:
        return fw_buffer_len(&conn->in) < FW_AHEAD_MAX && !fw__content_is(conn, FW_CONTENT_GIVEN);
    case FW_CONN_CLOSED: break;
    }
    return false;
}

static bool waits_to_write(const fw_conn *conn)
{
    return conn->response.wants_writable || (fw_buffer_len(&conn->out) && !conn->out_held);
}

static void listen_for(fw_conn *conn, unsigned events)
{
    if (events == conn->socket.polled)
        return;
    if (fw__pollset_set(&conn->worker->pollset, conn->socket.fd, conn->id, conn->socket.polled,
                        events))
        fw__conn_queue(conn,
                       FW_READY_LOST); /* the kernel cannot watch it: it could wait for ever */
    else
        conn->socket.polled = (uint8_t)events;
}

void fw__conn_listen(fw_conn *conn)
{
    unsigned events = waits_to_read(conn, true) ? FW_POLL_READ : 0;
    if (waits_to_write(conn))
        events |= FW_POLL_WRITE;
    else if (conn->state == FW_CONN_STREAMING)
        events |=
            conn->socket.polled & FW_POLL_WRITE; /* more will come, and will have to wait again */
    listen_for(conn, events);
}

void fw__conn_queue(fw_conn *conn, uint8_t ready)
{
    conn->ready |= ready;
    if (!fw_link_linked(&conn->ready_link))
        fw_list_append(&conn->worker->ready, &conn->ready_link);
}

static fw_slice what_came(const fw_conn *conn)
{
    fw_slice bytes = {fw_buffer_at(&conn->in), fw_buffer_len(&conn->in)};
    return bytes;
}

/* The application may have kept the loop from reading what the client sent in time. */
static bool read_late(fw_conn *conn, fw_deadline_kind kind)
{
    if (!fw__pending(conn->socket.fd) || (kind == FW_DEADLINE_HEAD && conn->request.late))
        return false;
    conn->request.late = true; /* once for each head, or a slow client gains time for ever */
    fw__conn_wait(conn, kind);
    fw__conn_queue(conn, FW_READY_READ);
    return true;
}

void fw__conn_wait(fw_conn *conn, fw_deadline_kind kind)
{
    fw__deadline_set(&conn->worker->deadlines, &conn->deadline, kind);
}

void fw__conn_wait_to_send(fw_conn *conn)
{
    conn->socket.unsent = (int32_t)fw__unsent(conn->socket.fd);
    fw__conn_wait(conn, FW_DEADLINE_WRITE);
}

/* Whether the client has taken bytes since then: a socket becomes writable only when a good part of its
 * buffer is free, so "not writable" alone does not mean "no progress". */
static bool client_took_some(const fw_conn *conn)
{
    int64_t unsent = fw__unsent(conn->socket.fd);
    return unsent >= 0 && unsent < conn->socket.unsent;
}

static void write_expired(fw_conn *conn)
{
    if (client_took_some(conn)) {
        fw__conn_wait_to_send(conn);
        return;
    }
    fw__reset_on_close(
        conn->socket.fd); /* the client does not read: free the kernel's buffer too */
    fw__conn_lost(conn);
}

bool fw__conn_expired(void *owner, fw_deadline *deadline)
{
    fw_worker *worker = owner;
    fw_conn *conn = FW_CONTAINER(deadline, fw_conn, deadline);
    if (fw__batch_crowded(&worker->batch))
        return false;
    fw__deadline_clear(deadline);
    switch (deadline->kind) {
    case FW_DEADLINE_HEAD:
        if (!read_late(conn, deadline->kind))
            fw__request_refuse(conn, FW_ETIMEOUT_HEAD, what_came(conn));
        break;
    case FW_DEADLINE_CONTENT:
        if (!read_late(conn, deadline->kind))
            fw__request_refuse(conn, FW_ETIMEOUT_CONTENT, what_came(conn));
        break;
    case FW_DEADLINE_MARK:
    case FW_DEADLINE_TURN: fw__content_late(conn); break;
    case FW_DEADLINE_WRITE: write_expired(conn); break;
    case FW_DEADLINE_IDLE:
        if (!read_late(conn, deadline->kind))
            fw__conn_close(conn);
        break;
    case FW_DEADLINE_LINGER:
    case FW_DEADLINE_NONE: fw__conn_close(conn); break;
    }
    return true;
}

/* ---- After a response ----------------------------------------------------------------------------------- */

/* Closing while the client's bytes are still on their way would reset the connection and could take
 * the response with it (RFC 9112 9.6): half-close and throw away what comes, for a while. */
static void linger(fw_conn *conn)
{
    fw_buffer_clear(&conn->in);
    if (conn->socket.ended || shutdown(conn->socket.fd, SHUT_WR)) {
        fw__conn_close(conn);
        return;
    }
    if (!fw__conn_enter(conn, FW_CONN_LINGERING))
        return;
    fw__conn_wait(conn, FW_DEADLINE_LINGER);
    fw__conn_listen(conn);
}

static void last_response_sent(fw_conn *conn)
{
    bool unread = fw__content_is(conn, FW_CONTENT_GIVEN) || /* some is still on its way */
                  (conn->request.direct && fw__pending(conn->socket.fd));
    fw__request_reset(conn);
    fw__conn_wait(conn, FW_DEADLINE_NONE);
    if (conn->response.by == FW_BY_CORE || fw_buffer_len(&conn->in) || unread)
        linger(conn);
    else
        fw__conn_close(conn);
}

/* The program's own call has just looked at the clock; what waited for the socket is sent in a turn of the
 * loop, which has. */
static uint64_t responded_at(const fw_conn *conn)
{
    fw_worker *worker = conn->worker;
    return conn->state == FW_CONN_FLUSHING ? uv_now(&worker->loop) : worker->beat;
}

void fw__conn_responded(fw_conn *conn)
{
    if (conn->response.by <= FW_BY_FILES) {
        fw_tally *tally = conn->worker->tally;
        conn->worker->score->responses++;
        if (tally)
            fw__tally_responded(tally, conn->response.digit,
                                fw__since(conn->request.began, responded_at(conn)));
    }
    if (conn->request.access)
        fw__access_responded(conn->worker->access_log, conn->request.access, fw__conn_peer(conn));
    conn->request.access = NULL;
    if (conn->response.last) {
        last_response_sent(conn);
        return;
    }
    fw__request_reset(conn);
    fw__conn_wait(conn, FW_DEADLINE_NONE);
    if (!fw__conn_enter(conn, FW_CONN_IDLE))
        return;
    if (fw_buffer_len(&conn->in)) {
        fw__conn_queue(conn, FW_READY_PIPELINE);
    } else if (conn->socket.ended) {
        fw__conn_close(conn);
    } else {
        fw__conn_wait(conn, FW_DEADLINE_IDLE);
        fw__conn_listen(conn);
    }
}

/* ---- Reading --------------------------------------------------------------------------------------------- */

static bool reads_ahead(const fw_conn *conn)
{
    return with_application(conn->state) || conn->state == FW_CONN_FLUSHING ||
           (conn->ready & FW_READY_PIPELINE);
}

void fw__conn_finished(fw_conn *conn)
{
    conn->socket.ended = true;
    if (reads_ahead(conn))
        fw__conn_listen(conn); /* the response is still owed */
    else
        fw__conn_close_when_sent(conn); /* idle, or a request that stays incomplete */
}

/* Bytes of a later request, while the response to an earlier one is under way. */
static void read_ahead(fw_conn *conn, size_t len)
{
    conn->worker->score->bytes_in += len;
    if (fw_buffer_append(&conn->in, conn->worker->read_buffer, len))
        fw__conn_lost(conn);
    else
        fw__conn_listen(conn);
}

static void conn_readable(fw_conn *conn)
{
    fw_worker *worker = conn->worker;
    if (!waits_to_read(conn, false)) {
        if (conn->state == FW_CONN_CONTENT && !conn->socket.ended)
            fw__content_readable(conn);
        else
            fw__conn_listen(conn);
        return;
    }
    bool ahead = reads_ahead(conn);
    size_t room = ahead ? FW_AHEAD_MAX - fw_buffer_len(&conn->in) : FW_READ_SIZE;
    char *bytes = worker->read_buffer;
    if (conn->state == FW_CONN_CONTENT && !ahead)
        bytes = fw__content_room(conn->request.content, bytes, &room);
    ssize_t len = fw__recv(conn->socket.fd, bytes, room);
    if (len == FW_MORE) {
        if (conn->state == FW_CONN_IDLE && !fw_link_linked(&conn->deadline.link))
            fw__conn_wait(conn, FW_DEADLINE_IDLE);
        fw__conn_listen(conn);
    } else if (len < 0) {
        fw__conn_lost(conn);
    } else if (len == 0) {
        fw__conn_finished(conn);
    } else if (conn->state == FW_CONN_LINGERING) {
        return; /* thrown away */
    } else if (ahead) {
        read_ahead(conn, (size_t)len);
    } else {
        fw__request_bytes(conn, bytes, (size_t)len);
    }
}

/* Many clients that leave at one moment are closed a few in each turn, after the clients that have sent
 * a request. Until then the set need not report them. */
static bool leaves(fw_conn *conn, unsigned events)
{
    const unsigned unhurried =
        1u << FW_CONN_IDLE | 1u << FW_CONN_HEAD | 1u << FW_CONN_CONTENT | 1u << FW_CONN_LINGERING;
    if (!(events & (FW_POLL_END | FW_POLL_ERROR)) || conn->ready ||
        !(unhurried & 1u << conn->state))
        return false;
    listen_for(conn, 0);
    conn->ready = events & FW_POLL_ERROR ? FW_READY_LOST : FW_READY_READ;
    fw_list_append(&conn->worker->leaving, &conn->ready_link);
    return true;
}

void fw__conn_polled(fw_conn *conn, unsigned events)
{
    uint8_t ready = 0;
    if (leaves(conn, events))
        return;
    if (events & FW_POLL_ERROR)
        ready = FW_READY_LOST;
    if (events & conn->socket.polled & FW_POLL_READ)
        ready |= FW_READY_READ;
    if (events & conn->socket.polled & FW_POLL_WRITE) {
        if (waits_to_write(conn))
            ready |= FW_READY_WRITE;
        else /* the application is slow: the set must not report this in every turn */
            listen_for(conn, conn->socket.polled & ~FW_POLL_WRITE);
    }
    if (!ready)
        return;
    fw__conn_queue(conn, ready);
    if (!fw__batch_full(&conn->worker->batch))
        fw__conn_run_ready(conn);
}

void fw__conn_run_ready(fw_conn *conn)
{
    uint8_t ready = conn->ready;
    fw_link_remove(&conn->ready_link);
    conn->ready = 0; /* what is queued from here on is for the next time */
    if (ready & FW_READY_LOST) {
        fw__conn_lost(conn);
        return;
    }
    if (ready & FW_READY_PIPELINE) {
        /* First: read-ahead below would otherwise take these bytes for part of the same request. */
        fw__request_next(conn);
        if (conn->state == FW_CONN_CLOSED)
            return;
    }
    if (ready & FW_READY_WRITE) {
        fw__out_writable(conn);
        if (conn->state == FW_CONN_CLOSED)
            return;
    }
    if (ready & FW_READY_READ)
        conn_readable(conn);
}
