/* test_parser.c -- request heads: what is read, what is refused, and that neither depends on how
 * the bytes arrive. Every text goes through verdict(), which parses it whole, at every length, byte
 * by byte and in two pieces, against pages that must not be touched. */
#include "guard.h"

#include "../../csrc/error.h"
#include "../../csrc/fapws.h"
#include "../../csrc/parser.h"
#include "check.h"

#define CAPACITY 300
#define LONG_TEXT 3000 /* above, not every length is tried, or the n^2 would be felt */

static fw_field fields[CAPACITY];
static fw_head head; /* what the last accepted text was */
static fw_head_limits limits = {65536, 8192, 100};

/* ---- One verdict from many ways -------------------------------------------------------------- */

static int64_t parse(const char *bytes, size_t len, size_t seen)
{
    memset(&head, 0x55, sizeof head); /* nothing may be left unset */
    head.fields = fields;
    return fw_parse_head(bytes, len, seen, &limits, &head);
}

/* A length at which the verdict must stand: FW_MORE before the fault or end, expected after it. */
static void check_length(const char *text, size_t total, size_t len, int64_t expected, bool *told)
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

static void check_drip(const char *text, size_t total, int64_t expected)
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

static int64_t verdict_of(const char *text, size_t total)
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

static int64_t verdict(const char *text)
{
    return verdict_of(text, strlen(text));
}

#define ACCEPTED(text) CHECK(verdict(text) == (int64_t)strlen(text))
#define REFUSED(code, text) CHECK(verdict(text) == (code))

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define WITH(lines) LINE HOST lines "\r\n"
#define WITH_1_0(lines) "GET / HTTP/1.0\r\n" lines "\r\n"

static bool is(fw_slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.at, text, slice.len) == 0;
}

static bool field_is(size_t i, const char *name, const char *value)
{
    return i < head.field_count && is(fields[i].name, name) && is(fields[i].value, value);
}

/* before, then count copies of repeat, then after */
static const char *build(const char *before, const char *repeat, size_t count, const char *after)
{
    static char text[GUARD_ROOM];
    size_t len = strlen(before);
    memcpy(text, before, len);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + len, repeat, strlen(repeat));
        len += strlen(repeat);
    }
    memcpy(text + len, after, strlen(after) + 1);
    return text;
}

/* ---- The whole ------------------------------------------------------------------------------- */

TEST(a_browser_head_is_read_field_by_field)
{
    ACCEPTED("GET /a/b%20c?x=1&y=2?z HTTP/1.1\r\n"
             "Host: www.example.com:8000\r\n"
             "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n"
             "Accept: text/html,*/*;q=0.8\r\n"
             "X-Empty:\r\n"
             "X-Tabs:\t \tone\ttwo \t \r\n"
             "X-Obs: caf\xC3\xA9\r\n"
             "\r\n");
    CHECK(is(head.method, "GET"));
    CHECK(is(head.target, "/a/b%20c?x=1&y=2?z"));
    CHECK(is(head.path, "/a/b%20c"));
    CHECK(is(head.query, "x=1&y=2?z"));
    CHECK(head.authority.len == 0);
    CHECK(head.minor == 1);
    CHECK(head.field_count == 6);
    CHECK(field_is(0, "Host", "www.example.com:8000"));
    CHECK(field_is(1, "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"));
    CHECK(field_is(2, "Accept", "text/html,*/*;q=0.8"));
    CHECK(field_is(3, "X-Empty", ""));
    CHECK(field_is(4, "X-Tabs", "one\ttwo"));
    CHECK(field_is(5, "X-Obs", "caf\xC3\xA9"));
    CHECK(head.host == 0);
    CHECK(head.content_length == -1);
    CHECK(!head.chunked && head.keep_alive && !head.expect_continue && !head.repeated);
}

TEST(slices_point_into_the_callers_bytes)
{
    const char *text = "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n";
    CHECK(parse(text, strlen(text), 0) == (int64_t)strlen(text));
    const fw_slice all[] = {head.method,    head.target,    head.path,
                            head.authority, fields[0].name, fields[0].value};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        CHECK(all[i].at >= text && all[i].at + all[i].len <= text + strlen(text));
}

TEST(a_second_request_behind_the_head_is_not_touched)
{
    const char *text = WITH("") "GET /next HT";
    CHECK(verdict(text) == (int64_t)strlen(WITH("")));
    text = WITH("") "\x01\x02 rubbish\n";
    CHECK(verdict(text) == (int64_t)strlen(WITH("")));
}

