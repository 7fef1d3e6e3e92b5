/* batch/batch.h -- what one fw_poll() gives out: records, their text and the requests' contents. */
#ifndef FAPWS_BATCH_H
#define FAPWS_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "batch/shapes.h"
#include "fapws.h"
#include "http/parser.h"

#define FW_BATCH_REQUESTS 64  /* requests given out by one poll */
#define FW_BATCH_BYTES 262144 /* bytes of text, or of content, after which a batch is full */
#define FW_BATCH_RECORDS 256  /* records of any kind */
#define FW_WATCHES 8          /* descriptors a caller may have watched: an FW_WAKE record each */
#define FW_DEBUG_BYTES 200    /* of a request, in an FW_DEBUG record */
#define FW_METHOD_KEPT 16     /* bytes of a method in the scoreboard's request line */

/* A request that was given out, for the request line of the scoreboard. */
typedef struct {
    int64_t connection;
    size_t target; /* where in the batch's text */
    size_t target_len;
    size_t method_len;
    char method[FW_METHOD_KEPT];
} fw_given_line;

typedef struct {
    int64_t *records;
    size_t words; /* used in records, with record [0] */
    char *text;
    size_t text_size;
    size_t text_used;
    char *content;
    size_t content_size;
    size_t content_used;
    char *shape; /* scratch: the text of the shape in hand */
    size_t shape_size;
    unsigned requests;
    unsigned current; /* the first of lines that has no response yet */
    size_t shown;     /* bytes of the line that the score shows */
    fw_given_line lines[FW_BATCH_REQUESTS];
    unsigned woken;  /* bit per token: its FW_WAKE is in this batch */
    char length[24]; /* scratch: the Content-Length of a decoded content */
    bool filling;    /* between the start and the end of an fw_poll() */
    bool debug;      /* FW_DEBUG records are wanted */
    fw_slice name;   /* of the request in hand, for them; empty: it has none */
} fw_batch;

/* What a batch tells the caller about a request, apart from its head. */
typedef struct {
    int64_t connection;
    int listener;
    bool nameless; /* the remote address is a proxy's own */
    int elsewhere; /* the content is not in memory: FW_SPOOLED, FW_UNREAD, FW_COMING, FW_POOLED; else 0 */
    fw_slice peer; /* "address\nport" */
    fw_slice content;
    uint64_t content_size; /* also of one that is elsewhere, but for FW_COMING */
} fw_given;

static inline int fw__batch_count(const fw_batch *batch)
{
    return (int)((batch->words - 1) / FW_RECORD_WORDS);
}

int fw__batch_new(fw_batch *batch, const fw_settings *settings);
void fw__batch_free(fw_batch *batch);
void fw__batch_start(fw_batch *batch);
void fw__batch_end(fw_batch *batch);
bool fw__batch_full(const fw_batch *batch);
bool fw__batch_crowded(const fw_batch *batch); /* no room for another event either */
void fw__batch_event(fw_batch *batch, int64_t kind, int64_t connection);
/* Leaves it out if debug is off or the batch is crowded. */
void fw__batch_debug(fw_batch *batch, int64_t connection, fw_slice peer, const char *token,
                     fw_slice bytes);
void fw__batch_fault(fw_batch *batch, const char *from, const char *to);
void fw__batch_request(fw_batch *batch, fw_shapes *shapes, const fw_given *given,
                       const fw_head *head);

/* request_line.c: the score's request_line, which shows the request that the caller works on. */
const fw_given_line *fw__request_line_seek(fw_batch *batch, fw_score *score, int64_t connection);

/* The caller works on none: the last one of its batch may have been a stream, or have lost its client. */
static inline void fw__request_line_none(fw_score *score)
{
    score->request_line[0] = '\0';
}

/* The line of a request that waits for its response, which the score shows then; NULL: it is of an earlier
 * batch. */
static inline const fw_given_line *fw__request_line_of(fw_batch *batch, fw_score *score,
                                                       int64_t connection)
{
    const fw_given_line *line = &batch->lines[batch->current];
    if (batch->current < batch->requests && line->connection == connection)
        return line;
    return fw__request_line_seek(batch, score, connection);
}

void fw__request_line_add(fw_batch *batch, int64_t connection, fw_slice method, size_t target,
                          size_t target_len);
void fw__request_line_first(fw_batch *batch, fw_score *score);
/* The line shown has its response: the next one is shown, or none. */
void fw__request_line_responded(fw_batch *batch, fw_score *score);
/* The same, when more of the response will come. */
void fw__request_line_begun(fw_batch *batch, fw_score *score);

#endif
