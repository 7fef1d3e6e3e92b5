/* base/hash.h -- a fast hash of text, to find a place in a table by.
 * It has no secret: whoever uses it compares the whole text, and bounds what a collision can cost. */
#ifndef FAPWS_HASH_H
#define FAPWS_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Never 0, which so can stand for an empty place. */
uint64_t fw_hash_text(const char *text, size_t len);

#endif
