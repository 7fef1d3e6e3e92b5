/* base/hash.c -- see hash.h. */
#include "base/hash.h"

#include <string.h>

/* The first byte lowest: multiplying mixes upwards, so that what differs in the high bytes alone would not reach the
 * low bits, of which a place is made. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define FIRST_LOWEST(word) __builtin_bswap64(word)
#else
#define FIRST_LOWEST(word) (word)
#endif

uint64_t fw_hash_text(const char *text, size_t len)
{
    uint64_t hash = 0x9E3779B97F4A7C15u ^ len;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        hash = (hash ^ FIRST_LOWEST(word)) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
        text += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    memcpy(&tail, text, len);
    hash = (hash ^ FIRST_LOWEST(tail)) * 0xC4CEB9FE1A85EC53u;
    hash ^= hash >> 29;
    return hash ? hash : 1;
}
