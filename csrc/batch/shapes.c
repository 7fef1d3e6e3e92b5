/* batch/shapes.c -- what clients repeat with every request: method, version, listener and the
 * sequence of field names.
 * Owns:   fw_shapes: FW_SHAPES places in sets of SET_SIZE. Names only, never values, so nothing
 *         private is kept.
 * A shape is stored when its text is looked for twice in a row within its set of places, so a client
 * that sends random names costs misses but pushes out no shape in use. A hit compares the whole text: two shapes of one hash
 * must never be taken for each other, or values would get the wrong names. */
#include "batch/shapes.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define SET_SIZE 4
#define SETS (FW_SHAPES / SET_SIZE)
#define TEXT_MAX 4096 /* bytes; bounds the table's memory to 256 KB */

static bool shape_admit(fw_shape *shape, const char *text, size_t len, uint64_t hash)
{
    char *copy = realloc(shape->text, len);
    if (!copy)
        return false;
    memcpy(copy, text, len);
    shape->text = copy;
    shape->len = len;
    shape->hash = hash;
    return true;
}

int fw__shape_find(fw_shapes *shapes, const char *text, size_t len, bool *define)
{
    *define = false;
    if (len > TEXT_MAX)
        return -1;
    uint64_t hash = fw_hash_text(text, len);
    size_t first = (size_t)(hash >> 8) % SETS * SET_SIZE;
    fw_shape *set = &shapes->slots[first];
    for (size_t i = 0; i < SET_SIZE; i++)
        if (set[i].hash == hash && set[i].len == len && memcmp(set[i].text, text, len) == 0)
            return (int)(first + i);
    if (set->candidate != hash) {
        set->candidate = hash;
        return -1;
    }
    set->candidate = 0;
    size_t victim = 0;
    while (victim < SET_SIZE - 1 && set[victim].hash != 0)
        victim++;
    if (set[victim].hash != 0)
        victim = (size_t)(hash >> 40) % SET_SIZE;
    if (!shape_admit(&set[victim], text, len, hash))
        return -1;
    set[victim].serial = ++shapes->admitted;
    *define = true;
    return (int)(first + victim);
}

void fw__shapes_free(fw_shapes *shapes)
{
    for (size_t i = 0; i < FW_SHAPES; i++)
        free(shapes->slots[i].text);
}
