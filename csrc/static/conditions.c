/* static/conditions.c -- see conditions.h. */
#include "static/conditions.h"

#include <stdio.h>
#include <string.h>

#define IS(slice, text) fw_slice_is((slice), (text), sizeof(text) - 1)

/* ---- Dates --------------------------------------------------------------------------------------- */

typedef struct {
    int year, day, hour, minute, second;
    char month[4];
} parts;

static int month_of(const char *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++)
        if (memcmp(names + 3 * (size_t)month, name, 3) == 0)
            return month + 1;
    return 0;
}

/* Days since 1970 of the Gregorian calendar; the year begins in March, so that a leap day ends it. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_parts(const char *text, size_t len, parts *got)
{
    int end = -1;
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &got->day, got->month,
               &got->year, &got->hour, &got->minute, &got->second, &end) == 6 &&
        end == (int)len)
        return true;
    if (sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &got->day, got->month,
               &got->year, &got->hour, &got->minute, &got->second, &end) == 6 &&
        end == (int)len) {
        got->year += got->year < 70 ? 2000 : 1900;
        return true;
    }
    return sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", got->month, &got->day,
                  &got->hour, &got->minute, &got->second, &got->year, &end) == 6 &&
           end == (int)len;
}

bool fw__read_date(fw_slice text, int64_t *seconds)
{
    char copy[40]; /* the longest has 33: Wednesday */
    parts got = {0};
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (!read_parts(copy, text.len, &got))
        return false;
    int month = strlen(got.month) == 3 ? month_of(got.month) : 0;
    if (!month || got.day < 1 || got.day > 31 || got.hour < 0 || got.hour > 23 || got.minute < 0 ||
        got.minute > 59 || got.second < 0 || got.second > 60 || got.year < 1)
        return false;
    *seconds =
        days_of(got.year, month, got.day) * 86400 + got.hour * 3600 + got.minute * 60 + got.second;
    return true;
}

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
    } else if (all.unmodified == 1 && fw__read_date(all.unmodified_value, &date) &&
               modified > date) {
        return 412;
    }
    if (all.none_match)
        return all.none_matched ? 304 : 200;
    if (all.since == 1 && fw__read_date(all.since_value, &date) && modified <= date)
        return 304;
    return 200;
}
