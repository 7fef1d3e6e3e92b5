/* response/response_file.c -- content that comes out of a file.
 * Owns:   nothing; the file is the caller's, its own offset is not moved.
 * Never:  blocks on the socket, sends more than TURN_BYTES at once, so that others have their turn. */
#include "response/response.h"

#include "error.h"
#include "sys/read_at.h"
#include "worker.h"

#define TURN_BYTES 1048576u

/* Bytes sent now, or a code when there are none: it comes again next time. */
static int64_t send_turn(fw_conn *conn, int file, int64_t offset, size_t wanted)
{
    fw_worker *worker = conn->worker;
    size_t done = 0;
    while (done < wanted) {
        int64_t sent = fw__sendfile(conn->socket.fd, file, offset + (int64_t)done, wanted - done,
                                    worker->read_buffer, FW_READ_SIZE);
        if (sent == FW_MORE || (sent <= 0 && done))
            break;
        if (sent <= 0)
            return sent < 0 ? sent : FW_ETRUNCATED;
        done += (size_t)sent;
    }
    worker->score->bytes_out += done;
    if (conn->request.access)
        fw__access_sent(conn->request.access, done);
    return (int64_t)done;
}

int64_t fw_send_file(fw_worker *worker, int64_t connection, int file, int64_t offset,
                     uint64_t count)
{
    fw_conn *conn;
    int code = fw__response_find(worker, connection, FW_CONN_STREAMING, &conn);
    if (code)
        return code;
    if (conn->response.framing == FW_FRAME_NONE)
        return FW_NOTE_NO_CONTENT;
    if (conn->response.framing == FW_FRAME_CHUNKED)
        return FW_ESTATE;
    if (conn->response.framing == FW_FRAME_LENGTH && count > conn->response.left)
        count = conn->response.left;
    if (count == 0)
        return 0;
    /* A head that waits to be joined with a large file costs more than a segment of its own. */
    if (fw__out_flush(conn, count <= FW_FILE_WHOLE))
        return fw__response_lost(conn);
    if (fw_buffer_len(&conn->out))
        return fw__response_wait(conn, count);
    size_t turn = count < TURN_BYTES ? (size_t)count : TURN_BYTES;
    int64_t sent = send_turn(conn, file, offset, turn);
    if (sent == FW_EGONE)
        return fw__response_lost(conn);
    if (sent < 0)
        return sent;
    if (conn->response.framing == FW_FRAME_LENGTH)
        conn->response.left -= (uint64_t)sent;
    uint64_t rest = count - (uint64_t)sent;
    if (rest && sent == TURN_BYTES) {
        /* The kernel would take more; only other connections have their turn first. */
        conn->response.wants_writable = true;
        fw__conn_queue(conn, FW_READY_WRITE);
        return (int64_t)rest;
    }
    return fw__response_wait(conn, rest);
}

_Static_assert(FW_FILE_WHOLE <= FW_READ_SIZE, "it is read there");
_Static_assert(FW_FILE_WHOLE <= FW_HELD_MAX, "fw_respond() keeps what the socket does not take");

int64_t fw_respond_file(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                        size_t field_count, int file, int64_t offset, size_t size)
{
    fw_conn *conn;
    int code = fw__response_find(worker, connection, FW_CONN_DISPATCHED, &conn);
    if (code)
        return code;
    if (size > FW_FILE_WHOLE)
        return FW_ESTATE;
    ssize_t got = fw__read_at(file, offset, worker->read_buffer, size);
    if (got < 0)
        return FW_ESYSTEM;
    return fw_respond(worker, connection, head, head_size, field_count, worker->read_buffer,
                      (size_t)got);
}
