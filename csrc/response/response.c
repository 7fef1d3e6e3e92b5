/* response/response.c -- the public calls with which an application's response comes in.
 * Owns:   conn->response, from its head to its end.
 * Never:  blocks, keeps more than FW_HELD_MAX bytes of a response: what the kernel does not take of a
 *         large content stays with the caller. */
#include "response/response.h"

#define CROWD 64      /* requests in hand; beyond that large responses are bounded */
#define COPY_MAX 4096 /* bytes of content cheaper to copy behind the head than to writev */
#define BULK_MIN 4096 /* bytes of a piece of a stream; about three segments on Ethernet */
#define CHUNK_LINE_MAX (2 * sizeof(size_t) + 2) /* hexadecimal digits, CR LF */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conn/last_requests.h"
#include "error.h"
#include "worker.h"

int fw__response_find(fw_worker *worker, int64_t id, fw_conn_state state, fw_conn **found)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    fw_conn *conn = fw__table_find(&worker->table, id);
    if (!conn)
        return FW_EGONE;
    if (conn->state != state) /* the core has responded when the content went wrong: it is over */
        return conn->response.by == FW_BY_CORE ? FW_EGONE : FW_ESTATE;
    fw__beat(worker);
    *found = conn;
    return 0;
}

int64_t fw__response_lost(fw_conn *conn)
{
    fw__conn_close(conn);
    return FW_EGONE;
}

/* The last byte of the response is in out or with the kernel. */
static void response_complete(fw_conn *conn)
{
    if (fw_buffer_len(&conn->out) == 0) {
        fw__conn_responded(conn);
        return;
    }
    if (!fw__conn_enter(conn, FW_CONN_FLUSHING))
        return;
    fw__conn_wait_to_send(conn);
    fw__conn_listen(conn);
}

/* A pipelining client gets several responses in one write: while another whole request waits, this
 * response is held back. */
static bool response_hold(fw_conn *conn, const struct iovec *pieces, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += pieces[i].iov_len;
    if (conn->response.last || fw_buffer_len(&conn->out) + total > FW_HELD_MAX ||
        !fw__request_waits(conn))
        return false;
    if (!fw_buffer_reserve(&conn->out, total))
        return false; /* before the first of them is kept: all or nothing */
    for (int i = 0; i < count; i++)
        (void)fw__out_keep(conn, pieces[i].iov_base, pieces[i].iov_len);
    conn->out_held = true;
    return true;
}

/* Slow readers must not fill the kernel's memory, which all sockets of the machine share: a few may
 * have its large buffers, which are faster; many may not. */
static void response_bound(fw_conn *conn)
{
    if (conn->socket.bounded || conn->worker->in_flight <= CROWD)
        return;
    conn->socket.bounded = true;
    fw__bound_unsent(conn->socket.fd);
}

/* Sends head and content; what the kernel leaves is kept if it is little. Returns the bytes of
 * content that stay with the caller. */
static int64_t response_send(fw_conn *conn, struct iovec *pieces, int count)
{
    int64_t sent = fw__out_send(conn, pieces, count);
    if (sent < 0)
        return sent;
    size_t taken = (size_t)sent;
    for (int i = 0; i < count; i++) {
        size_t used = taken < pieces[i].iov_len ? taken : pieces[i].iov_len;
        const char *rest = (const char *)pieces[i].iov_base + used;
        size_t rest_len = pieces[i].iov_len - used;
        taken -= used;
        if (rest_len == 0)
            continue;
        if (i > 0 && rest_len > FW_HELD_MAX)
            return (int64_t)rest_len;
        if (fw__out_keep(conn, rest, rest_len))
            return FW_EGONE;
    }
    return 0;
}

