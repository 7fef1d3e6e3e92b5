/* conn/pool.h -- blocks of memory for large contents, which are used again: a fresh page of the system costs
 * about as much as filling it.
 * A block is the bytes that its owner has; how large it is stands in front of them. */
#ifndef FAPWS_POOL_H
#define FAPWS_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "fapws.h"

#define FW_POOL_IDLE_MS 10000 /* after the last use, what the pool keeps goes back to the system */
#define FW_ROOM_SIZE (1u << 20)

typedef struct {
    uv_timer_t timer; /* its data is the pool */
    fw_list free;     /* blocks that nobody has */
    uint64_t kept;    /* their bytes */
    char *room;       /* FW_ROOM_SIZE bytes, or NULL */
    fw_score *score;  /* rss: an idle worker weighs itself no more, and the master goes by it */
} fw_pool;

/* All zero, and score given, is a pool that fw__pool_new() makes an empty one. */
void fw__pool_new(fw_pool *pool);
char *fw__pool_find(fw_pool *pool, size_t least); /* one that is kept, or NULL */
void fw__pool_keep(fw_pool *pool, char *block);
void fw__pool_clear(fw_pool *pool); /* all that are kept go back to the system, and the room */
/* For one read, beside all blocks; NULL for want of memory. */
char *fw__pool_room(fw_pool *pool);

char *fw__block_new(size_t size); /* NULL for want of memory */
size_t fw__block_size(const char *block);
void fw__block_free(char *block); /* on any thread; the pool hears nothing of it */

#endif
