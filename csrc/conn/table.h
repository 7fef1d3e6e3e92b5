/* conn/table.h -- connections by number: a generation above an index, so that an event never names memory
 * that was reused. */
#ifndef FAPWS_TABLE_H
#define FAPWS_TABLE_H

#include <stdint.h>

struct fw_conn;

typedef struct {
    struct fw_conn **conns; /* NULL: a free place */
    uint32_t *generations;
    uint32_t *free_indexes;
    uint32_t size;
    uint32_t free_count;
    uint32_t open; /* connections in it */
} fw_table;

int64_t fw__table_add(fw_table *table, struct fw_conn *conn); /* its number, or FW_EMEMORY */
void fw__table_remove(fw_table *table, int64_t id);
struct fw_conn *fw__table_find(const fw_table *table, int64_t id); /* NULL: gone */
/* One after the other; *at begins with 0. NULL: that was all. They may be removed meanwhile. */
struct fw_conn *fw__table_next(const fw_table *table, uint32_t *at);
void fw__table_free(fw_table *table);

#endif