static int64_t respond_sized(fw_conn *conn, const char *content, size_t size)
{
    fw_buffer *scratch = &conn->worker->scratch;
    struct iovec pieces[2];
    int count = 1;
    if (size > 0 && size <= COPY_MAX && fw_buffer_append(scratch, content, size) == 0)
        size = 0;
    pieces[0].iov_base = fw_buffer_at(scratch);
    pieces[0].iov_len = fw_buffer_len(scratch);
    if (size) {
        pieces[1].iov_base = (void *)(uintptr_t)content;
        pieces[1].iov_len = size;
        count = 2;
    }
    if (fw_buffer_len(&conn->in) && response_hold(conn, pieces, count)) {
        fw__conn_responded(conn);
        return 0;
    }
    if (size > FW_HELD_MAX)
        response_bound(conn);
    int64_t rest = response_send(conn, pieces, count);
    if (rest < 0)
        return fw__response_lost(conn);
    if (rest == 0) {
        response_complete(conn);
        return 0;
    }
    conn->response.framing = FW_FRAME_LENGTH;
    conn->response.left = (uint64_t)rest;
    conn->response.wants_writable = true;
    if (!fw__conn_enter(conn, FW_CONN_STREAMING))
        return FW_EGONE;
    fw__conn_wait_to_send(conn);
    fw__conn_listen(conn);
    return rest;
}

_Static_assert(FW_METHOD_KEPT <= FW_LAST_METHOD, "a method has room");

/* For whoever wants to know why this worker died. line: what the scoreboard shows. */
static void remember(fw_conn *conn, const fw_given_line *line, const char *status, uint64_t ms)
{
    fw_worker *worker = conn->worker;
    fw_last_request *made = fw__last_new(worker->last, conn->id, status, ms);
    if (line->target_len < FW_REQUEST_LINE - 1 - FW_METHOD_KEPT - 1)
        fw__last_shown(made, worker->score->request_line, worker->batch.shown);
    else /* it may be cut there */
        fw__last_line(made, (fw_slice){line->method, line->method_len},
                      (fw_slice){worker->batch.text + line->target, line->target_len});
}

static void line_responded(fw_conn *conn, const char *status)
{
    fw_worker *worker = conn->worker;
    const fw_given_line *line = fw__request_line_of(&worker->batch, worker->score, conn->id);
    if (!line)
        return; /* the response of a stream of an earlier batch: it has no line here */
    if (worker->last)
        remember(conn, line, status, fw__since(conn->request.began, worker->beat));
    fw__request_line_responded(&worker->batch, worker->score);
}

static void line_begun(fw_conn *conn, const char *status)
{
    fw_worker *worker = conn->worker;
    const fw_given_line *line = fw__request_line_of(&worker->batch, worker->score, conn->id);
    if (!line)
        return;
    if (worker->last) {
        conn->request.place = (uint8_t)(worker->last->count % FW_LAST_REQUESTS);
        remember(conn, line, status, FW_LAST_GOES_ON);
    }
    fw__request_line_begun(&worker->batch, worker->score);
}

/* What was cut off counts as not taken while something else is not taken either, because the caller
 * keeps the last bytes of what it gave. It is noted at the end. */
static int64_t add_excess(int64_t rest, int64_t excess, int64_t notes)
{
    if (rest < 0)
        return rest;
    if (rest)
        return (rest + excess) | notes;
    return excess ? notes | FW_NOTE_EXCESS : notes;
}

int64_t fw_respond(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                   size_t field_count, const char *content, size_t content_size)
{
    fw_conn *conn;
    fw_response_head response = {.sized = true, .content_size = content_size};
    int64_t excess = 0;
    int code = fw__response_find(worker, connection, FW_CONN_DISPATCHED, &conn);
    if (code == 0)
        code = fw__head_build(conn, head, head_size, field_count, &response);
    if (code)
        return code;
    if (response.framing == FW_FRAME_NONE) {
        content_size = 0;
    } else if (response.declared >= 0) {
        if (content_size > (uint64_t)response.declared) {
            excess = (int64_t)content_size - response.declared;
            content_size = (size_t)response.declared;
        } else if (content_size < (uint64_t)response.declared) {
            response.notes |= FW_NOTE_SHORT;
            if (conn->request.access)
                fw__access_cut(conn->request.access, 0);
        }
    }
    line_responded(conn, head);
    return add_excess(respond_sized(conn, content, content_size), excess, response.notes);
}

