/* conn/pool.c -- see pool.h.
 * Owns:   the blocks that nobody has, the room, and the timer.
 * Never:  says no: how many bytes there may be is its caller's to know. */
#include "conn/pool.h"

#include "sys/memory.h"

#define HEADER 4096 /* bytes; so that the block itself begins at a page */

typedef struct {
    fw_link link; /* while nobody has the block */
    size_t size;
} block_header;

static block_header *header_of(const char *block)
{
    return (block_header *)(void *)(uintptr_t)(block - HEADER);
}

char *fw__block_new(size_t size)
{
    char *pages = fw_pages_new(HEADER + size);
    if (!pages)
        return NULL;
    block_header *header = (block_header *)(void *)pages;
    header->size = size;
    return pages + HEADER;
}

size_t fw__block_size(const char *block)
{
    return header_of(block)->size;
}

void fw__block_free(char *block)
{
    fw_pages_free(block - HEADER, HEADER + fw__block_size(block));
}

static void on_idle(uv_timer_t *timer)
{
    fw_pool *pool = timer->data;
    size_t rss;
    fw__pool_clear(pool);
    if (uv_resident_set_memory(&rss) == 0)
        pool->score->rss = rss;
}

void fw__pool_new(fw_pool *pool)
{
    fw_list_init(&pool->free);
}

static char *taken(fw_pool *pool, block_header *header)
{
    fw_link_remove(&header->link);
    pool->kept -= header->size;
    return (char *)header + HEADER;
}

/* The last one kept comes first: its bytes may still be in the processor's caches. */
char *fw__pool_find(fw_pool *pool, size_t least)
{
    for (fw_link *link = pool->free.head.next; link != &pool->free.head; link = link->next) {
        block_header *header = FW_CONTAINER(link, block_header, link);
        if (header->size >= least)
            return taken(pool, header);
    }
    return NULL;
}

void fw__pool_keep(fw_pool *pool, char *block)
{
    fw_list_prepend(&pool->free, &header_of(block)->link);
    pool->kept += fw__block_size(block);
    (void)uv_timer_start(&pool->timer, on_idle, FW_POOL_IDLE_MS, 0);
}

void fw__pool_clear(fw_pool *pool)
{
    fw_link *first;
    while ((first = fw_list_first(&pool->free)) != NULL)
        fw__block_free(taken(pool, FW_CONTAINER(first, block_header, link)));
    if (pool->room)
        fw_pages_free(pool->room, FW_ROOM_SIZE);
    pool->room = NULL;
}

/* Who reads again and again, and slowly perhaps, does not keep the blocks from going back. */
char *fw__pool_room(fw_pool *pool)
{
    if (!pool->room)
        pool->room = fw_pages_new(FW_ROOM_SIZE);
    if (!uv_is_active((uv_handle_t *)&pool->timer))
        (void)uv_timer_start(&pool->timer, on_idle, FW_POOL_IDLE_MS, 0);
    return pool->room;
}
