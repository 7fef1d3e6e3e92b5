/* static/conditions.c -- see conditions.h. */
#include "static/conditions.h"

#include <string.h>

#include "http/date.h"

#define IS(slice, text) fw_slice_is((slice), (text), sizeof(text) - 1)

/* ---- Entity tags ----------------------------------------------------------------------------------- */

/* Whether a list of entity tags (RFC 9110 8.8.3) names etag, or is "*". weak: W/ makes no difference. */
static bool names_tag(fw_slice list, fw_slice etag, bool weak)
{
    const char *at = list.at;
    const char *end = at + list.len;
    if (list.len == 1 && *at == '*')
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
    if (IS(field->name, "if-match")) {
        all->match = true;
        all->matched = all->matched || names_tag(field->value, etag, false);
    } else if (IS(field->name, "if-none-match")) {
        all->none_match = true;
        all->none_matched = all->none_matched || names_tag(field->value, etag, true);
    } else if (IS(field->name, "if-modified-since")) {
        note(&all->since, field->value);
    } else if (IS(field->name, "if-unmodified-since")) {
        note(&all->unmodified, field->value);
    } else if (IS(field->name, "if-range")) {
        note(&all->if_range, field->value);
    }
}

static asked read_fields(const fw_head *head, fw_slice etag)
{
    asked all = {0};
    for (size_t i = 0; i < head->field_count; i++) {
        const fw_field *field = &head->fields[i];
        if (field->name.len == 5 && IS(field->name, "range"))
            note(&all.range, field->value);
        else if (field->name.len >= 8 && (field->name.at[0] | 0x20) == 'i')
            read_condition(field, etag, &all);
    }
    return all;
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
    return fw_read_date(if_range->value, &date) && date == file->modified && date < file->now;
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
    asked all = read_fields(head, file->etag);
    int64_t date;
    if (all.match) {
        if (!all.matched)
            return 412;
    } else if (all.unmodified.count == 1 && fw_read_date(all.unmodified.value, &date) &&
               file->modified > date) {
        return 412;
    }
    if (all.none_match) {
        if (all.none_matched)
            return 304;
    } else if (all.since.count == 1 && fw_read_date(all.since.value, &date) &&
               file->modified <= date) {
        return 304;
    }
    return status_of_range(&all, file, range);
}
