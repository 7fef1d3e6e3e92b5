/* conn/request.c -- bytes of a client become a request that the application gets.
 * Owns:   the way from FW_CONN_IDLE over HEAD and CONTENT to DISPATCHED.
 * Never:  reads from the socket. Runs only while the batch has room (fw__batch_full()). */
#include "conn/conn.h"

#include <netinet/in.h>
#include <string.h>

#include "error.h"
#include "http/proxy.h"
#include "worker.h"

/* Where the bytes in hand stand. Used up from the front; the rest ends in conn->in. */
typedef struct {
    char *at;
    size_t len;
    bool in_buffer; /* they stand in conn->in already */
} incoming;

static fw_slice slice_of(const incoming *bytes)
{
    fw_slice slice = {bytes->at, bytes->len};
    return slice;
}

static fw_slice first_of(const incoming *bytes, size_t len)
{
    fw_slice slice = {bytes->at, len};
    return slice;
}

static bool keep_rest(fw_conn *conn, const incoming *bytes, size_t used)
{
    if (bytes->in_buffer)
        fw_buffer_consume(&conn->in, used);
    else if (fw_buffer_append(&conn->in, bytes->at + used, bytes->len - used))
        return false;
    return true;
}

void fw__request_let_go(fw_conn *conn)
{
    if (conn->request.content && fw__content_let_go(conn->request.content))
        conn->worker->accepting.made_room = true; /* a descriptor */
}

void fw__request_drop_content(fw_conn *conn)
{
    if (!conn->request.content)
        return;
    fw__request_let_go(conn);
    fw__content_free(conn->request.content);
    conn->request.content = NULL;
}

void fw__request_reset(fw_conn *conn)
{
    fw__request_drop_content(conn);
    if (conn->request.kept_head)
        fw__kept_head_free(conn);
    memset(&conn->request, 0, sizeof conn->request);
}

static int place_of(const fw_conn *conn, const fw_content *content)
{
    if (content->place == FW_CONTENT_GIVEN)
        return conn->worker->settings.unbuffered ? FW_COMING : FW_UNREAD;
    if (content->block)
        return FW_POOLED;
    return content->file >= 0 ? FW_SPOOLED : 0;
}

static void give_out(fw_conn *conn, const fw_head *head)
{
    fw_worker *worker = conn->worker;
    const fw_content *content = conn->request.content;
    fw_given given = {.connection = conn->id,
                      .listener = conn->listener->number,
                      .nameless = conn->proxy == FW_PROXY_NAMELESS,
                      .peer = fw__conn_peer(conn)};
    if (worker->names)
        worker->batch.name = fw__request_named(conn, NULL);
    if (content) {
        given.elsewhere = place_of(conn, content);
        given.content_size = content->size;
        given.content.at = fw_buffer_at(&content->memory);
        given.content.len = fw_buffer_len(&content->memory);
    }
    fw__batch_request(&worker->batch, &worker->shapes, &given, head);
    if (content && !given.elsewhere)
        fw__request_drop_content(conn);
}

static void dispatch(fw_conn *conn, const fw_head *head, fw_slice received)
{
    fw__conn_wait(conn, FW_DEADLINE_NONE);
    if (conn->worker->keep_heads)
        fw__kept_head_set(conn, received);
    if (!fw__conn_enter(conn, FW_CONN_DISPATCHED))
        return;
    fw__response_reset(conn, FW_BY_APPLICATION);
    conn->worker->score->requests++;
    conn->request.began = uv_now(&conn->worker->loop);
    give_out(conn, head);
}

static void note_request(fw_conn *conn, const fw_head *head, bool logged)
{
    conn->request.minor = head->minor != 0;
    conn->request.keep_alive = head->keep_alive;
    conn->request.is_head = head->method.len == 4 && memcmp(head->method.at, "HEAD", 4) == 0;
    if (conn->worker->access_log && logged)
        conn->request.access = fw__access_request(conn->worker->access_log, head);
    if (conn->worker->names)
        (void)fw__request_name_noted(conn, head);
}

