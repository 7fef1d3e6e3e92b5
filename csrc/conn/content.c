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
    content->since = now;
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

bool fw__content_slow(const fw_worker *worker, const fw_content *content)
{
    uint64_t waited = uv_now(&worker->loop) - content->since;
    uint64_t rate = worker->settings.min_body_rate;
    if (waited <= worker->settings.min_body_after)
        return false;
    return content->size < rate * waited / 1000;
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

static int content_spool(fw_worker *worker, fw_content *content)
{
    content->spool = fw__temporary_file(worker->settings.spool_directory);
    if (content->spool < 0)
        return FW_ESPOOL;
    size_t len = fw_buffer_len(&content->memory);
    int code = len ? spool_write(content->spool, fw_buffer_at(&content->memory), len) : 0;
    fw_buffer_clear(&content->memory);
    return code;
}

static int content_store(fw_worker *worker, fw_content *content, const char *bytes, size_t len)
{
    content->size += len;
    if (content->size > worker->settings.max_body_size)
        return FW_ECONTENT_TOO_LARGE;
    if (content->spool < 0) {
        if (content->size <= worker->settings.memory_body)
            return fw_buffer_append(&content->memory, bytes, len) ? FW_ESPOOL : 0;
        int code = content_spool(worker, content);
        if (code)
            return code;
    }
    return spool_write(content->spool, bytes, len);
}

static int take_chunked(fw_worker *worker, fw_content *content, char *bytes, size_t *len)
{
    size_t offered = *len;
    size_t decoded = offered;
    int64_t left = fw_decode_chunked(&content->decoder, bytes, &decoded);
    if (left < 0 && left != FW_MORE)
        return (int)left;
    int code = content_store(worker, content, bytes, decoded);
    if (code)
        return code;
    *len = left == FW_MORE ? offered : offered - (size_t)left;
    return left == FW_MORE ? FW_MORE : 0;
}

int fw__content_take(fw_worker *worker, fw_content *content, char *bytes, size_t *len)
{
    if (content->chunked)
        return take_chunked(worker, content, bytes, len);
    if ((uint64_t)*len > (uint64_t)content->left)
        *len = (size_t)content->left;
    int code = content_store(worker, content, bytes, *len);
    if (code)
        return code;
    content->left -= (int64_t)*len;
    return content->left ? FW_MORE : 0;
}
