/* test_parser.c -- request heads as a whole, request lines, line ends and sizes: what is read, what is
 * refused, and that neither depends on how the bytes arrive (verdict.h). */
#include "guard.h"

#include "verdict.h"

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

TEST(versions_are_1_0_and_1_1_and_higher_minor_ones)
{
    ACCEPTED("GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK(head.minor == 1);
    ACCEPTED("GET / HTTP/1.0\r\n\r\n");
    CHECK(head.minor == 0);
    ACCEPTED("GET / HTTP/1.2\r\n" HOST "\r\n");
    CHECK(head.minor == 1 && head.keep_alive);
    ACCEPTED("GET / HTTP/1.9\r\n" HOST "\r\n");
    CHECK(head.minor == 1);
    static const char *const unsupported[] = {"HTTP/2.0", "HTTP/2.1", "HTTP/3.0", "HTTP/9.9"};
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        CHECK(verdict(build("GET / ", unsupported[i], 1, "\r\n" HOST "\r\n")) ==
              FW_EVERSION_UNSUPPORTED);
        CHECK(fw_error_status(FW_EVERSION_UNSUPPORTED) == 505);
    }
    static const char *const malformed[] = {
        "HTTP/0.9",  "HTTP/1.20", "HTTP/0.1",  "http/1.1",  "Http/1.1",   "HTTP/1.10",
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

/* ---- Size (docs/http.md; RFC 6585 5) -------------------------------------------------------- */

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

/* ---- Small questions ------------------------------------------------------------------------- */

#define SLICE(text) ((fw_slice){guard_before_end(text, strlen(text)), strlen(text)})

TEST(slices_compare_without_case_and_only_as_a_whole)
{
    CHECK(fw_slice_is(SLICE("cLoSe"), "close", 5));
    CHECK(!fw_slice_is(SLICE("clos"), "close", 5));
    CHECK(!fw_slice_is(SLICE("closed"), "close", 5));
    CHECK(!fw_slice_is(SLICE("keep\ralive"), "keep-alive", 10));
    CHECK(!fw_slice_is(SLICE("\x03lose"), "close", 5));
    CHECK(fw_slice_equals(SLICE("GET"), "GET", 3) && !fw_slice_equals(SLICE("get"), "GET", 3));
    CHECK(!fw_slice_equals(SLICE("GETS"), "GET", 3));
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
