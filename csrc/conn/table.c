/* conn/table.c -- see table.h. A place that is used again gets the next generation, and the old number finds
 * nothing.
 * Owns:   the arrays of a table; never a connection. */
#include "conn/table.h"

#include <stdlib.h>

#include "error.h"

#define INDEX_BITS 24
#define INDEX_MASK ((1 << INDEX_BITS) - 1)
#define FIRST_SIZE 64u
#define GENERATION_MASK 0x7fffffffu /* keeps numbers positive */

static int table_grow(fw_table *table)
{
    uint32_t old = table->size;
    uint32_t size = old ? old + old / 2 : FIRST_SIZE; /* all of it is written to */
    if (size > INDEX_MASK)
        return FW_EMEMORY;
    struct fw_conn **conns = realloc(table->conns, size * sizeof *conns);
    if (!conns)
        return FW_EMEMORY;
    table->conns = conns;
    uint32_t *generations = realloc(table->generations, size * sizeof *generations);
    if (!generations)
        return FW_EMEMORY;
    table->generations = generations;
    uint32_t *free_indexes = realloc(table->free_indexes, size * sizeof *free_indexes);
    if (!free_indexes)
        return FW_EMEMORY;
    table->free_indexes = free_indexes;
    for (uint32_t index = size; index-- > old;) {
        table->conns[index] = NULL;
        table->generations[index] = 0;
        table->free_indexes[table->free_count++] = index;
    }
    table->size = size;
    return 0;
}

int64_t fw__table_add(fw_table *table, struct fw_conn *conn)
{
    if (table->free_count == 0) {
        int code = table_grow(table);
        if (code)
            return code;
    }
    uint32_t index = table->free_indexes[--table->free_count];
    table->conns[index] = conn;
    table->open++;
    return (int64_t)table->generations[index] << INDEX_BITS | index;
}

void fw__table_remove(fw_table *table, int64_t id)
{
    uint32_t index = (uint32_t)(id & INDEX_MASK);
    table->conns[index] = NULL;
    table->generations[index] = (table->generations[index] + 1) & GENERATION_MASK;
    table->free_indexes[table->free_count++] = index;
    table->open--;
}

struct fw_conn *fw__table_find(const fw_table *table, int64_t id)
{
    uint64_t index = (uint64_t)id & INDEX_MASK;
    if (id < 0 || index >= table->size)
        return NULL;
    return (int64_t)table->generations[index] == id >> INDEX_BITS ? table->conns[index] : NULL;
}

struct fw_conn *fw__table_next(const fw_table *table, uint32_t *at)
{
    while (*at < table->size) {
        struct fw_conn *conn = table->conns[(*at)++];
        if (conn)
            return conn;
    }
    return NULL;
}

void fw__table_free(fw_table *table)
{
    free(table->conns);
    free(table->generations);
    free(table->free_indexes);
}
