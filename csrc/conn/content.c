/* conn/content.c -- the content of a request on its way in: memory first, then an unlinked file.
 * Owns:   fw_content, from the end of the head until the application has the request (and, spooled,
 *         until the caller takes the descriptor).
 * Called: request.c with each piece.
 * Never:  touches the socket, keeps more than settings.memory_body bytes in memory. */
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

fw_content *fw__content_new(const fw_head *head, uint64_t now)
{
    fw_content *content = calloc(1, sizeof *content);
    if (!content)
        return NULL;
    content->spool = -1;
    content->window = now;
    content->chunked = head->chunked;
    content->left = head->chunked ? 0 : head->content_length;
    return content;
}

void fw__content_free(fw_content *content)
{
    if (!content)
        return;
    if (content->spool >= 0)
        close(content->spool);
    fw_buffer_clear(&content->memory);
    free(content);
}

/* Over windows of time: what came fast at first is no credit for what drips then. */
bool fw__content_slow(const fw_worker *worker, fw_content *content)
{
    uint64_t now = uv_now(&worker->loop);
    uint64_t waited = now - content->window, came = content->size - content->window_size;
    if (waited <= worker->settings.min_body_after)
        return false;
    content->window = now;
    content->window_size = content->size;
    return came < worker->settings.min_body_rate * waited / 1000;
}

/* ---- The temporary file --------------------------------------------------------------------------- */

static int refuse_spool(fw_worker *worker)
{
    uint64_t now = uv_now(&worker->loop) + 1; /* never 0 */
    if (!fw__batch_crowded(worker) &&
        (worker->spool_told == 0 || now - worker->spool_told >= FW_TELL_MS)) {
        worker->spool_told = now;
        fw__batch_event(worker, FW_SPOOL_FULL, 0);
    }
    return FW_ESPOOL_FULL;
}

/* Whether len bytes more may be written to a temporary file, and counts them. */
static bool spool_take(fw_conn *conn, size_t len)
{
    fw_worker *worker = conn->worker;
    const fw_settings *settings = &worker->settings;
    uint64_t files = (uint64_t)worker->open_count + worker->spools;
    if (settings->max_spool && len > settings->max_spool - worker->spooled)
        return false;
    if (conn->request.spooled == 0) {
        if (settings->max_descriptors &&
            files >= (uint64_t)settings->max_descriptors + settings->spare_descriptors)
            return false;
        worker->spools++;
    }
    conn->request.spooled += len;
    worker->spooled += len;
    return true;
}

void fw__spool_release(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    if (content && content->spool >= 0) {
        close(content->spool);
        content->spool = -1;
    }
    if (conn->request.spooled == 0)
        return;
    conn->worker->spooled -= conn->request.spooled;
    conn->worker->spools--;
    conn->worker->made_room = true;
    conn->request.spooled = 0;
}

static int spool_write(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return FW_ESPOOL;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

static int content_spool(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    content->spool = fw__temporary_file(conn->worker->settings.spool_directory);
    if (content->spool < 0)
        return FW_ESPOOL;
    size_t len = fw_buffer_len(&content->memory);
    int code = len ? spool_write(content->spool, fw_buffer_at(&content->memory), len) : 0;
    fw_buffer_clear(&content->memory);
    return code;
}

static int content_store(fw_conn *conn, const char *bytes, size_t len)
{
    const fw_settings *settings = &conn->worker->settings;
    fw_content *content = conn->request.content;
    content->size += len;
    if (content->size > settings->max_body_size)
        return FW_ECONTENT_TOO_LARGE;
    if (len == 0)
        return 0;
    if (content->spool < 0) {
        if (content->size <= settings->memory_body)
            return fw_buffer_append(&content->memory, bytes, len) ? FW_ESPOOL : 0;
        if (!spool_take(conn, fw_buffer_len(&content->memory) + len))
            return refuse_spool(conn->worker);
        int code = content_spool(conn);
        if (code)
            return code;
    } else if (!spool_take(conn, len)) {
        return refuse_spool(conn->worker);
    }
    return spool_write(content->spool, bytes, len);
}

static int take_chunked(fw_conn *conn, char *bytes, size_t *len)
{
    fw_content *content = conn->request.content;
    size_t offered = *len;
    size_t decoded = offered;
    int64_t left = fw_decode_chunked(&content->decoder, bytes, &decoded);
    if (left < 0 && left != FW_MORE)
        return (int)left;
    int code = content_store(conn, bytes, decoded);
    if (code)
        return code;
    *len = left == FW_MORE ? offered : offered - (size_t)left;
    return left == FW_MORE ? FW_MORE : 0;
}

int fw__content_take(fw_conn *conn, char *bytes, size_t *len)
{
    fw_content *content = conn->request.content;
    if (content->chunked)
        return take_chunked(conn, bytes, len);
    if ((uint64_t)*len > (uint64_t)content->left)
        *len = (size_t)content->left;
    int code = content_store(conn, bytes, *len);
    if (code)
        return code;
    content->left -= (int64_t)*len;
    return content->left ? FW_MORE : 0;
}
