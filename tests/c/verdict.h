/* verdict.h -- one verdict on a request head from many ways to feed it: whole, at every length, byte
 * by byte and in two pieces, against pages that must not be touched. Include after guard.h. */
#ifndef VERDICT_H
#define VERDICT_H

#include "error.h"
#include "fapws.h"
#include "http/parser.h"
#include "check.h"

#define CAPACITY 300
#define LONG_TEXT 3000 /* above, not every length is tried, or the n^2 would be felt */

static fw_field fields[CAPACITY];
static fw_head head; /* what the last accepted text was */
static fw_head_limits limits = {65536, 8192, 100};

static inline int64_t parse(const char *bytes, size_t len, size_t seen)
{
    memset(&head, 0x55, sizeof head); /* nothing may be left unset */
    head.fields = fields;
    return fw_parse_head(bytes, len, seen, &limits, &head);
}

/* A length at which the verdict must stand: FW_MORE before the fault or end, expected after it. */
static inline void check_length(const char *text, size_t total, size_t len, int64_t expected,
                                bool *told)
{
    int64_t got = parse(guard_before_end(text, len), len, 0);
    NOTE("%zu bytes of %.60s: %lld, not %lld", len, text, (long long)got, (long long)expected);
    if (*told || (expected > 0 && len >= (size_t)expected))
        CHECK(got == expected);
    else
        CHECK(got == FW_MORE || (expected < 0 && got == expected));
    *told = got == expected;
    if (got != FW_MORE)
        return;
    /* The rest comes in one piece. */
    got = parse(text, total, len);
    NOTE("%.60s in pieces at %zu: %lld, not %lld", text, len, (long long)got, (long long)expected);
    CHECK(got == expected);
}

static inline void check_drip(const char *text, size_t total, int64_t expected)
{
    int64_t got = FW_MORE;
    size_t len = 0;
    while (got == FW_MORE && len < total) {
        size_t seen = len++;
        got = parse(guard_before_end(text, len), len, seen);
    }
    NOTE("%.60s byte by byte to %zu: %lld, not %lld", text, len, (long long)got,
         (long long)expected);
    CHECK(got == expected);
    CHECK(expected <= 0 || len == (size_t)expected);
}

static inline int64_t verdict_of(const char *text, size_t total)
{
    int64_t expected = parse(guard_before_end(text, total), total, 0);
    size_t step = total > LONG_TEXT ? total / 97 : 1;
    bool told = false;
    for (size_t len = 0; len < total; len += step)
        check_length(text, total, len, expected, &told);
    check_drip(text, total, expected);
    int64_t got = parse(guard_after_start(text, total), total, 0);
    NOTE("%.60s", text);
    CHECK(got == expected);
    return got;
}

static inline int64_t verdict(const char *text)
{
    return verdict_of(text, strlen(text));
}

#define ACCEPTED(text) CHECK(verdict(text) == (int64_t)strlen(text))
#define REFUSED(code, text) CHECK(verdict(text) == (code))

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define WITH(lines) LINE HOST lines "\r\n"
#define WITH_1_0(lines) "GET / HTTP/1.0\r\n" lines "\r\n"

static inline bool is(fw_slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.at, text, slice.len) == 0;
}

static inline bool field_is(size_t i, const char *name, const char *value)
{
    return i < head.field_count && is(fields[i].name, name) && is(fields[i].value, value);
}

static inline void with_limits(size_t size, size_t target, size_t count)
{
    limits = (fw_head_limits){size, target, count};
}

#endif
