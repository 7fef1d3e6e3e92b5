/* conn/static_files.c -- sends the files that the core serves itself.
 * Owns:   conn->request.sending, from the head of such a response to its last byte.
 * Never:  blocks on the socket, sends more than TURN_BYTES at once, so that others have their turn. A disk that is
 *         slow holds up the worker for the time that one piece takes. */
#include "conn/static_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conn/conn.h"
#include "conn/last_requests.h"
#include "error.h"
#include "worker.h"

#define TURN_BYTES 262144u
#define SMALL 16384u /* bytes of a file that go with their head, in one call */
#define CROWD 64     /* files under way; beyond that the kernel takes little of each */

const fw_folder *fw__static_asked(const fw_folder *folders, const fw_head *head,
                                  fw_static_path *path)
{
    fw__static_path(path, head->path);
    return fw__folder_of(folders, path);
}

void fw__static_drop(fw_conn *conn)
{
    fw_sending *sending = conn->request.sending;
    if (!sending)
        return;
    close(sending->fd);
    free(sending);
    conn->request.sending = NULL;
    conn->worker->spool.files--;
    conn->worker->accepting.made_room = true; /* a descriptor */
}

/* A file's response is known at once: how long a client takes to read it is not asked. */
static void remember(fw_conn *conn, const fw_head *head, int status)
{
    const char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                            (char)('0' + status % 10)};
    char method[FW_LAST_METHOD] = {0};
    fw_told_request told = {.connection = conn->id,
                            .method = method,
                            .method_len =
                                head->method.len < sizeof method ? head->method.len : sizeof method,
                            .target = head->target,
                            .status = digits};
    memcpy(method, head->method.at, told.method_len);
    conn->request.place = fw__last_add(conn->worker->last, &told);
}

bool fw__static_make(fw_conn *conn, const fw_folder *folder, const fw_static_path *path,
                     fw_static_reply *reply)
{
    fw_worker *worker = conn->worker;
    const fw_head *head = &worker->head;
    bool content = fw_head_has_content(head);
    *reply = (fw_static_reply){.file = -1, .close = !head->keep_alive || worker->closing};
    fw_date_refresh(&worker->date, time(NULL), worker->settings.server);
    fw_buffer_clear(&worker->scratch);
    if (fw__static_reply(folder, path, head, &worker->date, reply, &worker->scratch))
        return false;
    if (conn->request.access)
        fw__access_refused(conn->request.access, reply->status, reply->head_len);
    fw__response_reset(conn, content ? FW_BY_CORE : FW_BY_FILES);
    conn->response.last = reply->close;
    conn->response.digit = (uint8_t)(reply->status / 100);
    if (content) {
        fw_buffer_clear(&conn->in);
        worker->score->refused++;
        return true;
    }
    worker->score->requests++;
    if (worker->tally)
        conn->request.began = uv_hrtime();
    if (worker->last)
        remember(conn, head, reply->status);
    return true;
}

/* The file is no longer what its head says: no response that looks whole is made of it. */
static void cut(fw_conn *conn)
{
    if (conn->request.access)
        fw__access_cut(conn->request.access, 0);
    fw__conn_close(conn);
}

static bool keep_small(fw_conn *conn)
{
    fw_sending *sending = conn->request.sending;
    char *bytes = conn->worker->read_buffer;
    size_t done = 0, size = (size_t)sending->left; /* a small file: it fits into the buffer */
    while (done < size) {
        ssize_t got =
            pread(sending->fd, bytes + done, size - done, (off_t)(sending->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    fw__static_drop(conn);
    return fw__out_keep(conn, bytes, done) == 0;
}

static bool hold_file(fw_conn *conn, const fw_static_reply *reply)
{
    fw_sending *sending = malloc(sizeof *sending);
    if (!sending) {
        close(reply->file);
        return false;
    }
    *sending =
        (fw_sending){.fd = reply->file, .offset = reply->part.first, .left = reply->part.size};
    conn->request.sending = sending;
    if (++conn->worker->spool.files > CROWD && !conn->socket.bounded) {
        conn->socket.bounded = true;
        fw__bound_unsent(conn->socket.fd);
    }
    return reply->part.size > SMALL || keep_small(conn);
}

void fw__static_begin(fw_conn *conn, const fw_static_reply *reply)
{
    fw_buffer *head = &conn->worker->scratch;
    if (fw__out_keep(conn, fw_buffer_at(head), fw_buffer_len(head))) {
        if (reply->file >= 0)
            close(reply->file);
        fw__conn_close(conn);
        return;
    }
    if (!fw__conn_enter(conn, FW_CONN_FLUSHING)) {
        if (reply->file >= 0)
            close(reply->file);
        return;
    }
    if (reply->file >= 0 && !hold_file(conn, reply)) {
        cut(conn);
        return;
    }
    fw__conn_wait_to_send(conn);
    if (conn->request.sending && fw__out_flush(conn, true))
        fw__conn_lost(conn);
    else
        fw__out_writable(conn);
}

/* One turn; what the last call said of it. */
static int64_t send_turn(fw_conn *conn, uint64_t *done)
{
    fw_worker *worker = conn->worker;
    fw_sending *sending = conn->request.sending;
    uint64_t turn = sending->left < TURN_BYTES ? sending->left : TURN_BYTES;
    int64_t sent = 1;
    *done = 0;
    while (*done < turn) {
        sent = fw__sendfile(conn->socket.fd, sending->fd, (int64_t)sending->offset,
                            (size_t)(turn - *done), worker->read_buffer, FW_READ_SIZE);
        if (sent <= 0)
            break;
        *done += (uint64_t)sent;
        sending->offset += (uint64_t)sent;
        sending->left -= (uint64_t)sent;
    }
    worker->score->bytes_out += *done;
    if (*done && conn->request.access)
        fw__access_sent(conn->request.access, (size_t)*done);
    return sent;
}

void fw__static_go_on(fw_conn *conn)
{
    uint64_t done;
    int64_t sent = send_turn(conn, &done);
    conn->response.wants_writable = false;
    if (conn->request.sending->left == 0) {
        fw__static_drop(conn);
        fw__conn_responded(conn);
    } else if (sent == FW_EGONE) {
        fw__conn_lost(conn);
    } else if (sent <= 0 && sent != FW_MORE) {
        cut(conn);
    } else {
        conn->response.wants_writable = true;
        if (done)
            fw__conn_wait_to_send(conn);
        if (sent > 0) /* the kernel would take more; only others have their turn first */
            fw__conn_queue(conn, FW_READY_WRITE);
        else
            fw__conn_listen(conn);
    }
}
