/* conn/left_content.c -- content that stays in the socket: until all of it is there, or until the application
 * reads it.
 * Owns:   content->place, and what settings.body_pool bounds.
 * Never:  lets one client's slowness hold up the worker, but for settings.unbuffered, where the application reads
 *         while the content comes.
 *
 * Reading in small pieces as they come costs a turn of the loop for each, and a copy. So content of a known
 * length stays in the kernel (FW_CONTENT_HELD), which is told to be quiet until the rest is there; then the
 * request is given out, and the application's own call copies the rest from the kernel to where it is wanted.
 * If the kernel has room for no more, or the client takes longer than FW_MARK_MS, the core reads after all,
 * into content->memory: as timeouts and rates ask for. */
#include "conn/conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "error.h"
#include "worker.h"

#define MARK_MAX (3u << 20) /* bytes; Linux' usual net.ipv4.tcp_rmem has room for no more */

static bool all_is_there(const fw_conn *conn)
{
    return fw__receivable(conn->socket.fd) >= conn->request.content->left;
}

static uint64_t length_of(const fw_content *content)
{
    return content->size + (uint64_t)content->left;
}

/* Whether a content may wait in memory, the kernel's or our own. */
static bool may_wait(const fw_content *content)
{
    const fw_settings *settings = content->spool->settings;
    uint64_t length = length_of(content);
    return !content->chunked && content->file < 0 && length > settings->memory_body &&
           length <= settings->body_memory;
}

static bool reserve(fw_content *content)
{
    if (!fw__spool_reserve(content->spool, length_of(content)))
        return false;
    content->reserved = length_of(content);
    return true;
}

/* From now on the application reads. Until it has read all, the connection ends with its response. */
static void give(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    content->place = FW_CONTENT_GIVEN;
    content->stays = conn->request.keep_alive;
    conn->request.keep_alive = false;
    conn->request.direct = true;
}

bool fw__content_give(fw_conn *conn, bool expected)
{
    fw_content *content = conn->request.content;
    if (content->file >= 0)
        return false;
    if (conn->worker->settings.unbuffered) {
        content->expected = expected;
        content->window = content->paused = fw_now();
    } else if (!may_wait(content) || content->left > (int64_t)MARK_MAX || !all_is_there(conn) ||
               !reserve(content)) {
        return false;
    }
    give(conn);
    return true;
}

/* ---- While it comes ------------------------------------------------------------------------------------ */

static void mark(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    if (content->left <= (int64_t)MARK_MAX)
        content->marked = fw__low_water(conn->socket.fd, (size_t)content->left);
}

void fw__content_unmark(fw_conn *conn)
{
    if (conn->request.content->marked)
        (void)fw__low_water(conn->socket.fd, 1);
    conn->request.content->marked = false;
}

void fw__content_hold(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    if (fw__block_begin(conn) || !may_wait(content) || !reserve(content))
        return;
    content->place = FW_CONTENT_HELD;
    mark(conn);
    if (content->marked)
        fw__conn_wait(conn, FW_DEADLINE_MARK);
}

/* The whole content is in content->memory and in the kernel. */
static void complete(fw_conn *conn)
{
    fw__content_unmark(conn);
    give(conn);
    fw__request_whole(conn);
}

void fw__content_count(fw_conn *conn, int64_t came)
{
    fw_content *content = conn->request.content;
    content->size += (uint64_t)came;
    content->left -= came;
    conn->worker->score->bytes_in += (uint64_t)came;
}

bool fw__content_given_up(fw_conn *conn, int64_t came)
{
    fw_content *content = conn->request.content;
    if (came == 0)
        fw__conn_finished(conn);
    else if (came < 0 && came != FW_MORE)
        fw__conn_lost(conn);
    else if (content->left > 0 && fw__content_slow(content, uv_now(&conn->worker->loop)))
        fw__request_refuse(conn, FW_ETIMEOUT_CONTENT,
                           (fw_slice){fw_buffer_at(&conn->in), fw_buffer_len(&conn->in)});
    else
        return false;
    return true;
}

/* FW_MORE, 0: the client sends no more, FW_EGONE, or how many bytes came. */
static int64_t read_to_memory(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    size_t left = (size_t)content->left;
    char *room = fw_buffer_reserve(&content->memory, left);
    if (!room)
        return FW_EGONE;
    int64_t came = fw__recv(conn->socket.fd, room, left);
    if (came > 0) {
        content->memory.end += (size_t)came;
        fw__content_count(conn, came);
    }
    return came;
}

void fw__content_readable(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    if (content->block || content->waiting) {
        fw__block_readable(conn);
        return;
    }
    if (content->left <= (int64_t)MARK_MAX && all_is_there(conn)) {
        complete(conn);
        return;
    }
    int64_t came = read_to_memory(conn);
    if (fw__content_given_up(conn, came))
        return;
    if (content->left == 0)
        complete(conn);
    else if (content->marked)
        mark(conn); /* for the rest */
    else if (came > 0)
        fw__conn_wait(conn, FW_DEADLINE_CONTENT);
}

/* The client is slow: what it sends is read as it comes. */
void fw__content_late(fw_conn *conn)
{
    fw__content_unmark(conn);
    if (conn->request.content->block || conn->request.content->waiting)
        fw__block_late(conn);
    fw__conn_wait(conn, FW_DEADLINE_CONTENT);
    fw__conn_queue(conn, FW_READY_READ);
}

/* ---- The application reads ------------------------------------------------------------------------------- */

static int64_t take_from_memory(fw_content *content, char *room, size_t size)
{
    size_t len = fw_buffer_len(&content->memory);
    if (len > size)
        len = size;
    if (len) {
        memcpy(room, fw_buffer_at(&content->memory), len);
        fw_buffer_consume(&content->memory, len);
    }
    return (int64_t)len;
}

