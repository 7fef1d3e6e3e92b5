/* conn/last_requests.h -- a worker's last requests, for whoever wants to know why it died: fw_last of fapws.h.
 * Nothing here is called without one. Plain stores, and nothing of it is believed when it is read. */
#ifndef FAPWS_LAST_REQUESTS_H
#define FAPWS_LAST_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "fapws.h"
#include "http/parser.h"

#define FW_LAST_METHOD 16 /* bytes of a method */

typedef struct {
    int64_t connection;
    const char *method; /* FW_LAST_METHOD bytes can be read */
    size_t method_len;  /* no more than these */
    fw_slice target;
    const char *status; /* three digits */
    uint32_t ms;
} fw_told_request;

/* A request has its response, or the head of it. Returns its place, for the end of one that goes on. */
uint8_t fw__last_add(fw_last *last, const fw_told_request *told);
/* The response at that place, if the place is still its connection's, is at its end. */
void fw__last_ended(fw_last *last, uint8_t place, int64_t connection, uint32_t ms);
/* ms of a request that began at this time of a clock in ns. */
uint32_t fw__last_ms(uint64_t now_ms, uint64_t began_ns);

#endif
