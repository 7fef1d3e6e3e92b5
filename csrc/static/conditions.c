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
    bool match, matched, none_match, none_matched; /* was it there; did a tag fit */
    int since, unmodified; /* how many fields; one that is repeated is none */
    fw_slice since_value, unmodified_value;
} asked;

static asked read_fields(const fw_head *head, fw_slice etag)
{
    asked all = {0};
    for (size_t i = 0; i < head->field_count; i++) {
        const fw_field *field = &head->fields[i];
        if (field->name.len < 8 || (field->name.at[0] | 0x20) != 'i')
            continue;
        if (IS(field->name, "if-match")) {
            all.match = true;
            all.matched = all.matched || names_tag(field->value, etag, false);
        } else if (IS(field->name, "if-none-match")) {
            all.none_match = true;
            all.none_matched = all.none_matched || names_tag(field->value, etag, true);
        } else if (IS(field->name, "if-modified-since")) {
            all.since++;
            all.since_value = field->value;
        } else if (IS(field->name, "if-unmodified-since")) {
            all.unmodified++;
            all.unmodified_value = field->value;
        }
    }
    return all;
}

int fw__conditions(const fw_head *head, fw_slice etag, int64_t modified)
{
    asked all = read_fields(head, etag);
    int64_t date;
    if (all.match) {
        if (!all.matched)
            return 412;
    } else if (all.unmodified == 1 && fw_read_date(all.unmodified_value, &date) &&
               modified > date) {
        return 412;
    }
    if (all.none_match)
        return all.none_matched ? 304 : 200;
    if (all.since == 1 && fw_read_date(all.since_value, &date) && modified <= date)
        return 304;
    return 200;
}