/* RFC 9110 10.1.1: said when the content is going to be read and has not begun to come. */
bool fw__request_continue(fw_conn *conn)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (conn->request.access)
        fw__access_interim(conn->request.access, sizeof text - 1);
    if (fw__out_keep(conn, text, sizeof text - 1))
        return false;
    return fw__out_send(conn, NULL, 0) >= 0;
}

/* The head is kept in conn->in while the content comes: its slices are needed when it is whole. */
static void wait_for_content(fw_conn *conn, const incoming *bytes, size_t head_len, bool expected)
{
    if (bytes->in_buffer) {
        conn->in.end = conn->in.start + head_len;
        fw_buffer_fit(&conn->in);
    } else if (fw_buffer_append(&conn->in, bytes->at, head_len)) {
        fw__conn_lost(conn);
        return;
    }
    if (!fw__conn_enter(conn, FW_CONN_CONTENT))
        return;
    fw__conn_wait(conn, FW_DEADLINE_CONTENT);
    if (expected && !fw__request_continue(conn)) {
        fw__conn_lost(conn);
        return;
    }
    fw__content_hold(conn);
    fw__conn_listen(conn);
}

static void begin_content(fw_conn *conn, const fw_head *head, const incoming *bytes,
                          size_t head_len)
{
    fw_worker *worker = conn->worker;
    if (head->content_length > 0 &&
        (uint64_t)head->content_length > worker->settings.max_body_size) {
        fw__request_refuse(conn, FW_ECONTENT_TOO_LARGE, slice_of(bytes));
        return;
    }
    conn->request.content = fw__content_new(&worker->spool, head, uv_now(&worker->loop));
    if (!conn->request.content) {
        fw__conn_lost(conn);
        return;
    }
    size_t used = bytes->len - head_len;
    bool expected = head->expect_continue && used == 0;
    int code = fw__content_take(conn->request.content, bytes->at + head_len, &used);
    if (code == FW_MORE && !fw__content_give(conn, expected)) {
        wait_for_content(conn, bytes, head_len, expected);
    } else if (code && code != FW_MORE) {
        fw__request_refuse(conn, code, slice_of(bytes));
    } else {
        dispatch(conn, head, first_of(bytes, head_len));
        if (!keep_rest(conn, bytes, head_len + used))
            fw__conn_lost(conn);
    }
}

/* A refused request is not parsed to its end, but a response to HEAD must not have content. */
static bool begins_with_head(const incoming *bytes)
{
    size_t skip = bytes->len >= 2 && bytes->at[0] == '\r' && bytes->at[1] == '\n' ? 2 : 0;
    return bytes->len - skip >= 5 && memcmp(bytes->at + skip, "HEAD ", 5) == 0;
}

static void wait_for_head(fw_conn *conn, const incoming *bytes)
{
    if (!bytes->in_buffer && fw_buffer_append(&conn->in, bytes->at, bytes->len)) {
        fw__conn_lost(conn);
        return;
    }
    conn->request.seen = bytes->len;
    conn->request.is_head = begins_with_head(bytes); /* in case that it gets no further */
    if (bytes->in_buffer)
        fw_buffer_fit(
            &conn->in); /* it grew for many requests; the rest of this one may come late */
    if (conn->state == FW_CONN_IDLE && fw__conn_enter(conn, FW_CONN_HEAD))
        fw__conn_wait(conn, FW_DEADLINE_HEAD);
    fw__conn_listen(conn);
}

/* ---- May clients be sent here? ------------------------------------------------------------------- */

/* Other methods, and requests with content, are the application's. */
static bool asks_for_readiness(const fw_worker *worker, const fw_head *head)
{
    return fw_slice_equals(head->path, worker->settings.ready_path, worker->ready_len) &&
           (fw_slice_equals(head->method, "GET", 3) || fw_slice_equals(head->method, "HEAD", 4)) &&
           !fw_head_has_content(head);
}

