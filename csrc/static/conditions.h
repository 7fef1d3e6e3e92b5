/* static/conditions.h -- what a request is answered with in view of what the client has (RFC 9110 13 and 14). Pure. */
#ifndef FAPWS_STATIC_CONDITIONS_H
#define FAPWS_STATIC_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "http/parser.h"
#include "static/ranges.h"

/* What a client may have heard of a file. */
typedef struct {
    fw_slice etag;    /* strong, with its quotes */
    int64_t modified; /* seconds since 1970 */
    int64_t now;      /* the same, of this response */
    uint64_t size;
    fw_slice date; /* modified as Last-Modified tells it; len 0: it tells another time, or none */
} fw_file_state;

/* In the order of RFC 9110 13.2.2, for GET and HEAD. 200: the file; 206: range of it; 304: the client has it; 412: it
 * wanted another one; 416: it wants bytes that the file does not have. range: NULL for HEAD, which has none. */
int fw__conditions(const fw_head *head, const fw_file_state *file, fw_range *range);

#endif
