/* static/encodings.h -- which of a file's precompressed siblings a client prefers (RFC 9110 12.5.3). Pure. */
#ifndef FAPWS_STATIC_ENCODINGS_H
#define FAPWS_STATIC_ENCODINGS_H

#include "http/parser.h"

/* In the order in which they are preferred where the client has no preference. */
typedef enum { FW_BROTLI, FW_ZSTD, FW_GZIP, FW_ENCODINGS } fw_encoding;

typedef struct {
    char name[6];   /* of the content coding */
    char ending[6]; /* of the sibling's name */
} fw_encoding_names;

extern const fw_encoding_names fw__encodings[FW_ENCODINGS];

/* there: a bit, 1 << fw_encoding, for each sibling. FW_ENCODINGS: the file as it is. */
fw_encoding fw__choose_encoding(const fw_head *head, unsigned there);

#endif
