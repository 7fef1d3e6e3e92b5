/* conn/content.c -- the content of a request on its way in: memory first, then an unlinked file.
 * Owns:   fw_content, from the end of the head until the request has its response (in memory: until it is
 *         given out), and what all of them together hold in files.
 * Never:  touches the socket, keeps more than settings.memory_body bytes in memory (left_content.c and
 *         block_content.c may). */
#include "conn/content.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "sys/sockets.h"

fw_content *fw__content_new(fw_spool *spool, const fw_head *head, uint64_t now)
{
    fw_content *content = calloc(1, sizeof *content);
    if (!content)
        return NULL;
    content->spool = spool;
    content->file = -1;
    content->window = now;
    content->chunked = head->chunked;
    content->left = head->chunked ? 0 : head->content_length;
    return content;
}

bool fw__content_let_go(fw_content *content)
{
    if (content->file >= 0)
        close(content->file);
    content->file = -1;
    content->spool->reserved -= content->reserved;
    content->reserved = 0;
    fw_link_remove(&content->link);
    if (content->block)
        fw__spool_give_back(content->spool, content->block);
    content->block = NULL;
    if (content->spooled == 0)
        return false;
    content->spool->bytes -= content->spooled;
    content->spool->files--;
    content->spooled = 0;
    return true;
}

void fw__content_free(fw_content *content)
{
    fw_buffer_clear(&content->memory);
    free(content);
}

/* The rate is measured in windows of time, so that fast bytes at first do not excuse slow ones later. */
bool fw__content_slow(fw_content *content, uint64_t now)
{
    const fw_settings *settings = content->spool->settings;
    uint64_t waited = now - content->window, came = content->size - content->window_size;
    if (waited <= settings->min_body_after)
        return false;
    content->window = now;
    content->window_size = content->size;
    return came < settings->min_body_rate * waited / 1000;
}

/* ---- The temporary file --------------------------------------------------------------------------- */

static bool none_left(const fw_spool *spool)
{
    const fw_settings *settings = spool->settings;
    return settings->max_descriptors &&
           (uint64_t)*spool->open + spool->files >=
               (uint64_t)settings->max_descriptors + settings->spare_descriptors;
}

/* Whether len bytes more may be written to a temporary file, and counts them. */
static bool spool_take(fw_content *content, size_t len)
{
    fw_spool *spool = content->spool;
    const fw_settings *settings = spool->settings;
    if (settings->max_spool && len > settings->max_spool - spool->bytes)
        return false;
    if (content->spooled == 0) {
        if (none_left(spool) && !(fw__spool_spare(spool) && !none_left(spool)))
            return false;
        spool->files++;
    }
    content->spooled += len;
    spool->bytes += len;
    return true;
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

/* With a descriptor of somebody who can do without, if there is no other. */
static int open_file(fw_content *content)
{
    const char *directory = content->spool->settings->spool_directory;
    content->file = fw__temporary_file(directory);
    if (content->file < 0 && fw__spool_spare(content->spool))
        content->file = fw__temporary_file(directory);
    return content->file < 0 ? FW_ESPOOL : 0;
}

static int content_spool(fw_content *content)
{
    if (open_file(content))
        return FW_ESPOOL;
    size_t len = fw_buffer_len(&content->memory);
    int code = len ? spool_write(content->file, fw_buffer_at(&content->memory), len) : 0;
    fw_buffer_clear(&content->memory);
    return code;
}

/* What a failed write has left is counted no more. */
static void spool_undo(fw_content *content)
{
    if (content->file >= 0)
        close(content->file);
    content->file = -1;
    content->spool->bytes -= content->spooled;
    content->spool->files--;
    content->spooled = 0;
}

static int spill_to_file(fw_content *content)
{
    if (!spool_take(content, (size_t)content->size))
        return FW_ESPOOL_FULL;
    int code = open_file(content);
    if (code == 0)
        code = spool_write(content->file, content->block, (size_t)content->size);
    if (code)
        spool_undo(content);
    return code;
}

int fw__content_spill(fw_content *content)
{
    int code;
    if (content->size > content->spool->settings->memory_body)
        code = spill_to_file(content);
    else
        code = fw_buffer_append(&content->memory, content->block, (size_t)content->size);
    if (code)
        return code;
    fw_link_remove(&content->link);
    fw__spool_give_back(content->spool, content->block);
    content->block = NULL;
    content->place = FW_CONTENT_READ;
    return 0;
}

/* What is known to come of it. Behind a chunk there may be requests, which are kept until the response is sent: no
 * more of them than ever are read at once. */
static uint64_t to_come(const fw_content *content, size_t usual)
{
    if (!content->chunked)
        return (uint64_t)content->left;
    return content->decoder.left < FW_ROOM_SIZE ? content->decoder.left + usual : FW_ROOM_SIZE;
}

char *fw__content_room(fw_content *content, char *usual, size_t *size)
{
    uint64_t most = to_come(content, *size);
    if (content->file < 0 || most <= *size)
        return usual;
    char *room = fw__pool_room(&content->spool->pool);
    if (!room)
        return usual;
    *size = most < FW_ROOM_SIZE ? (size_t)most : FW_ROOM_SIZE;
    return room;
}

static int content_store(fw_content *content, const char *bytes, size_t len)
{
    const fw_settings *settings = content->spool->settings;
    content->size += len;
    if (content->size > settings->max_body_size)
        return FW_ECONTENT_TOO_LARGE;
    if (len == 0)
        return 0;
    if (content->file < 0) {
        if (content->size <= settings->memory_body)
            return fw_buffer_append(&content->memory, bytes, len) ? FW_ESPOOL : 0;
        if (!spool_take(content, fw_buffer_len(&content->memory) + len))
            return FW_ESPOOL_FULL;
        int code = content_spool(content);
        if (code)
            return code;
    } else if (!spool_take(content, len)) {
        return FW_ESPOOL_FULL;
    }
    return spool_write(content->file, bytes, len);
}

static int take_chunked(fw_content *content, char *bytes, size_t *len)
{
    size_t offered = *len;
    size_t decoded = offered;
    int64_t left = fw_decode_chunked(&content->decoder, bytes, &decoded);
    if (left < 0 && left != FW_MORE)
        return (int)left;
    int code = content_store(content, bytes, decoded);
    if (code)
        return code;
    *len = left == FW_MORE ? offered : offered - (size_t)left;
    return left == FW_MORE ? FW_MORE : 0;
}

int fw__content_take(fw_content *content, char *bytes, size_t *len)
{
    if (content->chunked)
        return take_chunked(content, bytes, len);
    if ((uint64_t)*len > (uint64_t)content->left)
        *len = (size_t)content->left;
    int code = content_store(content, bytes, *len);
    if (code)
        return code;
    content->left -= (int64_t)*len;
    return content->left ? FW_MORE : 0;
}
