/* conn/crowd.h -- what a crowd of connections took goes back to the system when it has gone. */
#ifndef FAPWS_CROWD_H
#define FAPWS_CROWD_H

#include <stdint.h>
#include <uv.h>

#include "fapws.h"

typedef struct {
    uv_timer_t timer;     /* its data is the crowd */
    uint32_t most;        /* connections at a time since memory was given back */
    const uint32_t *open; /* connections now */
    fw_score *score;      /* rss: an idle worker weighs itself no more, and the master goes by it */
} fw_crowd;

void fw__crowd_left(fw_crowd *crowd, uint32_t gone); /* so many were just closed and freed */

#endif
