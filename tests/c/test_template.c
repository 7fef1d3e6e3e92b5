/* test_template.c -- a head read with the help of one that was read before has the same verdict and the same
 * parts as one that is read alone, whatever the two have in common. */
#include "guard.h"

#include "error.h"
#include "fapws.h"
#include "http/parser.h"
#include "http/template.h"
#include "check.h"

#define FIELDS 64

static const fw_head_limits limits = {4096, 512, 40};
static fw_template known;

static bool same_slice(fw_slice a, fw_slice b)
{
    return a.len == b.len && (a.len == 0 || a.at == b.at);
}

static bool same_head(const fw_head *a, const fw_head *b)
{
    if (a->minor != b->minor || a->field_count != b->field_count ||
        a->content_length != b->content_length || a->chunked != b->chunked ||
        a->keep_alive != b->keep_alive || a->expect_continue != b->expect_continue ||
        a->host != b->host || a->repeated != b->repeated)
        return false;
    for (size_t i = 0; i < a->field_count; i++)
        if (!same_slice(a->fields[i].name, b->fields[i].name) ||
            !same_slice(a->fields[i].value, b->fields[i].value))
            return false;
    return same_slice(a->method, b->method) && same_slice(a->target, b->target) &&
           same_slice(a->authority, b->authority);
}

/* Reads the text with the template, and alone. */
static void check_both(const char *text, size_t len)
{
    static fw_field alone_fields[FIELDS], like_fields[FIELDS];
    fw_head alone = {.fields = alone_fields}, like = {.fields = like_fields};
    const char *bytes = guard_before_end(text, len);
    int64_t expected = fw_parse_head(bytes, len, 0, &limits, &alone);
    int64_t got = fw_parse_head_like(bytes, len, 0, &limits, &like, &known);
    NOTE("%.*s: %lld, not %lld", (int)len, text, (long long)got, (long long)expected);
    CHECK(got == expected);
    CHECK(got <= 0 || same_head(&alone, &like));
}

static void check_text(const char *text)
{
    check_both(text, strlen(text));
}

static const char browser[] =
    "GET /a HTTP/1.1\r\nHost: example.org\r\nConnection: keep-alive\r\nX-Empty:\r\n"
    "Cookie: a=b\r\nAccept: text/html,application/xhtml+xml\r\nX-Space: \t x y \t\r\n"
    "Authorization: Basic abc\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) and more of "
    "it\r\n\r\n";

TEST(the_same_head_again_is_read_by_the_template)
{
    known.count = 0;
    check_text(browser);
    CHECK(known.count == 8);
    check_text(browser);
}

TEST(a_request_with_content_between_does_not_make_it_forget)
{
    known.count = 0;
    check_text(browser);
    check_text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    CHECK(known.count == 8);
    check_text(browser);
}

TEST(values_of_cookie_and_authorization_are_not_kept)
{
    known.count = 0;
    check_text(browser);
    for (size_t i = 0; i + 3 < sizeof known.bytes; i++)
        CHECK(memcmp(known.bytes + i, "a=b", 3) != 0 && memcmp(known.bytes + i, "abc", 3) != 0);
}

TEST(what_steers_is_judged_anew_when_it_differs)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: b c\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-continue\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\n",
    };
    const size_t count = sizeof texts / sizeof *texts;
    for (size_t first = 0; first < count; first++)
        for (size_t second = 0; second < count; second++) {
            known.count = 0;
            check_text(texts[first]);
            check_text(texts[second]);
            check_text(texts[first]);
        }
}

TEST(a_head_is_incomplete_at_each_length_with_and_without)
{
    known.count = 0;
    check_text(browser);
    for (size_t len = 0; len < sizeof browser; len++) {
        fw_template before = known;
        check_both(browser, len);
        known = before;
    }
}

static unsigned long long seed = 1;

static size_t below(size_t end)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % end;
}

/* One change: a byte, a line twice, a line less, a piece longer. */
static size_t change(char *text, size_t len)
{
    static const char bytes[] = "\r\n:\t aA0,-_\x80\x7f";
    size_t at = below(len), size = below(40);
    switch (below(4)) {
    case 0: text[at] = bytes[below(sizeof bytes)]; return len;
    case 1:
        if (size > len - at)
            size = len - at;
        memmove(text + at + size, text + at, len - at);
        return len + size;
    case 2:
        if (size > len - at)
            size = len - at;
        memmove(text + at, text + at + size, len - at - size);
        return len - size;
    default: text[at] = (char)(text[at] ^ (1 << below(8))); return len;
    }
}

TEST(changed_heads_are_read_alike)
{
    char text[2048];
    for (int round = 0; round < 40000; round++) {
        if (round % 50 == 0)
            known.count = 0;
        memcpy(text, browser, sizeof browser);
        size_t len = sizeof browser - 1;
        for (size_t changes = below(4); changes > 0; changes--)
            if (len > 1)
                len = change(text, len);
        check_both(text, len);
    }
}
