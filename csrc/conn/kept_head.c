/* conn/kept_head.c -- the head of a request as it was received, and the client's descriptor, for programs
 * that ask for them (fw_keep_heads()).
 * Owns:   conn->request.kept_head, from the dispatch of a request until its response is with the kernel; the name
 *         in it, which may be there before, is of request_names.c.
 * Never:  costs a worker that did not call fw_keep_heads() more than looking at a flag. */
#include "conn/conn.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "worker.h"

/* Of the head in kept->bytes. */
static size_t bytes_before(uint8_t name_len)
{
    return name_len ? (size_t)name_len + 1 : 0;
}

void fw__kept_head_set(fw_conn *conn, fw_slice head)
{
    fw_kept_head *kept = conn->request.kept_head;
    uint8_t name_len = kept ? kept->name_len : 0;
    size_t before = bytes_before(name_len);
    kept = realloc(kept, sizeof *kept + before + head.len);
    if (!kept)
        return; /* fw_request_head() says so; the request itself lacks nothing */
    kept->len = head.len;
    kept->name_len = name_len;
    memcpy(kept->bytes + before, head.at, head.len);
    conn->request.kept_head = kept;
}

void fw__kept_head_free(fw_conn *conn)
{
    free(conn->request.kept_head);
    conn->request.kept_head = NULL;
}

int fw_keep_heads(fw_worker *worker)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    worker->keep_heads = true;
    return 0;
}

int fw__find_given(fw_worker *worker, int64_t id, fw_conn **found)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    fw_conn *conn = fw__table_find(&worker->table, id);
    if (!conn)
        return FW_EGONE;
    if (conn->state != FW_CONN_DISPATCHED && conn->state != FW_CONN_STREAMING)
        return FW_ESTATE;
    *found = conn;
    return 0;
}

int fw_connection_fd(fw_worker *worker, int64_t connection)
{
    fw_conn *conn;
    int code = fw__find_given(worker, connection, &conn);
    return code ? code : conn->socket.fd;
}

int64_t fw_request_head(fw_worker *worker, int64_t connection, const char **head)
{
    fw_conn *conn;
    int code = fw__find_given(worker, connection, &conn);
    if (code)
        return code;
    const fw_kept_head *kept = conn->request.kept_head;
    if (!kept || kept->len == 0)
        return FW_ESTATE;
    *head = kept->bytes + bytes_before(kept->name_len);
    return (int64_t)kept->len;
}
