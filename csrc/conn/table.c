/* conn/table.c -- connections by number, so that an event never names memory that was reused.
 * Owns:   worker->table and its lists of free places.
 * Called: conn.c adds and removes, response.c finds.
 * A number is a generation above an index: a place that is used again gets the next generation, and
 * the old number finds nothing. */
#include "core.h"

#include <stdlib.h>

#define INDEX_BITS 24
#define INDEX_MASK ((1 << INDEX_BITS) - 1)
#define FIRST_SIZE 64u
#define GENERATION_MASK 0x7fffffffu /* keeps numbers positive */

static int table_grow(fw_worker *worker)
{
    uint32_t old = worker->table_size;
    uint32_t size = old ? old * 2 : FIRST_SIZE;
    if (size > INDEX_MASK)
        return FW_EMEMORY;
    fw_conn **table = realloc(worker->table, size * sizeof *table);
    if (!table)
        return FW_EMEMORY;
    worker->table = table;
    uint32_t *generations = realloc(worker->generations, size * sizeof *generations);
    if (!generations)
        return FW_EMEMORY;
    worker->generations = generations;
    uint32_t *free_indexes = realloc(worker->free_indexes, size * sizeof *free_indexes);
    if (!free_indexes)
        return FW_EMEMORY;
    worker->free_indexes = free_indexes;
    for (uint32_t index = size; index-- > old;) {
        worker->table[index] = NULL;
        worker->generations[index] = 0;
        worker->free_indexes[worker->free_count++] = index;
    }
    worker->table_size = size;
    return 0;
}

int fw__table_add(fw_worker *worker, fw_conn *conn)
{
    if (worker->free_count == 0) {
        int code = table_grow(worker);
        if (code)
            return code;
    }
    uint32_t index = worker->free_indexes[--worker->free_count];
    worker->table[index] = conn;
    conn->id = (int64_t)worker->generations[index] << INDEX_BITS | index;
    worker->open_count++;
    return 0;
}

void fw__table_remove(fw_worker *worker, fw_conn *conn)
{
    uint32_t index = (uint32_t)(conn->id & INDEX_MASK);
    worker->table[index] = NULL;
    worker->generations[index] = (worker->generations[index] + 1) & GENERATION_MASK;
    worker->free_indexes[worker->free_count++] = index;
    worker->open_count--;
}

fw_conn *fw__table_find(const fw_worker *worker, int64_t id)
{
    uint64_t index = (uint64_t)id & INDEX_MASK;
    if (id < 0 || index >= worker->table_size)
        return NULL;
    fw_conn *conn = worker->table[index];
    return conn && conn->id == id ? conn : NULL;
}
