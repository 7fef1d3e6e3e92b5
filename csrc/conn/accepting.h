/* conn/accepting.h -- the listening sockets of a worker, and the pauses in accepting. */
#ifndef FAPWS_ACCEPTING_H
#define FAPWS_ACCEPTING_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "fapws.h"

#define FW_STARVED_MS 100     /* accepting pauses this long when descriptors run out */
#define FW_SHARE_AHEAD 4      /* a worker may have so many connections more than another ... */
#define FW_SHARE_MS 1         /* ... with more it gives the others so much time to accept first */
#define FW_SHARE_PATIENCE 4   /* pauses in a row before twice as many are taken after the next */
#define FW_SHARE_BUSY_MS 20   /* a worker busy with a batch for longer is not waited for */
#define FW_SHARE_LOOKS 4      /* others of the group that are looked at for one answer */
#define FW_ACCEPT_FAILURES 16 /* of clients in a row; then accepting pauses after each */

typedef struct {
    struct fw_worker *worker;
    int fd; /* -1: closed or never used */
    int number;
    bool armed;
    bool proxy; /* its connections begin with a PROXY header */
} fw_listener;

/* Other workers at the same sockets: a part of the scoreboard, see share.c. */
typedef struct {
    const fw_score *rows;
    uint32_t count; /* 0: no other worker's connections are looked at */
    uint32_t next;  /* where the next look begins */
} fw_peers;

typedef struct {
    fw_listener listeners[FW_LISTENERS_MAX];
    int count;
    uv_timer_t timer; /* resumes accepting after a pause */
    bool paused;
    bool made_room;    /* something was closed, or was accepted: see fw__listeners_update() */
    bool took;         /* clients were accepted since this worker joined the end of the queue */
    unsigned gave_way; /* pauses in a row after which a client still waited */
    unsigned failures; /* of accept() in a row, for other reasons than want of descriptors */
    uint64_t told;     /* uv_now() of the last FW_STARVED record; 0: never */
    fw_peers peers;
} fw_accepting;

/* share.c: how many connections to accept now, at most burst; 0: others come first. group: whose
 * sockets, open: this worker's connections. */
uint32_t fw__share(fw_peers *peers, uint64_t group, uint32_t open, uint32_t burst);

/* listener.c */
bool fw__listener_polled(fw_listener *listener);     /* whether its clients were waited for */
void fw__listeners_update(struct fw_worker *worker); /* pauses or resumes as room asks for */
void fw__listeners_close(struct fw_worker *worker, bool accept_rest);

#endif
