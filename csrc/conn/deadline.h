/* conn/deadline.h -- one FIFO list per kind of timeout, because all members of a kind wait equally long. */
#ifndef FAPWS_DEADLINE_H
#define FAPWS_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "fapws.h"

#define FW_CROWD_TURN 64  /* connections closed in one turn when many are due at once */
#define FW_LINGER_MS 2000 /* how long a refused client may go on sending before the close */

#define FW_MARK_MS 100 /* how long content may stay in the kernel until all of it is there */
#define FW_TURN_MS                                                                                 \
    1000 /* how long it may wait there for a block, while faster ones have them all */

typedef enum {
    FW_DEADLINE_HEAD,
    FW_DEADLINE_CONTENT,
    FW_DEADLINE_IDLE,
    FW_DEADLINE_WRITE,
    FW_DEADLINE_LINGER,
    FW_DEADLINE_MARK,
    FW_DEADLINE_TURN,
    FW_DEADLINE_KINDS,
    FW_DEADLINE_NONE = FW_DEADLINE_KINDS
} fw_deadline_kind;

typedef struct {
    fw_link link;
    uint64_t due;          /* ms, uv_now() */
    fw_deadline_kind kind; /* meaningful while linked */
} fw_deadline;

/* Whether the owner can take one more now; the deadline has left its list then. */
typedef bool fw_expired(void *owner, fw_deadline *deadline);

typedef struct {
    uv_timer_t timer;
    uint64_t armed; /* when the timer fires; 0: not armed */
    fw_list lists[FW_DEADLINE_KINDS];
    uint32_t waits[FW_DEADLINE_KINDS]; /* ms; 0: off */
    const uint64_t *beat;              /* the last sign of life, in the loop's clock */
    fw_expired *expired;
    void *owner;
} fw_deadlines;

/* beat, expired and owner are given, and the timer is initialised. */
void fw__deadlines_new(fw_deadlines *all, const fw_settings *settings);
void fw__deadline_set(fw_deadlines *all, fw_deadline *deadline, fw_deadline_kind kind);
void fw__deadline_clear(fw_deadline *deadline);

#endif