TEST(a_seen_that_covers_everything_still_finds_the_end)
{
    const char *text = WITH("A: b\r\n");
    size_t len = strlen(text);
    CHECK(parse(text, len, len - 1) == (int64_t)len);
    CHECK(parse(text, len - 1, len - 1) == FW_MORE);
    CHECK(parse(text, 0, 0) == FW_MORE);
}

/* Linear time, shown without a clock: what was seen is spoilt, and a parser that looked at it again
 * would refuse. */
TEST(bytes_seen_are_not_read_again_while_a_line_goes_on)
{
    static char text[4096];
    size_t len = strlen(build(LINE HOST "Name: ", "x", 1000, ""));
    memcpy(text, build(LINE HOST "Name: ", "x", 1000, ""), len);
    CHECK(parse(text, len, 0) == FW_MORE);
    memset(text, 0, 20);
    for (size_t more = len + 1; more < len + 1000; more++) {
        text[more - 1] = 'x';
        CHECK(parse(text, more, more - 1) == FW_MORE);
    }
    text[len + 999] = '\r';
    CHECK(parse(text, len + 1000, len + 999) == FW_EMETHOD);

    memcpy(text, "GET /", 5);
    memset(text + 5, 'x', 3000);
    CHECK(parse(text, 1000, 0) == FW_MORE);
    memset(text, 0, 5);
    CHECK(parse(text, 3000, 1000) == FW_MORE);
}

/* ---- Request line (RFC 9112 3) --------------------------------------------------------------- */

TEST(one_empty_line_before_the_request_is_skipped)
{
    ACCEPTED("\r\n" WITH(""));
    CHECK(is(head.method, "GET"));
    REFUSED(FW_EREQLINE, "\r\n\r\n" WITH(""));
    REFUSED(FW_ELINE_END, "\n" WITH(""));
    REFUSED(FW_ELINE_END, "\r" WITH(""));
    REFUSED(FW_ELINE_END, "\r\n\n" WITH(""));
}

