/* static/ranges.c -- see ranges.h. */
#include "static/ranges.h"

#include <stdbool.h>
#include <string.h>

#include "http/parser.h"

#define UNIT "bytes"

typedef struct {
    const char *at;
    const char *end;
} text;

typedef struct {
    uint64_t first;
    uint64_t last; /* of the file's bytes */
    bool known;    /* there is one */
    bool apart;    /* there is another that it does not touch */
    bool
        nothing; /* the last bytes of an empty file: satisfiable, but no Content-Range can tell it */
} collected;

static bool next_is(const text *rest, char wanted)
{
    return rest->at < rest->end && *rest->at == wanted;
}

static bool take(text *rest, char wanted)
{
    bool there = next_is(rest, wanted);
    rest->at += there;
    return there;
}

static void skip_space(text *rest)
{
    while (next_is(rest, ' ') || next_is(rest, '\t'))
        rest->at++;
}

/* A number beyond what can be counted is the largest one: no file has so many bytes. */
static bool take_number(text *rest, uint64_t *number)
{
    const char *begin = rest->at;
    *number = 0;
    for (; rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9'; rest->at++) {
        uint64_t digit = (uint64_t)(*rest->at - '0');
        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
    }
    return rest->at > begin;
}

static void collect(collected *all, uint64_t first, uint64_t last)
{
    if (!all->known) {
        all->known = true;
        all->first = first;
        all->last = last;
    } else if (first > all->last + 1 || all->first > last + 1) {
        all->apart = true;
    } else {
        all->first = first < all->first ? first : all->first;
        all->last = last > all->last ? last : all->last;
    }
}

static bool take_suffix(text *rest, uint64_t size, collected *all)
{
    uint64_t count;
    if (!take_number(rest, &count))
        return false;
    if (count > 0 && size > 0)
        collect(all, count < size ? size - count : 0, size - 1);
    all->nothing = all->nothing || (count > 0 && size == 0);
    return true;
}

static bool take_range(text *rest, uint64_t size, collected *all)
{
    uint64_t first, last = UINT64_MAX;
    if (take(rest, '-'))
        return take_suffix(rest, size, all);
    if (!take_number(rest, &first) || !take(rest, '-'))
        return false;
    if (take_number(rest, &last)) {
        if (last < first)
            return false;
    } else {
        last = UINT64_MAX;
    }
    if (first < size)
        collect(all, first, last < size ? last : size - 1);
    return true;
}

/* 1#range-spec, with the empty elements that RFC 9110 5.6.1.2 has a recipient accept. */
static bool take_set(text *rest, uint64_t size, collected *all)
{
    bool any = false;
    for (;;) {
        skip_space(rest);
        if (rest->at == rest->end)
            return any;
        if (take(rest, ','))
            continue;
        if (!take_range(rest, size, all))
            return false;
        any = true;
        skip_space(rest);
        if (rest->at < rest->end && !take(rest, ','))
            return false;
    }
}

fw_range_verdict fw__range_read(fw_slice value, uint64_t size, fw_range *range)
{
    size_t unit = sizeof UNIT - 1;
    collected all = {0};
    if (value.len <= unit || value.at[unit] != '=' ||
        !fw_slice_is((fw_slice){value.at, unit}, UNIT, unit))
        return FW_RANGE_WHOLE;
    text rest = {value.at + unit + 1, value.at + value.len};
    if (!take_set(&rest, size, &all) || all.apart || all.nothing)
        return FW_RANGE_WHOLE;
    if (!all.known)
        return FW_RANGE_NONE;
    range->first = all.first;
    range->size = all.last - all.first + 1;
    return FW_RANGE_PART;
}
