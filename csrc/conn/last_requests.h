/* conn/last_requests.h -- a worker's last requests, for whoever wants to know why it died: fw_last of fapws.h.
 * Nothing here is called without one. Plain stores, and nothing of it is believed when it is read. */
#ifndef FAPWS_LAST_REQUESTS_H
#define FAPWS_LAST_REQUESTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fapws.h"
#include "http/parser.h"

#define FW_LAST_METHOD 16 /* bytes of a method */
#define FW_LAST_STEP                                                                               \
    16 /* bytes of a line that are copied at a time; what is beyond its end is not read */

_Static_assert(FW_REQUEST_LINE % FW_LAST_STEP == 0, "copied in whole steps");
_Static_assert(FW_REQUEST_LINE <= FW_LAST_LINE, "a line of the scoreboard has room");

/* A place for a request that has its response, or the head of it; the oldest gives way. The caller gives it a
 * line. status: three digits. */
static inline fw_last_request *fw__last_new(fw_last *last, int64_t connection, const char *status,
                                            uint64_t ms)
{
    fw_last_request *made = &last->requests[last->count++ % FW_LAST_REQUESTS];
    made->connection = connection;
    made->ms = ms;
    memcpy(made->status, status, sizeof made->status);
    return made;
}

/* The line that the scoreboard shows of it, in whole steps: few instructions, and no call. */
static inline void fw__last_shown(fw_last_request *made, const char *line, size_t len)
{
    made->line_len = (uint8_t)len;
    for (size_t at = 0; at < len; at += FW_LAST_STEP)
        memcpy(made->line + at, line + at, FW_LAST_STEP);
}

/* The same of a method and a target, of which the first FW_LAST_TARGET bytes are kept. */
void fw__last_line(fw_last_request *made, fw_slice method, fw_slice target);
/* A request that the core has answered itself, with this status. */
void fw__last_own(fw_last *last, int64_t connection, int status, fw_slice method, fw_slice target);
/* The response at that place, if the place is still its connection's, is at its end. */
void fw__last_ended(fw_last *last, uint8_t place, int64_t connection, uint64_t ms);
void fw__last_refused(fw_last *last, int code);

#endif
