/* static/names.c -- see names.h.
 * All places where the pattern may stand are followed at once, so that a name costs its length times the steps,
 * whatever the pattern is. */
#include "static/names.h"

#include <stdint.h>
#include <string.h>

#define STEP_SIZE 33

typedef struct {
    const uint8_t *steps;
    unsigned count;
} pattern;

typedef uint64_t places; /* bit n: n steps have taken what was seen so far */

static uint8_t kind_of(const pattern *of, unsigned step)
{
    return of->steps[(size_t)step * STEP_SIZE];
}

static bool takes(const pattern *of, unsigned step, uint8_t byte)
{
    const uint8_t *set = of->steps + (size_t)step * STEP_SIZE + 1;
    return set[byte >> 3] >> (byte & 7) & 1;
}

/* With the places behind steps that may be left out. */
static places past_empty(const pattern *of, places at)
{
    for (unsigned step = 0; step < of->count; step++)
        if ((at >> step & 1) && kind_of(of, step) != '1')
            at |= (places)1 << (step + 1);
    return at;
}

static places advance(const pattern *of, places at, uint8_t byte)
{
    places next = 0;
    for (unsigned step = 0; step < of->count; step++)
        if ((at >> step & 1) && takes(of, step, byte))
            next |= (places)1 << (kind_of(of, step) == '*' ? step : step + 1);
    return past_empty(of, next);
}

static bool matches(const pattern *of, const char *name)
{
    places at = past_empty(of, 1);
    for (; *name && at; name++)
        at = advance(of, at, (uint8_t)*name);
    return at >> of->count & 1;
}

bool fw__name_is_of(fw_slice patterns, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const uint8_t *at = (const uint8_t *)patterns.at;
    const uint8_t *end = at + patterns.len;
    while (at < end) {
        pattern one = {at + 1, *at};
        size_t size = (size_t)one.count * STEP_SIZE;
        if (one.count > FW_NAME_STEPS || size > (size_t)(end - at - 1))
            return false;
        if (matches(&one, name))
            return true;
        at += 1 + size;
    }
    return false;
}
