/* http/ready.h -- may clients be sent here? The bytes of the response to a balancer that asks. */
#ifndef FAPWS_READY_H
#define FAPWS_READY_H

#include <stdbool.h>
#include <stddef.h>

#include "http/parser.h"

#define FW_READY_SIZE                                                                              \
    640 /* bytes; the longest response has about 500, with the longest Server field and name */

typedef struct {
    bool away;     /* they may not */
    bool bodiless; /* the request was HEAD */
    bool close;    /* the connection ends with it */
    bool minor;    /* of the request's version, HTTP/1.minor */
} fw_readiness;

int fw_ready_status(const fw_readiness *said);
size_t fw_ready_content(const fw_readiness *said); /* bytes of content in the response */
/* Its length; out holds FW_READY_SIZE bytes. fields: lines that every response has. */
size_t fw_ready_write(char *out, const fw_readiness *said, fw_slice fields);

#endif
