/* static/conditions.c -- see conditions.h. */
#include "static/conditions.h"

#include <string.h>

#include "http/date.h"

/* A name of 8 bytes or more, of letters and "-" alone: in a token, no other byte becomes one of these by that bit. */
static inline bool named(const char *at, const char *lower, size_t len)
{
    const uint64_t bits = UINT64_C(0x2020202020202020);
    uint64_t one, other;
    for (size_t i = 0;; i = i + 16 > len ? len - 8 : i + 8) {
        memcpy(&one, at + i, 8);
        memcpy(&other, lower + i, 8);
        if ((one | bits) != other)
            return false;
        if (i + 8 == len)
            return true;
    }
}

#define IS(field, text)                                                                            \
    ((field)->name.len == sizeof(text) - 1 && named((field)->name.at, (text), sizeof(text) - 1))

/* ---- Entity tags ----------------------------------------------------------------------------------- */

/* Whether a list of entity tags (RFC 9110 8.8.3) names etag, or is "*". weak: W/ makes no difference. */
static bool names_tag(fw_slice list, fw_slice etag, bool weak)
{
    const char *at = list.at;
    const char *end = at + list.len;
    if (fw_slice_equals(list, etag.at, etag.len) || (list.len == 1 && *at == '*'))
        return true;
    while (at < end) {
        bool is_weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
        const char *tag = is_weak ? at + 2 : at;
        if (*tag != '"') {
            at++; /* a comma, white space, or what is no tag */
            continue;
        }
        const char *quote = memchr(tag + 1, '"', (size_t)(end - tag - 1));
        if (!quote)
            return false;
        size_t len = (size_t)(quote - tag) + 1;
        if ((weak || !is_weak) && len == etag.len && memcmp(tag, etag.at, len) == 0)
            return true;
        at = quote + 1;
    }
    return false;
}

/* ---- Together ---------------------------------------------------------------------------------------- */

typedef struct {
    int count; /* a field that is repeated, and is no list, means nothing */
    fw_slice value;
} single;

typedef struct {
    bool match, matched, none_match, none_matched; /* was it there; did a tag fit */
    single since, unmodified, range, if_range;
} asked;

static void note(single *field, fw_slice value)
{
    field->count++;
    field->value = value;
}

static void read_condition(const fw_field *field, fw_slice etag, asked *all)
{
    if (IS(field, "if-match")) {
        all->match = true;
        all->matched = all->matched || names_tag(field->value, etag, false);
    } else if (IS(field, "if-none-match")) {
        all->none_match = true;
        all->none_matched = all->none_matched || names_tag(field->value, etag, true);
    } else if (IS(field, "if-modified-since")) {
        note(&all->since, field->value);
    } else if (IS(field, "if-unmodified-since")) {
        note(&all->unmodified, field->value);
    } else if (IS(field, "if-range")) {
        note(&all->if_range, field->value);
    }
}

static void read_fields(const fw_head *head, fw_slice etag, asked *all)
{
    const fw_field *end = head->fields + head->field_count;
    for (const fw_field *field = head->fields; field < end; field++) {
        if (field->name.len < 8) {
            if (field->name.len == 5 && fw_slice_is(field->name, "range", 5))
                note(&all->range, field->value);
        } else if ((field->name.at[0] | 0x20) == 'i') {
            read_condition(field, etag, all);
        }
    }
}

/* Most clients say what they were told, which needs no reading. False: it is not one date. */
static bool read_date(const single *field, const fw_file_state *file, int64_t *date)
{
    *date = file->modified;
    return field->count == 1 &&
           ((file->date.len && fw_slice_equals(field->value, file->date.at, file->date.len)) ||
            fw_read_date(field->value, date));
}

/* RFC 9110 13.1.5. A date is strong when the second that it names is over: the file may change once more in it. */
static bool still_the_same(const single *if_range, const fw_file_state *file)
{
    int64_t date;
    if (if_range->count == 0)
        return true;
    if (if_range->count > 1 || if_range->value.len == 0)
        return false;
    if (*if_range->value.at == '"')
        return fw_slice_equals(if_range->value, file->etag.at, file->etag.len);
    return read_date(if_range, file, &date) && date == file->modified && date < file->now;
}

static int status_of_range(const asked *all, const fw_file_state *file, fw_range *range)
{
    if (!range || all->range.count != 1 || !still_the_same(&all->if_range, file))
        return 200;
    switch (fw__range_read(all->range.value, file->size, range)) {
    case FW_RANGE_PART: return 206;
    case FW_RANGE_NONE: return 416;
    case FW_RANGE_WHOLE: break;
    }
    return 200;
}

int fw__conditions(const fw_head *head, const fw_file_state *file, fw_range *range)
{
    asked all = {0};
    int64_t date;
    read_fields(head, file->etag, &all);
    if (all.match) {
        if (!all.matched)
            return 412;
    } else if (read_date(&all.unmodified, file, &date) && file->modified > date) {
        return 412;
    }
    if (all.none_match) {
        if (all.none_matched)
            return 304;
    } else if (read_date(&all.since, file, &date) && file->modified <= date) {
        return 304;
    }
    return status_of_range(&all, file, range);
}
