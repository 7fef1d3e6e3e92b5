/* conn/tally.h -- what a worker counts for metrics, where somebody wants them: fw_tally of fapws.h.
 * Nothing here is called without one. Plain stores: readers see each number whole, and perhaps a little late. */
#ifndef FAPWS_TALLY_H
#define FAPWS_TALLY_H

#include "conn/states.h"
#include "fapws.h"

/* A connection takes a step; a new one is FW_CONN_IDLE from the start. */
void fw__tally_opened(fw_tally *tally);
void fw__tally_step(fw_tally *tally, fw_conn_state from, fw_conn_state to);
/* A response of the application is complete: the first digit of its status, and how long it took. */
void fw__tally_responded(fw_tally *tally, unsigned digit, uint64_t ns);
void fw__tally_refused(fw_tally *tally, int code);

#endif
