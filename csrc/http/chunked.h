/* http/chunked.h -- the chunked transfer coding (RFC 9112 section 7.1), decoded in place.
 * Owns:   nothing; allocates nothing. The few words of state are the caller's. */
#ifndef FAPWS_CHUNKED_H
#define FAPWS_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t left;     /* data bytes still to come of the chunk in hand */
    uint64_t overhead; /* bytes of extensions so far, bounded */
    uint32_t trailer;  /* bytes of the trailer section so far, bounded */
    uint8_t digits;    /* hex digits read of the size line in hand */
    uint8_t state;     /* private to chunked.c; 0 is the start */
} fw_chunked;

/* All zero is the start of a content. */

/* Decodes buf[0 .. *len) in place. On return buf[0 .. *len) is content.
 * FW_MORE: all bytes were used, more must come.
 * >= 0:    the content is complete; the value is how many bytes of the input after it were not
 *          used: they stand at the input's end (buf + original *len - value), unmoved.
 * other:   the code that says what is wrong; *len is what was valid content before it.
 * After the end or an error the decoder is spent: zero it before the next content. */
int64_t fw_decode_chunked(fw_chunked *decoder, char *buf, size_t *len);

#endif
