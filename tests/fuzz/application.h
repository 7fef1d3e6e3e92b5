/* application.h -- an application in C behind the core, which does what an input says: it responds at
 * once, late or never, whole or in pieces, wrongly first, or it aborts.
 * Owns:   the requests that wait for their responses, and the counts of what became of all.
 * Called: fuzz_connection.c. */
#ifndef APPLICATION_H
#define APPLICATION_H

#include "../c/batch_reader.h"

#define STEPS 8    /* bytes of the plan; used again and again */
#define ACTIONS 8  /* the same */
#define JOBS_MAX 8 /* as many as connections can be: each has one request in hand */

/* ---- The plan ------------------------------------------------------------------------------------- */

typedef enum { END_HALF_CLOSE, END_CLOSE, END_TIMEOUT, END_DRAIN, END_FREE, ENDS } ending;

typedef struct {
    fw_settings settings;
    size_t client_count;
    ending end;
    bool accept_rest;
    bool proxy;                  /* connections begin with a PROXY header */
    bool trusted;                /* ... and these may send one */
    bool inform;                 /* 103 ahead of each response */
    bool files;                  /* sized responses come out of a file */
    unsigned fails, fails_again; /* allocations of the core, see memory.h */
    uint8_t steps[STEPS];
    uint8_t actions[ACTIONS];
} plan;

/* ---- Requests in hand ------------------------------------------------------------------------------- */

typedef enum {
    RESPOND,
    STREAM,
    STREAM_SIZED,
    DELAY,
    ABORT,
    MISTAKES, /* wrong calls first, which must change nothing */
    BODILESS,
    STREAM_SLOWLY
} action;

typedef struct {
    bool used;
    int64_t connection;
    action what;
    uint8_t argument; /* 0 to 31 */
    bool is_head;
    unsigned number; /* of the response on its connection */
    int delay;
    bool begun;
    bool waits; /* for FW_WRITABLE */
    size_t piece, pieces;
    size_t given, rest; /* bytes of the content handed over, and of them not taken */
} job;

typedef struct {
    int64_t connection;
    unsigned responses;
} numbering;

typedef struct {
    fw_worker *worker;
    fw_score score;
    batch_reader reader;
    plan plan;
    job jobs[JOBS_MAX];
    numbering numbers[JOBS_MAX]; /* of the connections that sent a request */
    size_t connections;
    size_t given, done, gone, aborted, lost; /* requests, and what became of them */
    char *held; /* a content's memory that the application keeps beyond its request, or NULL */
    size_t held_size;
    char held_ends[2]; /* its first byte and its last */
    bool untidy; /* a response was cut, or time ran out: clients may see less than was given */
} host;

bool host_begin(host *h, const plan *p); /* makes a worker; false: no memory */
void host_poll(host *h);                 /* one batch, and what is due of earlier ones */
void host_end(host *h);                  /* frees the worker, whatever is open */

#endif
