/* static/ranges.h -- which bytes of a file a request's Range field asks for (RFC 9110 14). Pure. */
#ifndef FAPWS_STATIC_RANGES_H
#define FAPWS_STATIC_RANGES_H

#include <stdint.h>

#include "http/parser.h"

typedef struct {
    uint64_t first;
    uint64_t size; /* bytes from first on */
} fw_range;

typedef enum {
    FW_RANGE_WHOLE, /* the field means nothing here, or asks for pieces that lie apart: all of it is sent */
    FW_RANGE_PART, /* range is what is sent */
    FW_RANGE_NONE  /* it asks for nothing that there is: 416 */
} fw_range_verdict;

/* value: of the Range field. size: of the file. Pieces that adjoin or overlap, each with what is there of those
 * before it, are one; those that lie apart would need multipart/byteranges, and RFC 9110 14.2 lets a server ignore
 * the field instead. */
fw_range_verdict fw__range_read(fw_slice value, uint64_t size, fw_range *range);

#endif
