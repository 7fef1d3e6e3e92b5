/* conn/outgoing.c -- bytes to the socket, and what to do when it takes no more.
 * Owns:   conn->out, the bytes that go before anything else.
 * Never:  blocks, decides what comes after the last byte. */
#include "conn/conn.h"

#include "error.h"
#include "worker.h"

#define COPY_MAX 4096 /* bytes cheaper to copy behind what waits than to name apart */

int fw__out_keep(fw_conn *conn, const void *bytes, size_t len)
{
    int code = fw_buffer_append(&conn->out, bytes, len);
    if (code == 0 && conn->request.access)
        fw__access_sent(conn->request.access, len);
    return code;
}

static int64_t out_send_pieces(fw_conn *conn, const struct iovec *pieces, int count)
{
    ssize_t sent = fw__send(conn->socket.fd, pieces, count, false);
    if (sent == FW_MORE)
        return 0;
    if (sent > 0)
        conn->worker->score->bytes_out += (uint64_t)sent;
    return sent;
}

/* Little behind what waits is put there too: one send() costs the kernel less than the same bytes in two
 * places. What it does not take is taken off again, because it stays with the caller. */
static int64_t out_send_copied(fw_conn *conn, const struct iovec *pieces, int count, size_t waiting)
{
    for (int i = 0; i < count; i++)
        (void)fw_buffer_append(&conn->out, pieces[i].iov_base, pieces[i].iov_len);
    size_t total = fw_buffer_len(&conn->out);
    struct iovec all = {fw_buffer_at(&conn->out), total};
    int64_t sent = out_send_pieces(conn, &all, 1);
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    conn->out.end -= total - (taken > waiting ? taken : waiting);
    fw_buffer_consume(&conn->out, taken);
    if (taken < total)
        fw_buffer_fit(&conn->out); /* a slow client's may last */
    if (sent < 0)
        return sent;
    return taken > waiting ? (int64_t)(taken - waiting) : 0;
}

static int64_t out_send_all(fw_conn *conn, const struct iovec *pieces, int count)
{
    size_t waiting = fw_buffer_len(&conn->out);
    conn->out_held = false;
    if (waiting == 0)
        return count ? out_send_pieces(conn, pieces, count) : 0;
    struct iovec all[4];
    size_t added = 0;
    all[0].iov_base = fw_buffer_at(&conn->out);
    all[0].iov_len = waiting;
    for (int i = 0; i < count; i++) {
        all[i + 1] = pieces[i];
        added += pieces[i].iov_len;
    }
    if (added > 0 && added <= COPY_MAX && fw_buffer_reserve(&conn->out, added))
        return out_send_copied(conn, pieces, count, waiting);
    int64_t sent = out_send_pieces(conn, all, count + 1);
    if (sent <= 0)
        return sent;
    size_t from_out = (size_t)sent < waiting ? (size_t)sent : waiting;
    fw_buffer_consume(&conn->out, from_out);
    return sent - (int64_t)from_out;
}

int64_t fw__out_send(fw_conn *conn, const struct iovec *pieces, int count)
{
    int64_t sent = out_send_all(conn, pieces, count);
    if (sent > 0 && conn->request.access)
        fw__access_sent(conn->request.access, (size_t)sent);
    return sent;
}

int fw__out_flush(fw_conn *conn, bool more)
{
    size_t waiting = fw_buffer_len(&conn->out);
    conn->out_held = false;
    if (waiting == 0)
        return 0;
    struct iovec piece = {fw_buffer_at(&conn->out), waiting};
    ssize_t sent = fw__send(conn->socket.fd, &piece, 1, more);
    if (sent > 0) {
        conn->worker->score->bytes_out += (uint64_t)sent;
        fw_buffer_consume(&conn->out, (size_t)sent);
    }
    return sent == FW_EGONE ? FW_EGONE : 0;
}

/* What follows when nothing waits in out any more. */
static void out_drained(fw_conn *conn)
{
    if (conn->state == FW_CONN_FLUSHING) {
        if (conn->request.sending)
            fw__static_go_on(conn);
        else
            fw__conn_responded(conn);
        return;
    }
    if (conn->state == FW_CONN_STREAMING)
        fw__conn_wait(conn, FW_DEADLINE_NONE);
    if (conn->response.wants_writable) {
        conn->response.wants_writable = false;
        fw__batch_event(&conn->worker->batch, FW_WRITABLE, conn->id);
    }
    fw__conn_listen(conn);
}

void fw__out_writable(fw_conn *conn)
{
    size_t before = fw_buffer_len(&conn->out);
    if (fw__out_send(conn, NULL, 0) < 0) {
        fw__conn_lost(conn);
        return;
    }
    size_t after = fw_buffer_len(&conn->out);
    if (after == 0) {
        out_drained(conn);
    } else {
        if (after < before && (conn->state == FW_CONN_FLUSHING || conn->state == FW_CONN_STREAMING))
            fw__conn_wait_to_send(conn);
        fw__conn_listen(conn);
    }
}
