/* conn/tally.h -- what a worker counts for metrics, where somebody wants them: fw_tally of fapws.h.
 * Nothing here is called without one. Plain stores: readers see each number whole, and perhaps a little late.
 * What the row of the scoreboard says already (connections that are open, requests in flight) is not counted
 * again: a request of a connection that stays costs no step here. */
#ifndef FAPWS_TALLY_H
#define FAPWS_TALLY_H

#include "conn/states.h"
#include "fapws.h"

#define FW_TALLY_FIRST 5 /* ms; the first bound, up to which most responses take */

/* Whether a step between these is counted: few requests take one. */
static inline bool fw__tally_counts(fw_conn_state from, fw_conn_state to)
{
    const unsigned counted = 1u << FW_CONN_HEAD | 1u << FW_CONN_CONTENT | 1u << FW_CONN_FLUSHING |
                             1u << FW_CONN_LINGERING;
    return ((1u << from | 1u << to) & counted) != 0;
}

/* A connection takes a step that is counted. */
void fw__tally_step(fw_tally *tally, fw_conn_state from, fw_conn_state to);
/* The place of a duration beyond the first bound. */
unsigned fw__tally_place(uint64_t ms);
void fw__tally_refused(fw_tally *tally, int code);

/* A response of the application is complete: the first digit of its status, and how long it took. */
static inline void fw__tally_responded(fw_tally *tally, unsigned digit, uint64_t ms)
{
    tally->durations[ms <= FW_TALLY_FIRST ? 0 : fw__tally_place(ms)]++;
    tally->duration_ms += ms;
    tally->classes[digit & 7]++; /* there is no 8xx: no branch for it */
}

#endif
