/* base/buffer.h -- a growable byte queue: bytes are appended at the end and used up from the start.
 * Owns: its memory, which exists only while there are bytes: an idle connection has none. */
#ifndef FAPWS_BUFFER_H
#define FAPWS_BUFFER_H

#include <stddef.h>

typedef struct {
    char *data;   /* NULL while empty */
    size_t start; /* first byte not used up */
    size_t end;   /* one past the last byte */
    size_t size;  /* allocated */
} fw_buffer;

/* All zero is an empty buffer. */

static inline size_t fw_buffer_len(const fw_buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline char *fw_buffer_at(const fw_buffer *buffer)
{
    return buffer->data ? buffer->data + buffer->start : NULL; /* NULL + 0 is undefined */
}

/* Makes room for len more bytes and returns where they go, NULL for want of memory; the bytes count
 * once the caller has added them to end. */
char *fw_buffer_reserve(fw_buffer *buffer, size_t len);
int fw_buffer_append(fw_buffer *buffer, const void *bytes, size_t len); /* 0 or FW_EMEMORY */
void fw_buffer_consume(fw_buffer *buffer, size_t len); /* frees the memory when nothing is left */
void fw_buffer_fit(fw_buffer *buffer); /* gives back most of what is not used; moves the bytes */
void fw_buffer_clear(fw_buffer *buffer);

/* Empty, but its memory stays: for one that is filled again at once. */
static inline void fw_buffer_rewind(fw_buffer *buffer)
{
    buffer->start = buffer->end = 0;
}

#endif