/* What follows the head is kept first: once the response is sent, it is looked at. */
static void answer_readiness(fw_conn *conn, const fw_head *head, const incoming *bytes,
                             size_t head_len)
{
    note_request(conn, head, conn->worker->settings.log_ready != 0);
    if ((head_len < bytes->len || bytes->in_buffer) && !keep_rest(conn, bytes, head_len))
        fw__conn_lost(conn);
    else
        fw__tell_readiness(conn);
}

/* ---- Files that the core serves ------------------------------------------------------------------ */

/* False: the request is the application's. The response is made while the head's bytes are still there. */
static bool serves_file(fw_conn *conn, const incoming *bytes, size_t head_len)
{
    const fw_head *head = &conn->worker->head;
    fw_slice behind = {bytes->at + head_len, bytes->len - head_len};
    fw_static_path path;
    fw_static_reply reply;
    const fw_folder *folder = fw__static_asked(conn->worker->folders, head, &path);
    if (!folder)
        return false;
    bool good = fw__static_make(conn, folder, &path, behind, &reply);
    if (good && reply.passed_on)
        return false;
    note_request(conn, head, true);
    if (good)
        fw__static_note(conn, &reply);
    if (good && conn->response.by == FW_BY_FILES && (head_len < bytes->len || bytes->in_buffer))
        good = keep_rest(conn, bytes, head_len);
    if (good) {
        fw__static_begin(conn, &reply);
    } else {
        if (reply.file)
            fw__file_release(reply.file);
        fw__conn_lost(conn);
    }
    return true;
}

/* ---- Head and content ---------------------------------------------------------------------------- */

static void take_head(fw_conn *conn, const incoming *bytes)
{
    fw_worker *worker = conn->worker;
    fw_head *head = &worker->head;
    int64_t head_len =
        fw_parse_head_like(bytes->at, bytes->len, conn->request.seen, &worker->head_limits, head,
                           &worker->templates[conn->id % FW_TEMPLATES]);
    if (head_len == FW_MORE) {
        wait_for_head(conn, bytes);
        return;
    }
    if (head_len < 0) {
        conn->request.is_head = begins_with_head(bytes);
        fw__request_refuse(conn, (int)head_len, slice_of(bytes));
        return;
    }
    if (worker->ready_len && asks_for_readiness(worker, head)) {
        answer_readiness(conn, head, bytes, (size_t)head_len);
        return;
    }
    if (worker->folders && serves_file(conn, bytes, (size_t)head_len))
        return;
    note_request(conn, head, true);
    if (fw_head_has_content(head)) {
        begin_content(conn, head, bytes, (size_t)head_len);
        return;
    }
    dispatch(conn, head, first_of(bytes, (size_t)head_len));
    if ((size_t)head_len < bytes->len || bytes->in_buffer)
        if (!keep_rest(conn, bytes, (size_t)head_len))
            fw__conn_lost(conn);
}

void fw__request_whole(fw_conn *conn)
{
    fw_worker *worker = conn->worker;
    /* The same bytes as before, so this cannot fail. */
    (void)fw_parse_head(fw_buffer_at(&conn->in), fw_buffer_len(&conn->in), 0, &worker->head_limits,
                        &worker->head);
    dispatch(conn, &worker->head, fw__conn_in(conn));
    fw_buffer_clear(&conn->in);
}

static void take_content(fw_conn *conn, char *bytes, size_t len)
{
    fw_worker *worker = conn->worker;
    size_t used = len;
    int code = fw__content_take(conn->request.content, bytes, &used);
    if (code == FW_MORE && fw__content_slow(conn->request.content, uv_now(&worker->loop)))
        code = FW_ETIMEOUT_CONTENT;
    if (code == FW_MORE) {
        fw__conn_wait(conn, FW_DEADLINE_CONTENT);
        return;
    }
    if (code) {
        fw__request_refuse(conn, code, fw__conn_in(conn));
        return;
    }
    fw__request_whole(conn);
    if (fw_buffer_append(&conn->in, bytes + used, len - used))
        fw__conn_lost(conn);
}