TEST(a_method_is_any_token_of_up_to_32_bytes)
{
    ACCEPTED("get / HTTP/1.1\r\n" HOST "\r\n");
    CHECK(is(head.method, "get"));
    ACCEPTED("!#$%&'*+-.^_`|~9aZ / HTTP/1.1\r\n" HOST "\r\n");
    ACCEPTED("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 / HTTP/1.1\r\n" HOST "\r\n");
    CHECK(head.method.len == 32);
    REFUSED(FW_EMETHOD, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456 / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EMETHOD, " / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EMETHOD, " GET / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EMETHOD, "GET\t/ HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EMETHOD, "G\"T / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EMETHOD, "G(T / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EMETHOD, "G\xC3\x89T / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EMETHOD, "\x16\x03\x01\x02"); /* TLS */
}

TEST(no_byte_but_a_token_is_part_of_a_method)
{
    char text[] = "GxT / HTTP/1.1\r\n" HOST "\r\n";
    for (int c = 0; c < 256; c++) {
        text[1] = (char)c;
        int64_t got = verdict_of(text, sizeof text - 1);
        if (c != 0 && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                             c) != NULL)
            CHECK(got == (int64_t)sizeof text - 1);
        else
            CHECK(got < 0 && got != FW_MORE);
    }
}

TEST(spaces_in_the_request_line_are_single)
{
    REFUSED(FW_EREQLINE, "GET  / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EVERSION, "GET /  HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EVERSION, "GET / HTTP/1.1 \r\n" HOST "\r\n");
    REFUSED(FW_EVERSION, "GET / a HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_ETARGET, "GET /\tHTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_ETARGET, "GET /\vHTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EREQLINE, "GET\r\n" HOST "\r\n");
    REFUSED(FW_EREQLINE, "GET \r\n" HOST "\r\n");
    REFUSED(FW_EREQLINE, "GET /\r\n" HOST "\r\n"); /* HTTP/0.9 */
    REFUSED(FW_EVERSION, "GET / \r\n" HOST "\r\n");
}

TEST(versions_are_exactly_1_0_and_1_1)
{
    ACCEPTED("GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK(head.minor == 1);
    ACCEPTED("GET / HTTP/1.0\r\n\r\n");
    CHECK(head.minor == 0);
    static const char *const unsupported[] = {"HTTP/2.0", "HTTP/2.1", "HTTP/3.0", "HTTP/9.9"};
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        CHECK(verdict(build("GET / ", unsupported[i], 1, "\r\n" HOST "\r\n")) ==
              FW_EVERSION_UNSUPPORTED);
        CHECK(fw_error_status(FW_EVERSION_UNSUPPORTED) == 505);
    }
    static const char *const malformed[] = {
        "HTTP/0.9",  "HTTP/1.2",  "HTTP/1.9",  "http/1.1",  "Http/1.1",   "HTTP/1.10",
        "HTTP/1.01", "HTTP/01.1", "HTTP/11.1", "HTTP/10.0", "HTTP/1",     "HTTP/1.",
        "HTTP/.1",   "HTTP/1,1",  "HTTP 1.1",  "HTTP/a.1",  "HTTP/1.a",   "HTTPS/1.1",
        "HTTP/-1.1", "ICE/1.0",   "HTTP/2",    "HTTP/1.1a", "HTTP/1.1\t", "HTTP/ 1.1"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        CHECK(verdict(build("GET / ", malformed[i], 1, "\r\n" HOST "\r\n")) == FW_EVERSION);
}

TEST(an_http_2_preface_is_told_its_version)
{
    REFUSED(FW_EVERSION_UNSUPPORTED, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

/* ---- Line ends (RFC 9112 2.2) ---------------------------------------------------------------- */

TEST(a_bare_lf_is_refused_wherever_it_stands_and_at_once)
{
    const char *whole = WITH("Name: value\r\n");
    for (size_t at = 0; at <= strlen(whole) - 1; at++) {
        char text[200];
        memcpy(text, whole, at);
        if (at > 0 && text[at - 1] == '\r')
            continue; /* that would be a CRLF */
        text[at] = '\n';
        text[at + 1] = '\0';
        NOTE("%zu", at);
        CHECK(verdict(text) == FW_ELINE_END);
    }
}

TEST(a_bare_cr_is_refused_wherever_it_stands)
{
    const char *whole = WITH("Name: value\r\n");
    for (size_t at = 0; at <= strlen(whole) - 1; at++) {
        if (whole[at] == '\n' || whole[at] == '\r')
            continue;
        char text[200];
        memcpy(text, whole, at);
        text[at] = '\r';
        memcpy(text + at + 1, whole + at, strlen(whole + at) + 1);
        CHECK(verdict(text) == FW_ELINE_END);
    }
    REFUSED(FW_ELINE_END, LINE HOST "\r\r\n");
    REFUSED(FW_ELINE_END, LINE "Host: a\r\r\n\r\n");
}

TEST(each_line_end_must_be_crlf)
{
    REFUSED(FW_ELINE_END, "GET / HTTP/1.1\n" HOST "\r\n");
    REFUSED(FW_ELINE_END, LINE "Host: a\n\r\n");
    REFUSED(FW_ELINE_END, LINE HOST "\n");
    REFUSED(FW_ELINE_END, LINE "\n" HOST "\r\n");
    REFUSED(FW_ELINE_END, "GET / HTTP/1.1\r" HOST "\r\n");
}

/* ---- Field lines (RFC 9112 5, RFC 9110 5) ---------------------------------------------------- */

TEST(a_field_name_is_a_token_right_before_the_colon)
{
    ACCEPTED(WITH("!#$%&'*+-.^_`|~09azAZ: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Name : x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Name\t: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH(": x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Name\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Na me: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Na(me: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Na\"me: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Na/me: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Na\x01me: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Na\x80me: x\r\n"));
    REFUSED(FW_EFIELD_NAME, WITH("Content-Length\xA0: 1\r\n"));
}

TEST(no_other_byte_is_part_of_a_field_name)
{
    char text[] = WITH("A-Name-Longer-Than-One-BlocX: v\r\n");
    char *spot = strchr(text, 'X');
    for (int c = 0; c < 256; c++) {
        *spot = (char)c;
        int64_t got = verdict_of(text, sizeof text - 1);
        if (c != 0 && strchr("!#$%&'*+-.^_`|~:0123456789abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                             c) != NULL)
            CHECK(got == (int64_t)sizeof text - 1); /* a colon just ends the name earlier */
        else
            CHECK(got == (c == '\r' || c == '\n' ? FW_ELINE_END : FW_EFIELD_NAME));
    }
}

TEST(a_field_value_holds_no_control_but_tab)
{
    char text[] = WITH("Name: a value longer than a blocX and more\r\n");
    char *spot = strchr(text, 'X');
    for (int c = 0; c < 256; c++) {
        *spot = (char)c;
        int64_t got = verdict_of(text, sizeof text - 1);
        NOTE("byte %d", c);
        if (c == '\t' || (c >= 0x20 && c != 0x7F))
            CHECK(got == (int64_t)sizeof text - 1);
        else
            CHECK(got == (c == '\r' || c == '\n' ? FW_ELINE_END : FW_EFIELD_VALUE));
    }
}

TEST(white_space_around_a_value_is_not_part_of_it)
{
    ACCEPTED(WITH("A:x\r\nB: x\r\nC:\t x \t\r\nD: \t \r\nE:\r\nF: x  y \r\n"));
    CHECK(field_is(1, "A", "x") && field_is(2, "B", "x") && field_is(3, "C", "x"));
    CHECK(field_is(4, "D", "") && field_is(5, "E", "") && field_is(6, "F", "x  y"));
}

TEST(a_folded_value_is_refused)
{
    REFUSED(FW_EFOLD, WITH("Name: a\r\n b\r\n"));
    REFUSED(FW_EFOLD, WITH("Name: a\r\n\tb\r\n"));
    REFUSED(FW_EFOLD, WITH("Name: a\r\n \r\n"));
    REFUSED(FW_EFOLD, LINE " Host: a\r\n\r\n");
    REFUSED(FW_EFOLD, LINE "\tHost: a\r\n\r\n");
}

/* ---- Size (HTTP.md; RFC 6585 5) -------------------------------------------------------------- */

static void with_limits(size_t size, size_t target, size_t count)
{
    limits = (fw_head_limits){size, target, count};
}

TEST(a_head_above_its_size_is_refused_without_waiting_for_its_end)
{
    const char *text = WITH("Name: value\r\n");
    size_t len = strlen(text);
    with_limits(len, 8192, 100);
    ACCEPTED(WITH("Name: value\r\n"));
    CHECK(verdict(WITH("Name: value\r\n") "and more") == (int64_t)len);
    with_limits(len - 1, 8192, 100);
    REFUSED(FW_EHEAD_TOO_LARGE, WITH("Name: value\r\n"));
    CHECK(parse(text, len - 2, 0) == FW_MORE);
    CHECK(parse(text, len - 1, 0) == FW_EHEAD_TOO_LARGE);
    CHECK(parse(text, len - 1, len - 2) == FW_EHEAD_TOO_LARGE);
    for (size_t size = 0; size < len; size++) {
        with_limits(size, 8192, 100);
        CHECK(verdict(text) == FW_EHEAD_TOO_LARGE);
    }
    with_limits(65536, 8192, 100);
    CHECK(verdict(build(LINE HOST "Name: ", "x", 70000, "\r\n\r\n")) == FW_EHEAD_TOO_LARGE);
    CHECK(verdict(build(LINE HOST "Name: ", "x", 65000, "\r\n\r\n")) > 65000);
}

TEST(a_fault_before_the_size_limit_is_told_rather_than_the_size)
{
    with_limits(100, 8192, 100);
    CHECK(verdict(build(LINE HOST "Na me", "x", 200, "")) == FW_EFIELD_NAME);
    with_limits(65536, 8192, 100);
}

TEST(a_target_of_8000_octets_passes_and_one_above_max_target_does_not)
{
    CHECK(verdict(build("GET /", "x", 7999, " HTTP/1.1\r\n" HOST "\r\n")) > 8000);
    CHECK(head.target.len == 8000);
    CHECK(verdict(build("GET /", "x", 8191, " HTTP/1.1\r\n" HOST "\r\n")) > 8192);
    CHECK(verdict(build("GET /", "x", 8192, " HTTP/1.1\r\n" HOST "\r\n")) == FW_EURI_TOO_LONG);
    CHECK(fw_error_status(FW_EURI_TOO_LONG) == 414);
}

TEST(an_oversized_target_is_refused_with_its_first_byte_too_many)
{
    with_limits(65536, 20, 100);
    static const char *const starts[] = {"GET ", "\r\nGET ", "X ",
                                         "\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ012345 "};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        const char *text = build(starts[i], "/", 21, "");
        size_t len = strlen(text);
        NOTE("%s", starts[i]);
        CHECK(parse(text, len - 1, 0) == FW_MORE);
        CHECK(parse(text, len, len - 1) == FW_EURI_TOO_LONG);
        CHECK(parse(text, len, 0) == FW_EURI_TOO_LONG);
    }
    ACCEPTED("GET /2345678901234567890 HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(FW_EURI_TOO_LONG, "GET /23456789012345678901 HTTP/1.1\r\n" HOST "\r\n");
    with_limits(65536, 8192, 100);
}

TEST(a_field_too_many_is_refused_with_its_first_byte)
{
    with_limits(65536, 8192, 3);
    ACCEPTED(WITH("A: 1\r\nB: 2\r\n"));
    CHECK(head.field_count == 3);
    REFUSED(FW_ETOO_MANY_FIELDS, WITH("A: 1\r\nB: 2\r\nC: 3\r\n"));
    const char *text = LINE HOST "A: 1\r\nB: 2\r\nC";
    CHECK(parse(text, strlen(text) - 1, 0) == FW_MORE);
    CHECK(parse(text, strlen(text), strlen(text) - 1) == FW_ETOO_MANY_FIELDS);
    with_limits(65536, 8192, 0);
    ACCEPTED("GET / HTTP/1.0\r\n\r\n");
    REFUSED(FW_ETOO_MANY_FIELDS, LINE HOST "\r\n");
    with_limits(65536, 8192, 100);
    CHECK(verdict(build(LINE HOST, "A: 1\r\n", 99, "\r\n")) > 0);
    CHECK(verdict(build(LINE HOST, "A: 1\r\n", 100, "\r\n")) == FW_ETOO_MANY_FIELDS);
}

/* ---- Host (RFC 9112 3.2) --------------------------------------------------------------------- */

TEST(host_is_needed_once_in_1_1_and_may_be_missing_in_1_0)
{
    REFUSED(FW_EHOST_MISSING, LINE "\r\n");
    REFUSED(FW_EHOST_MISSING, LINE "A: b\r\n\r\n");
    REFUSED(FW_EHOST_MISSING, LINE "Hos: a\r\nHost_: a\r\nX-Host: a\r\n\r\n");
    REFUSED(FW_EHOST_MISSING, "GET http://a/ HTTP/1.1\r\n\r\n");
    ACCEPTED(WITH_1_0(""));
    CHECK(head.host == -1);
    REFUSED(FW_EHOST_REPEATED, WITH("Host: a\r\n"));
    REFUSED(FW_EHOST_REPEATED, WITH("hOST: b\r\n"));
    REFUSED(FW_EHOST_REPEATED, LINE "Host:\r\nHost:\r\n\r\n");
    REFUSED(FW_EHOST_REPEATED, WITH_1_0("Host: a\r\nHost: a\r\n"));
    ACCEPTED(LINE "A: b\r\nHOST: x\r\n\r\n");
    CHECK(head.host == 1);
}

TEST(an_invalid_host_is_refused_in_every_version)
{
    REFUSED(FW_EHOST, LINE "Host: a b\r\n\r\n");
    REFUSED(FW_EHOST, LINE "Host: a,b\r\n\r\n");
    REFUSED(FW_EHOST, LINE "Host: u@a\r\n\r\n");
    REFUSED(FW_EHOST, WITH_1_0("Host: a/b\r\n"));
    REFUSED(FW_EHOST, "GET http://a/ HTTP/1.1\r\nHost: b/c\r\n\r\n");
}

TEST(an_empty_host_needs_a_target_without_authority)
{
    ACCEPTED(LINE "Host:\r\n\r\n");
    CHECK(head.host == 0 && fields[0].value.len == 0);
    ACCEPTED("OPTIONS * HTTP/1.1\r\nHost: \r\n\r\n");
    ACCEPTED(WITH_1_0("Host:\r\n"));
    REFUSED(FW_EHOST, "GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n");
}

TEST(an_absolute_target_may_differ_from_host)
{
    ACCEPTED("GET http://a:81/x HTTP/1.1\r\nHost: b\r\n\r\n");
    CHECK(is(head.authority, "a:81") && head.host == 0);
}

/* ---- Framing (RFC 9112 6) -------------------------------------------------------------------- */

TEST(content_length_is_digits_that_fit_63_bits)
{
    ACCEPTED(WITH("Content-Length: 0\r\n"));
    CHECK(head.content_length == 0);
    ACCEPTED(WITH("CONTENT-LENGTH:\t42 \r\n"));
    CHECK(head.content_length == 42);
    ACCEPTED(WITH("content-length: 000042\r\n"));
    CHECK(head.content_length == 42);
    ACCEPTED(WITH("Content-Length: 9223372036854775807\r\n"));
    CHECK(head.content_length == INT64_MAX);
    static const char *const malformed[] = {"9223372036854775808",
                                            "18446744073709551616",
                                            "99999999999999999999",
                                            "-1",
                                            "+1",
                                            "",
                                            "1.0",
                                            "0x10",
                                            "1 2",
                                            "1,",
                                            "1,1",
                                            "1, 1",
                                            "a",
                                            "1a",
                                            "\"1\"",
                                            "1;",
                                            "\xB2"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        CHECK(verdict(build(LINE HOST "Content-Length: ", malformed[i], 1, "\r\n\r\n")) ==
              FW_ECONTENT_LENGTH);
}

TEST(content_length_repeated_is_refused_even_when_equal)
{
    REFUSED(FW_ECONTENT_LENGTH, WITH("Content-Length: 1\r\nContent-Length: 1\r\n"));
    REFUSED(FW_ECONTENT_LENGTH, WITH("Content-Length: 1\r\ncontent-length: 2\r\n"));
    REFUSED(FW_ECONTENT_LENGTH, WITH_1_0("Content-Length: 0\r\nContent-Length: 0\r\n"));
}

TEST(transfer_encoding_is_chunked_once_in_1_1)
{
    ACCEPTED(WITH("Transfer-Encoding: chunked\r\n"));
    CHECK(head.chunked && head.content_length == -1);
    ACCEPTED(WITH("transfer-encoding:CHUnked \t\r\n"));
    CHECK(head.chunked);
    REFUSED(FW_ETRANSFER_ENCODING,
            WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Transfer-Encoding: chunked, chunked\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Transfer-Encoding: chunked,\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Transfer-Encoding: ,chunked\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Transfer-Encoding:\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH_1_0("Transfer-Encoding: chunked\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH_1_0("Transfer-Encoding: gzip\r\n"));
}

TEST(transfer_encoding_beside_content_length_is_refused_in_either_order)
{
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"));
    REFUSED(FW_ETRANSFER_ENCODING, WITH("Content-Length: 0\r\nTransfer-Encoding: gzip\r\n"));
}

TEST(any_other_coding_is_not_implemented)
{
    static const char *const other[] = {
        "gzip",       "identity", "gzip, chunked", "chunked, gzip", "xchunked",
        "chunkedx",   "chunke",   "chunked;q=1",   "\"chunked\"",   "chunked gzip",
        "chunked\t;", "c hunked", "chun\xEBked"};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        CHECK(verdict(build(LINE HOST "Transfer-Encoding: ", other[i], 1, "\r\n\r\n")) ==
              FW_ECODING);
    CHECK(fw_error_status(FW_ECODING) == 501);
}

TEST(a_name_with_an_underscore_is_never_its_twin)
{
    ACCEPTED(WITH("Content_Length: 5\r\nTransfer_Encoding: gzip\r\nContent-Length: 3\r\n"));
    CHECK(head.content_length == 3 && !head.chunked && !head.repeated);
    ACCEPTED(WITH("Content_Length: rubbish\r\nContent-Lengthx: 1\r\nXContent-Length: 1\r\n"));
    CHECK(head.content_length == -1);
}

/* ---- Fields that steer the connection -------------------------------------------------------- */

TEST(keep_alive_is_the_default_of_1_1_and_asked_for_in_1_0)
{
    static const struct {
        const char *value;
        bool in_1_1;
        bool in_1_0;
    } cases[] = {
        {"keep-alive", true, true},
        {"close", false, false},
        {"Keep-Alive", true, true},
        {"CLOSE", false, false},
        {"", true, false},
        {"upgrade", true, false},
        {"a, close", false, false},
        {"a ,\tkeep-alive , b", true, true},
        {"keep-alive,close", false, false},
        {"close, keep-alive", false, false},
        {",,close", false, false},
        {"closed", true, false},
        {"xclose", true, false},
        {"close;x", true, false},
        {"keep-alive timeout", true, false},
        {"c lose", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(verdict(build(LINE HOST "Connection: ", cases[i].value, 1, "\r\n\r\n")) > 0);
        NOTE("%s", cases[i].value);
        CHECK(head.keep_alive == cases[i].in_1_1);
        CHECK(verdict(build("GET / HTTP/1.0\r\nconnection:", cases[i].value, 1, "\r\n\r\n")) > 0);
        NOTE("%s in 1.0", cases[i].value);
        CHECK(head.keep_alive == cases[i].in_1_0);
    }
    ACCEPTED(WITH_1_0(""));
    CHECK(!head.keep_alive);
}

TEST(no_other_field_steers_the_connection)
{
    ACCEPTED(WITH("User-Agent: close\r\nConnectiom: close\r\nConnection_: close\r\n"
                  "Expecu: x\r\nHosu: x y\r\nContent-Typf: a\r\nContent-Typf: a\r\n"
                  "Authorizatiom: a\r\nAuthorizatiom: a\r\nContent-Lengti: x\r\n"
                  "Transfer-Encodinh: x\r\n"));
    CHECK(head.keep_alive && head.content_length == -1 && !head.chunked);
}

TEST(several_connection_fields_are_one_list)
{
    ACCEPTED(WITH("Connection: x\r\nConnection: close\r\nConnection: y\r\n"));
    CHECK(!head.keep_alive && head.repeated);
    ACCEPTED(WITH_1_0("Connection: x\r\nConnection: keep-alive\r\n"));
    CHECK(head.keep_alive);
    ACCEPTED(WITH_1_0("Connection: keep-alive\r\nConnection: close\r\n"));
    CHECK(!head.keep_alive);
}

TEST(the_only_expectation_is_100_continue)
{
    ACCEPTED(WITH("Expect: 100-continue\r\n"));
    CHECK(head.expect_continue);
    ACCEPTED(WITH("expect: 100-Continue \r\n"));
    CHECK(head.expect_continue);
    ACCEPTED(WITH_1_0("Expect: 100-continue\r\n"));
    CHECK(!head.expect_continue);
    REFUSED(FW_EEXPECT, WITH("Expect: 200-ok\r\n"));
    REFUSED(FW_EEXPECT, WITH("Expect:\r\n"));
    REFUSED(FW_EEXPECT, WITH("Expect: 100-continue, x\r\n"));
    REFUSED(FW_EEXPECT, WITH("Expect: 100-continue\r\nExpect: x\r\n"));
    REFUSED(FW_EEXPECT, WITH_1_0("Expect: x\r\n"));
    CHECK(fw_error_status(FW_EEXPECT) == 417);
}

TEST(content_type_and_authorization_repeated_are_refused)
{
    ACCEPTED(WITH("Content-Type: a/b\r\nAuthorization: x\r\n"));
    REFUSED(FW_EREPEATED, WITH("Content-Type: a/b\r\ncontent-type: a/b\r\n"));
    REFUSED(FW_EREPEATED, WITH("Authorization: x\r\nAUTHORIZATION: y\r\n"));
    REFUSED(FW_EREPEATED, WITH("Authorization:\r\nA: b\r\nAuthorization:\r\n"));
    ACCEPTED(WITH("Accept: a\r\nAccept: b\r\nCookie: a\r\nCookie: b\r\n"));
}

/* ---- Repeated names -------------------------------------------------------------------------- */

TEST(a_repeated_name_is_noticed_whatever_its_case_and_length)
{
    static const char *const names[] = {"A",
                                        "ab",
                                        "abc",
                                        "Abcd",
                                        "abcdE",
                                        "abcdefg",
                                        "Abcdefgh",
                                        "X-Forwarded-For",
                                        "a-name-of-exactly-32-bytes-xxxxx",
                                        "a-name-that-goes-on-and-on-for-much-longer-than-others"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[400];
        char upper[100];
        for (size_t c = 0; c <= strlen(names[i]); c++)
            upper[c] =
                names[i][c] >= 'a' && names[i][c] <= 'z' ? (char)(names[i][c] - 32) : names[i][c];
        (void)snprintf(text, sizeof text, LINE HOST "%s: 1\r\nOther: 2\r\n%s: 3\r\n\r\n", names[i],
                       upper);
        CHECK(verdict(text) > 0);
        NOTE("%s", names[i]);
        CHECK(head.repeated);
        (void)snprintf(text, sizeof text, LINE HOST "%s: 1\r\nOther: 2\r\n%sx: 3\r\n\r\n", names[i],
                       upper);
        CHECK(verdict(text) > 0);
        NOTE("%s", names[i]);
        CHECK(!head.repeated);
    }
}

TEST(a_hundred_names_that_differ_by_one_digit_are_not_repeated)
{
    static char text[20000];
    size_t len = (size_t)sprintf(text, LINE HOST);
    for (int i = 0; i < 99; i++)
        len += (size_t)sprintf(text + len, "X-Custom-%02d-Name: 1\r\n", i);
    memcpy(text + len, "\r\n", 3);
    CHECK(parse(text, len + 2, 0) > 0);
    CHECK(head.field_count == 100 && !head.repeated);
    memcpy(text + len, "x-custom-57-name: 1\r\n\r\n", 24);
    limits.max_fields = 101;
    CHECK(parse(text, strlen(text), 0) > 0);
    CHECK(head.repeated);
    limits.max_fields = 100;
}

/* The filter over names mistakes some of so many for each other; only the comparison tells. */
TEST(names_of_many_lengths_and_of_random_letters_are_not_repeated)
{
    static char text[GUARD_ROOM];
    limits = (fw_head_limits){sizeof text, 8192, CAPACITY};
    size_t len = (size_t)sprintf(text, LINE HOST);
    for (size_t i = 1; i < 290; i++) {
        memset(text + len, 'a', i);
        memcpy(text + len + i, ":\r\n", 3);
        len += i + 3;
    }
    memcpy(text + len, "\r\n", 3);
    CHECK(parse(text, len + 2, 0) > 0);
    CHECK(head.field_count == 290 && !head.repeated);

    unsigned random = 1;
    len = (size_t)sprintf(text, LINE HOST);
    for (int i = 0; i < 290; i++) {
        for (int letter = 0; letter < 8; letter++) {
            random = random * 1103515245 + 12345;
            text[len++] = (char)('a' + (random >> 16) % 26);
        }
        memcpy(text + len, ":\r\n", 3);
        len += 3;
    }
    memcpy(text + len, "\r\n", 3);
    CHECK(parse(text, len + 2, 0) > 0);
    CHECK(head.field_count == 291 && !head.repeated);
    with_limits(65536, 8192, 100);
}

TEST(neighbours_are_compared_too)
{
    ACCEPTED(WITH("Zz: 1\r\nzZ: 1\r\n"));
    CHECK(head.repeated);
    ACCEPTED(LINE HOST "B: 1\r\nC: 1\r\nc: 1\r\n\r\n");
    CHECK(head.repeated);
}

TEST(names_that_differ_in_more_than_case_are_not_repeated)
{
    ACCEPTED(WITH("a^b: 1\r\na~b: 1\r\n"));
    CHECK(!head.repeated);
}

TEST(names_too_much_alike_count_as_repeated)
{
    static char text[GUARD_ROOM];
    size_t len = (size_t)sprintf(text, LINE HOST);
    for (int i = 0; i < 250; i++)
        len += (size_t)sprintf(text + len, "%0200d%03d%08d: \r\n", 0, i, 0);
    memcpy(text + len, "\r\n", 3);
    limits = (fw_head_limits){sizeof text, 8192, CAPACITY};
    CHECK(parse(text, len + 2, 0) > 0);
    CHECK(head.repeated);
    with_limits(65536, 8192, 100);
}

/* ---- Small questions ------------------------------------------------------------------------- */

#define SLICE(text) ((fw_slice){guard_before_end(text, strlen(text)), strlen(text)})

TEST(slices_compare_without_case_and_only_as_a_whole)
{
    CHECK(fw_slice_is(SLICE("cLoSe"), "close", 5));
    CHECK(!fw_slice_is(SLICE("clos"), "close", 5));
    CHECK(!fw_slice_is(SLICE("closed"), "close", 5));
    CHECK(!fw_slice_is(SLICE("keep\ralive"), "keep-alive", 10));
    CHECK(!fw_slice_is(SLICE("\x03lose"), "close", 5));
    CHECK(fw_slice_is(SLICE(""), "", 0));
}

TEST(tokens_and_field_values_for_those_who_write_heads)
{
    CHECK(fw_is_token(SLICE("X-Name_1")));
    CHECK(!fw_is_token(SLICE("")) && !fw_is_token(SLICE("a b")) && !fw_is_token(SLICE("a:")));
    CHECK(!fw_is_token(SLICE("a-long-name-with-a-line-feed\n")));
    CHECK(fw_is_field_value(SLICE("")) && fw_is_field_value(SLICE("a\tb \xFF")));
    CHECK(!fw_is_field_value(SLICE("a\r\nSet-Cookie: x")) && !fw_is_field_value(SLICE("\x7F")));
    CHECK(!fw_is_field_value((fw_slice){"a\0b", 3}));
}