static int64_t begin(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                     size_t field_count, fw_response_head response)
{
    fw_conn *conn;
    int code = fw__response_find(worker, connection, FW_CONN_DISPATCHED, &conn);
    if (code == 0)
        code = fw__head_build(conn, head, head_size, field_count, &response);
    if (code == 0)
        code = fw__out_keep(conn, fw_buffer_at(&worker->scratch), fw_buffer_len(&worker->scratch));
    if (code)
        return code;
    line_begun(conn, head);
    response_bound(conn);
    conn->out_held = true; /* the head waits for the first piece */
    conn->response.framing = response.framing;
    conn->response.left = 0;
    if (response.framing == FW_FRAME_LENGTH)
        conn->response.left =
            response.declared >= 0 ? (uint64_t)response.declared : response.content_size;
    if (!fw__conn_enter(conn, FW_CONN_STREAMING))
        return FW_EGONE;
    fw__conn_listen(conn); /* from here on it is noticed when the client leaves */
    return response.framing == FW_FRAME_NONE ? response.notes | FW_NOTE_NO_CONTENT : response.notes;
}

int64_t fw_begin(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                 size_t field_count)
{
    fw_response_head response = {.sized = false};
    return begin(worker, connection, head, head_size, field_count, response);
}

int64_t fw_begin_sized(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                       size_t field_count, uint64_t content_size)
{
    fw_response_head response = {.sized = true, .content_size = content_size};
    return begin(worker, connection, head, head_size, field_count, response);
}

int64_t fw__response_wait(fw_conn *conn, uint64_t rest)
{
    if (rest)
        conn->response.wants_writable = true;
    if (rest || fw_buffer_len(&conn->out))
        fw__conn_wait_to_send(conn);
    fw__conn_listen(conn);
    return (int64_t)rest;
}

static int64_t send_plain(fw_conn *conn, const char *piece, size_t size)
{
    struct iovec data = {(void *)(uintptr_t)piece, size};
    int64_t sent = fw__out_send(conn, &data, 1);
    if (sent < 0)
        return fw__response_lost(conn);
    if (conn->response.framing == FW_FRAME_LENGTH)
        conn->response.left -= (uint64_t)sent;
    return fw__response_wait(conn, size - (size_t)sent);
}

/* chunk-size CRLF (RFC 9112 7.1), right-aligned in line; where it begins. snprintf() takes a fifth
 * of the time that a piece of a stream takes. */
static const char *chunk_line(char line[CHUNK_LINE_MAX], size_t size)
{
    char *at = line + CHUNK_LINE_MAX;
    *--at = '\n';
    *--at = '\r';
    do
        *--at = "0123456789abcdef"[size & 15];
    while (size >>= 4);
    return at;
}

/* One chunk (RFC 9112 7.1), or the rest of one. Its size line goes out ahead of it. */
static int64_t send_one_chunk(fw_conn *conn, const char *piece, size_t size)
{
    if (conn->response.left == 0) {
        char line[CHUNK_LINE_MAX];
        const char *start = chunk_line(line, size);
        if (fw__out_keep(conn, start, (size_t)(line + sizeof line - start)))
            return fw__response_lost(conn);
        conn->response.left = size;
    }
    static const char crlf[2] = {'\r', '\n'};
    bool whole = size == conn->response.left;
    struct iovec pieces[2] = {{(void *)(uintptr_t)piece, size}, {(void *)(uintptr_t)crlf, 2}};
    int64_t sent = fw__out_send(conn, pieces, whole ? 2 : 1);
    if (sent < 0)
        return fw__response_lost(conn);
    size_t taken = (size_t)sent < size ? (size_t)sent : size;
    size_t of_crlf = (size_t)sent - taken;
    conn->response.left -= taken;
    if (whole && taken == size && of_crlf < 2 && fw__out_keep(conn, crlf + of_crlf, 2 - of_crlf))
        return fw__response_lost(conn);
    return fw__response_wait(conn, size - taken);
}

static int64_t send_chunk(fw_conn *conn, const char *piece, size_t size)
{
    size_t first = size;
    if (conn->response.left && size > conn->response.left)
        first = (size_t)conn->response.left; /* the rest of a chunk, and something new behind it */
    int64_t rest = send_one_chunk(conn, piece, first);
    if (rest || first == size)
        return rest < 0 ? rest : rest + (int64_t)(size - first);
    return send_one_chunk(conn, piece + first, size - first);
}

