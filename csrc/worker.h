/* worker.h -- what a worker is made of: each part is a struct of the header that owns it. Files that need
 * one part take that part; those that move a connection from part to part take the worker. Nothing outside
 * csrc/ includes this, and no header but this one knows what a worker is. */
#ifndef FAPWS_WORKER_H
#define FAPWS_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "access/log.h"
#include "base/buffer.h"
#include "base/list.h"
#include "batch/batch.h"
#include "batch/shapes.h"
#include "conn/accepting.h"
#include "conn/conn.h"
#include "conn/content.h"
#include "conn/crowd.h"
#include "conn/deadline.h"
#include "conn/request_names.h"
#include "conn/table.h"
#include "conn/trust.h"
#include "error.h"
#include "fapws.h"
#include "health.h"
#include "http/date.h"
#include "http/parser.h"
#include "http/template.h"
#include "response/known_heads.h"
#include "sys/pollset.h"

/* Files are larger than 2 GiB on 32-bit systems too. */
_Static_assert(sizeof(off_t) == sizeof(int64_t), "compile with -D_FILE_OFFSET_BITS=64");
_Static_assert(FW_CLIENT_GONE == FW_EGONE, "fapws.h and error.h must agree");

#define FW_TEMPLATES 8     /* heads that are remembered, see http/template.h */
#define FW_READ_SIZE 65536 /* bytes; the one read buffer */
#define FW_TELL_MS 60000   /* FW_STARVED and FW_SPOOL_FULL records come no oftener */

/* What a token of the set means: a connection's number, or one of these. */
#define FW_TOKEN_LISTENER (-1) /* and below, by the listener's number */
#define FW_TOKEN_WATCH (FW_TOKEN_LISTENER - FW_LISTENERS_MAX) /* and below, by the watch's token */

typedef struct {
    int fd;
    bool used; /* the caller watches it */
} fw_watched;

struct fw_worker {
    uv_loop_t loop; /* the timers */
    uv_thread_t thread;
    fw_health health;
    fw_settings settings; /* what it points to are own copies */
    fw_score *score;      /* never read: others may write there too. The true figures are here: */
    fw_score own_score;
    fw_tally *tally;    /* NULL: nobody wants it */
    fw_last *last;      /* NULL: nobody wants it */
    uint64_t given_out; /* the beat at which the last poll was over */
    uint64_t beat;      /* of the score */
    uint64_t group;     /* likewise */
    uint64_t in_flight; /* likewise */

    fw_pollset pollset;
    fw_accepting accepting;
    fw_trusted trusted;
    fw_table table;
    fw_deadlines deadlines;
    fw_spool spool;
    fw_list ready;   /* connections with something to do that did not fit a batch */
    fw_list closed;  /* connections of which only the memory is left */
    fw_list leaving; /* connections whose client sends no more and that wait for nothing else */
    fw_fault fault;

    uv_timer_t poll_timer; /* bounds one fw_poll() */
    bool poll_timed_out;
    uint64_t weighed;        /* when score->rss was written, in its beat's clock */
    unsigned polls_off_loop; /* polls in a row that were filled from ready alone */
    uv_timer_t drain_timer;
    fw_crowd crowd;
    bool draining;
    bool stopping; /* it drains because the service stops */
    bool away;     /* no client is to be sent here */
    bool renewing; /* fw_renew_connections() has marked some */
    bool
        closing; /* one of these: connections may end with their next response, see fw__conn_ends() */
    size_t ready_len;    /* of settings.ready_path; 0: none */
    bool keep_heads;     /* fw_keep_heads() was called */
    fw_names *names;     /* NULL: requests have none */
    fw_folder *folders;  /* whose files the core serves; NULL: none */
    fw_statics *statics; /* NULL until one of them is asked for */
    fw_watched watches[FW_WATCHES];

    fw_batch batch;
    fw_shapes shapes;
    fw_head head; /* the head being parsed; its slices die with the bytes */
    fw_field fields[FW_FIELDS_MAX];
    fw_head_limits head_limits;
    fw_template templates[FW_TEMPLATES]; /* of connections by their numbers: clients differ */
    char *read_buffer;                   /* FW_READ_SIZE bytes, shared by all connections */

    fw_buffer scratch; /* the response being put together */
    fw_known_heads known_heads;
    fw_date date;
    fw_access_log *access_log; /* NULL: there is none */
};

bool fw__on_thread(const fw_worker *worker);
void fw__beat(fw_worker *worker); /* a sign of life */
/* The same where the loop has just looked at the clock. */
void fw__beat_of_loop(fw_worker *worker);
/* ms from a time of the loop's clock to a time of it or of the beat's, which may be a little behind. */
static inline uint64_t fw__since(uint64_t began, uint64_t now)
{
    return now > began ? now - began : 0;
}

#endif