/* What the bytes in room hold of a chunked content; behind its end the next request may begin. 0: nothing yet. */
static int64_t decode(fw_conn *conn, char *room, size_t len)
{
    fw_content *content = conn->request.content;
    size_t decoded = len;
    int64_t behind = fw_decode_chunked(&content->decoder, room, &decoded);
    if (behind == FW_MORE)
        return (int64_t)decoded;
    if (behind < 0)
        return behind;
    content->ended = true;
    if (fw_buffer_append(&conn->in, room + len - behind, (size_t)behind))
        return FW_EGONE;
    return (int64_t)decoded;
}

/* ms that poll() may take. A wait that a signal has cut short goes on: it gives the client no more time. */
static int time_left(fw_content *content)
{
    uint64_t most = content->spool->settings->body_timeout, now = fw_now();
    if (most == 0)
        return -1;
    if (content->waits_since == 0)
        content->waits_since = now;
    uint64_t waited = now - content->waits_since;
    if (waited >= most)
        return 0;
    return most - waited > INT32_MAX ? INT32_MAX : (int)(most - waited);
}

/* Waits for bytes of the client; 0, FW_MORE: a signal came, or FW_ETIMEOUT_CONTENT. */
static int wait_for_bytes(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    struct pollfd one = {.fd = conn->socket.fd, .events = POLLIN};
    if (fw__out_flush(conn, false)) /* the client may want an earlier response before it sends */
        return FW_EGONE;
    int count = poll(&one, 1, time_left(content));
    fw__beat(conn->worker);
    if (count < 0)
        return errno == EINTR ? FW_MORE : FW_EGONE;
    content->waits_since = 0;
    content->drained = false;
    return count ? 0 : FW_ETIMEOUT_CONTENT;
}

static void finish_if_read(fw_conn *conn)
{
    const fw_content *content = conn->request.content;
    if (fw_buffer_len(&content->memory) || (content->chunked ? !content->ended : content->left > 0))
        return;
    conn->request.keep_alive = content->stays;
    fw__request_drop_content(conn);
    if (conn->state == FW_CONN_STREAMING)
        fw__conn_listen(conn);
}

/* RFC 9110 10.1.1: 100 Continue cannot follow the response that it announces. */
static bool encourage(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    bool due = content->expected && conn->state == FW_CONN_DISPATCHED;
    content->expected = false;
    return !due || fw__request_continue(conn);
}

/* Bytes of the content from the socket, FW_MORE: there are none now, or an error. */
static int64_t read_from_socket(fw_conn *conn, char *room, size_t size)
{
    fw_content *content = conn->request.content;
    if (content->chunked && size > FW_READ_SIZE)
        size = FW_READ_SIZE; /* what stands behind the content is kept in conn->in */
    if (!content->chunked && (uint64_t)content->left < size)
        size = (size_t)content->left;
    int64_t came = fw__recv(conn->socket.fd, room, size);
    if (came <= 0)
        return came == 0 ? FW_EGONE : came;
    conn->worker->score->bytes_in += (uint64_t)came;
    content->waits_since = 0;
    content->drained = (size_t)came < size;
    if (content->chunked)
        came = decode(conn, room, (size_t)came);
    else
        content->left -= came;
    if (came > 0)
        content->size += (uint64_t)came;
    if (content->size > conn->worker->settings.max_body_size)
        return FW_ECONTENT_TOO_LARGE;
    return came;
}

/* The time in which the application did not read does not count as the client's. */
static int64_t read_coming(fw_conn *conn, char *room, size_t size)
{
    fw_content *content = conn->request.content;
    int64_t came = encourage(conn) ? 0 : FW_EGONE;
    content->window += fw_now() - content->paused;
    while (came == 0 && !content->ended) {
        came = content->drained ? FW_MORE : read_from_socket(conn, room, size);
        if (came == FW_MORE && (came = wait_for_bytes(conn)) == 0 &&
            fw__content_slow(content, fw_now()))
            came = FW_ETIMEOUT_CONTENT;
    }
    content->paused = fw_now();
    return came;
}

static int64_t read_unread(fw_conn *conn, char *room, size_t size)
{
    int64_t got = 0, came = 0;
    while ((size_t)got < size &&
           (came = read_from_socket(conn, room + got, size - (size_t)got)) > 0)
        got += came;
    return came < 0 ? FW_EGONE : got; /* it was there */
}

/* The client hears why, unless it is hearing a response already. */
static void fail(fw_conn *conn, int code)
{
    if (conn->state == FW_CONN_DISPATCHED)
        fw__request_refuse(conn, code, (fw_slice){NULL, 0});
    else
        fw__conn_cut(conn);
}

int64_t fw_read_content(fw_worker *worker, int64_t connection, char *room, size_t size)
{
    fw_conn *conn;
    int code = fw__find_given(worker, connection, &conn);
    fw_content *content = code ? NULL : conn->request.content;
    if (!content)
        return code;
    if (content->place != FW_CONTENT_GIVEN)
        return FW_ESTATE;
    int64_t got = take_from_memory(content, room, size);
    if (!worker->settings.unbuffered && (size_t)got < size && content->left) {
        int64_t more = read_unread(conn, room + got, size - (size_t)got);
        got = more < 0 ? more : got + more;
    } else if (got == 0) {
        got = read_coming(conn, room, size);
    }
    if (got >= 0) {
        finish_if_read(conn);
    } else if (got == FW_EGONE) {
        fw__conn_close(conn);
    } else if (got != FW_MORE) {
        fail(conn, (int)got);
    }
    return got;
}
