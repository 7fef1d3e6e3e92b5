/* conn/content.h -- the content of a request on its way in: memory first, then an unlinked file, a block, or the
 * socket. */
#ifndef FAPWS_CONTENT_H
#define FAPWS_CONTENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "conn/pool.h"
#include "fapws.h"
#include "http/chunked.h"
#include "http/parser.h"
#include "static/cache.h"

/* What all requests of a worker hold in temporary files, until they have their responses. */
typedef struct {
    const fw_settings *settings;
    const uint32_t *open; /* connections, which take descriptors too */
    uint64_t bytes;
    uint32_t files;         /* and those that the core serves */
    uint64_t reserved;      /* bytes of contents that settings->body_pool bounds */
    fw_pool pool;           /* kept within the same limit */
    fw_list holders;        /* contents that are being received into blocks of it */
    fw_list waiting;        /* contents for which there was no block */
    _Atomic size_t lost;    /* bytes of blocks that another thread has freed: reserved no more */
    uint64_t told;          /* uv_now() of the last FW_SPOOL_FULL record; 0: never */
    fw_static_cache *cache; /* whose descriptors can be given back; NULL: none */
} fw_spool;

/* Who takes a content from the socket. */
typedef enum {
    FW_CONTENT_READ, /* the core, piece by piece */
    FW_CONTENT_HELD, /* the core, preferably at once when all of it is there: see left_content.c */
    FW_CONTENT_GIVEN /* the application, by fw_read_content(): its request is given out */
} fw_content_place;

typedef struct {
    fw_spool *spool;
    fw_buffer memory;
    int64_t left;         /* Content-Length: bytes still to come */
    uint64_t size;        /* bytes received so far, decoded */
    uint64_t spooled;     /* bytes that count in spool, also when the caller has taken the file */
    uint64_t window;      /* ms, uv_now() when its rate began to be measured */
    uint64_t window_size; /* size then */
    uint64_t reserved;    /* bytes that count in spool->reserved */
    uint64_t paused;      /* ms, uv_now() of the last fw_read_content() */
    uint64_t waits_since; /* ms, uv_now() when one began to wait that a signal has ended; 0: none */
    fw_content_place place;
    struct fw_conn *conn; /* of a content in holders or waiting */
    fw_link link;         /* likewise */
    char *block;          /* of the pool; it has all that came */
    uint64_t timed;       /* size when its block's time began to run */
    bool waiting;         /* for a block */
    bool late;            /* it comes too slowly to have its block while others wait */
    bool marked;          /* the socket tells of it only when all of it is there */
    bool expected;        /* the client waits for 100 Continue */
    bool drained;         /* the last read took all that was there */
    bool ended;           /* chunked: its last chunk and trailers are read */
    bool stays;           /* the client wants to, once its content is read */
    int file;             /* descriptor of the unlinked temporary file, -1: none, or taken */
    bool chunked;
    fw_chunked decoder;
} fw_content;

/* Descriptors are short: gives back those that files keep in case that somebody asks for them. Whether there were
 * some. */
static inline bool fw__spool_spare(fw_spool *spool)
{
    return spool->cache && fw__cache_give_back(spool->cache);
}

fw_content *fw__content_new(fw_spool *spool, const fw_head *head, uint64_t now);
/* RFC 9110 15.5.9: whether a content that is not complete comes too slowly to wait for. */
bool fw__content_slow(fw_content *content, uint64_t now);
/* Takes bytes; *len becomes how many were used. FW_MORE, 0: complete, or an error code. */
int fw__content_take(fw_content *content, char *bytes, size_t *len);
/* Where its next bytes are to be received, and how many at once: usual, of *size bytes, or more for one that
 * goes to a file. */
char *fw__content_room(fw_content *content, char *usual, size_t *size);
/* From its block to a file, or to memory if it is small; 0, or why it stays. */
int fw__content_spill(fw_content *content);
/* block_content.c: what settings->body_pool bounds; false: there is no room. */
bool fw__spool_reserve(fw_spool *spool, uint64_t length);
void fw__spool_give_back(fw_spool *spool, char *block);
/* Closes the file and counts it no more; true if it did count. The content stays readable. */
bool fw__content_let_go(fw_content *content);
void fw__content_free(fw_content *content); /* after fw__content_let_go() */

#endif