static void set_peer(fw_conn *conn, const fw_proxy *proxy)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    memset(&address, 0, sizeof address);
    if (proxy->family == 4) {
        address.in.sin_family = AF_INET;
        memcpy(&address.in.sin_addr, proxy->address, 4);
        address.in.sin_port = htons(proxy->port);
    } else if (proxy->family == 6) {
        address.in6.sin6_family = AF_INET6;
        memcpy(&address.in6.sin6_addr, proxy->address, 16);
        address.in6.sin6_port = htons(proxy->port);
    } else {
        conn->proxy = FW_PROXY_NAMELESS; /* the header names no client */
        return;
    }
    conn->peer_len = (uint8_t)fw__format_peer(&address.any, conn->peer);
}

/* The PROXY header in front of the first request; false while it is not whole, or when it is none. */
static bool take_proxy(fw_conn *conn, incoming *bytes)
{
    fw_proxy proxy;
    int64_t used = FW_EPROXY_UNTRUSTED;
    if (conn->proxy == FW_PROXY_DUE)
        used = fw_parse_proxy(bytes->at, bytes->len, &proxy);
    if (used == FW_MORE) {
        wait_for_head(conn, bytes);
        return false;
    }
    if (used < 0) {
        fw__request_refuse(conn, (int)used, slice_of(bytes));
        return false;
    }
    conn->proxy = FW_PROXY_NONE;
    conn->request.seen = 0;
    set_peer(conn, &proxy);
    bytes->at += used;
    bytes->len -= (size_t)used;
    if (bytes->in_buffer)
        fw_buffer_consume(&conn->in, (size_t)used);
    if (bytes->len)
        return true;
    if (conn->state == FW_CONN_IDLE) /* or it would wait for its first request for ever */
        fw__conn_wait(conn, FW_DEADLINE_IDLE);
    fw__conn_listen(conn);
    return false;
}

void fw__request_bytes(fw_conn *conn, char *bytes, size_t len)
{
    conn->worker->score->bytes_in += len;
    if (conn->state == FW_CONN_CONTENT) {
        take_content(conn, bytes, len);
        return;
    }
    incoming in = {bytes, len, false};
    if (fw_buffer_len(&conn->in)) {
        if (fw_buffer_append(&conn->in, bytes, len)) {
            fw__conn_lost(conn);
            return;
        }
        in.at = fw_buffer_at(&conn->in);
        in.len = fw_buffer_len(&conn->in);
        in.in_buffer = true;
    }
    bool proxy_first = conn->proxy == FW_PROXY_DUE || conn->proxy == FW_PROXY_FOREIGN;
    if (!proxy_first || take_proxy(conn, &in))
        take_head(conn, &in);
}

void fw__request_next(fw_conn *conn)
{
    incoming in = {fw_buffer_at(&conn->in), fw_buffer_len(&conn->in), true};
    take_head(conn, &in);
    /* The next response will take a while: responses that waited for it are sent now. */
    if (conn->state == FW_CONN_HEAD || conn->state == FW_CONN_CONTENT) {
        if (conn->socket.ended) /* what is missing will never come */
            fw__conn_close_when_sent(conn);
        else if (fw_buffer_len(&conn->out))
            fw__out_writable(conn);
    }
}

static bool begins_with_whole_head(fw_slice bytes)
{
    const char *at = bytes.at, *end = bytes.at + bytes.len;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n' && at - bytes.at > 2)
            return true;
    }
    return false;
}

bool fw__request_waits(fw_conn *conn)
{
    return fw_buffer_len(&conn->in) > 0 && begins_with_whole_head(fw__conn_in(conn));
}

bool fw__conn_ends(const fw_conn *conn, fw_slice behind)
{
    const fw_worker *worker = conn->worker;
    return (worker->draining || worker->away || conn->ends) &&
           (behind.len == 0 || !begins_with_whole_head(behind));
}
