/* base/buffer.c -- see buffer.h. */
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define SMALLEST 512 /* bytes; most partial heads fit */

static void buffer_compact(fw_buffer *buffer)
{
    if (buffer->start == 0)
        return;
    memmove(buffer->data, buffer->data + buffer->start, buffer->end - buffer->start);
    buffer->end -= buffer->start;
    buffer->start = 0;
}

char *fw_buffer_reserve(fw_buffer *buffer, size_t len)
{
    if (buffer->size - buffer->end >= len && buffer->data)
        return buffer->data + buffer->end;
    if (buffer->data)
        buffer_compact(buffer);
    size_t need = buffer->end + len;
    if (need > buffer->size || !buffer->data) {
        size_t size = buffer->size ? buffer->size : SMALLEST;
        while (size < need)
            size *= 2;
        char *data = realloc(buffer->data, size);
        if (!data)
            return NULL;
        buffer->data = data;
        buffer->size = size;
    }
    return buffer->data + buffer->end;
}

int fw_buffer_append(fw_buffer *buffer, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    char *room = fw_buffer_reserve(buffer, len);
    if (!room)
        return FW_EMEMORY;
    memcpy(room, bytes, len);
    buffer->end += len;
    return 0;
}

void fw_buffer_consume(fw_buffer *buffer, size_t len)
{
    buffer->start += len;
    if (buffer->start >= buffer->end)
        fw_buffer_clear(buffer);
}

void fw_buffer_fit(fw_buffer *buffer)
{
    size_t len = fw_buffer_len(buffer), size = SMALLEST;
    if (len == 0)
        fw_buffer_clear(buffer);
    while (size < len)
        size *= 2;
    if (buffer->size <= 2 * size)
        return;
    buffer_compact(buffer);
    char *data = realloc(buffer->data, size);
    if (!data)
        return;
    buffer->data = data;
    buffer->size = size;
}

void fw_buffer_clear(fw_buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}