/* Large pieces need not each have a segment of their own: the kernel sends full ones at once and what
 * is over with the next piece, or when the client has confirmed the former. A small piece may be an
 * event that the client waits for. A unix socket cannot be told; it is not asked again for each piece. */
static void choose_segments(fw_conn *conn, bool bulk)
{
    if (conn->socket.joins == bulk)
        return;
    conn->socket.joins = bulk;
    (void)fw__join_pieces(conn->socket.fd, bulk);
}

int64_t fw_send(fw_worker *worker, int64_t connection, const char *piece, size_t piece_size)
{
    fw_conn *conn;
    int64_t excess = 0;
    int code = fw__response_find(worker, connection, FW_CONN_STREAMING, &conn);
    if (code)
        return code;
    if (conn->response.framing == FW_FRAME_NONE)
        return FW_NOTE_NO_CONTENT;
    if (conn->response.framing == FW_FRAME_LENGTH && piece_size > conn->response.left) {
        excess = (int64_t)(piece_size - conn->response.left);
        piece_size = (size_t)conn->response.left;
    }
    if (piece_size == 0)
        return add_excess(0, excess, 0);
    choose_segments(conn, piece_size >= BULK_MIN);
    int64_t rest = conn->response.framing == FW_FRAME_CHUNKED ? send_chunk(conn, piece, piece_size)
                                                              : send_plain(conn, piece, piece_size);
    return add_excess(rest, excess, 0);
}

int64_t fw_end(fw_worker *worker, int64_t connection)
{
    fw_conn *conn;
    int64_t notes = 0;
    int code = fw__response_find(worker, connection, FW_CONN_STREAMING, &conn);
    if (code)
        return code;
    if (conn->response.framing == FW_FRAME_CHUNKED) {
        if (conn->response.left)
            return FW_ESTATE;
        if (fw__out_keep(conn, "0\r\n\r\n", 5))
            return fw__response_lost(conn);
    } else if (conn->response.framing == FW_FRAME_LENGTH && conn->response.left) {
        notes = FW_NOTE_SHORT;
        if (conn->request.access)
            fw__access_cut(conn->request.access, 0);
        conn->response.last = true;
    }
    if (worker->last)
        fw__last_ended(worker->last, conn->request.place, conn->id,
                       fw__since(conn->request.began, worker->beat));
    conn->response.wants_writable = false;
    if (fw__out_send(conn, NULL, 0) < 0)
        return fw__response_lost(conn);
    choose_segments(conn, false); /* which sends what is over */
    response_complete(conn);
    return notes;
}

int64_t fw_inform(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                  size_t field_count)
{
    fw_conn *conn;
    int code = fw__response_find(worker, connection, FW_CONN_DISPATCHED, &conn);
    if (code == 0)
        code = fw__head_inform(conn, head, head_size, field_count);
    if (code || !conn->request.minor)
        return code;
    if (conn->request.access)
        fw__access_interim(conn->request.access, fw_buffer_len(&worker->scratch));
    if (fw__out_keep(conn, fw_buffer_at(&worker->scratch), fw_buffer_len(&worker->scratch)) ||
        fw__out_flush(conn, false))
        return fw__response_lost(conn);
    return 0;
}

int fw_abort(fw_worker *worker, int64_t connection)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    fw_conn *conn = fw__table_find(&worker->table, connection);
    if (!conn)
        return FW_EGONE;
    if (conn->request.access)
        fw__access_cut(conn->request.access, 500); /* the client did not leave, it was left */
    fw__conn_cut(conn);
    return 0;
}

int fw_take_content(fw_worker *worker, int64_t connection)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    fw_conn *conn = fw__table_find(&worker->table, connection);
    if (!conn)
        return FW_EGONE;
    fw_content *content = conn->request.content;
    if (!content || content->file < 0)
        return FW_ESTATE;
    int fd = content->file;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return FW_ESYSTEM;
    content->file = -1; /* its bytes count until the request has its response */
    return fd;
}
