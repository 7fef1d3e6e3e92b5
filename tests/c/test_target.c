/* test_target.c -- the forms of a request target, hosts and percent-decoding, each on bytes that
 * touch pages which must not be touched. */
#include "guard.h"

#include "error.h"
#include "http/parser.h"
#include "check.h"

static fw_field fields[4];
static fw_head head;

static int64_t request(const char *method, const char *target)
{
    static const fw_head_limits limits = {65536, 8192, 4};
    char text[1024];
    int len = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", method, target);
    head.fields = fields;
    NOTE("%s %s", method, target);
    return fw_parse_head(guard_before_end(text, (size_t)len), (size_t)len, 0, &limits, &head);
}

static bool is(fw_slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.at, text, slice.len) == 0;
}

static void check_split(const char *target, const char *authority, const char *path,
                        const char *query)
{
    if (!CHECK(request("GET", target) > 0))
        return;
    CHECK(is(head.target, target));
    CHECK(is(head.authority, authority));
    CHECK(is(head.path, path));
    CHECK(is(head.query, query));
}

/* ---- Forms (RFC 9112 3.2) -------------------------------------------------------------------- */

TEST(origin_form_is_split_at_its_first_question_mark)
{
    check_split("/", "", "/", "");
    check_split("/?", "", "/", "");
    check_split("/a?b?c", "", "/a", "b?c");
    check_split("/a/../b//c;d", "", "/a/../b//c;d", "");
    check_split("//evil.example/x", "", "//evil.example/x", "");
    check_split("/http://h/x?y=http://z", "", "/http://h/x", "y=http://z");
    check_split("/%zz%?%", "", "/%zz%", "%");
    check_split("/\"<>\\^`{|}", "", "/\"<>\\^`{|}", "");
}

TEST(absolute_form_gives_its_authority_path_and_query)
{
    check_split("http://h/x?y", "h", "/x", "y");
    check_split("https://h:8443/", "h:8443", "/", "");
    check_split("HTTP://H/x", "H", "/x", "");
    check_split("hTTpS://h", "h", "/", "");
    check_split("http://h?y", "h", "/", "y");
    check_split("http://h?/y", "h", "/", "/y");
    check_split("http://[::1]:80/x", "[::1]:80", "/x", "");
    check_split("http://h:/x", "h:", "/x", "");
    check_split("http://h//x", "h", "//x", "");
}

TEST(absolute_form_needs_http_a_valid_host_and_no_userinfo)
{
    static const char *const malformed[] = {
        "http://",     "https://",     "http:///x",    "http://?x",    "http://:80/",
        "http://u@h/", "http://u:p@h", "http://@h/",   "http://h:a/",  "http://h:65536/",
        "http://a,b/", "http://[::1/", "http://h:1:2", "http://h\\x/", "http://h@",
        "http:/h/x",   "http:h",       "http//h",      "ftp://h/",     "ws://h/",
        "file:///x",   "httpx://h/",   "xhttp://h/",   "http:",        "http",
        "httpss://h/", "https:/",      "http://%/"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        CHECK(request("GET", malformed[i]) == FW_ETARGET);
}

TEST(asterisk_form_is_for_options_only)
{
    CHECK(request("OPTIONS", "*") > 0);
    CHECK(is(head.path, "*") && head.query.len == 0 && head.authority.len == 0);
    CHECK(request("OPTIONS", "/x") > 0);
    CHECK(request("OPTIONS", "http://h") > 0);
    CHECK(request("GET", "*") == FW_ETARGET);
    CHECK(request("options", "*") == FW_ETARGET);
    CHECK(request("OPTIONSX", "*") == FW_ETARGET);
    CHECK(request("OPTIONS", "*/") == FW_ETARGET);
    CHECK(request("OPTIONS", "**") == FW_ETARGET);
    CHECK(request("OPTIONS", "*?x") == FW_ETARGET);
}

TEST(connect_is_not_implemented_whatever_its_target)
{
    CHECK(request("CONNECT", "h:443") == FW_ECONNECT);
    CHECK(request("CONNECT", "/") == FW_ECONNECT);
    CHECK(request("CONNECT", "*") == FW_ECONNECT);
    CHECK(request("CONNECTS", "/") > 0);
    CHECK(request("connect", "/") > 0);
}

TEST(any_other_form_is_refused)
{
    static const char *const other[] = {"x",    "h:443",      "example.com", "a/b", "?x",
                                        "%2F",  "../x",       ".",           ":",   "\\x",
                                        "x:/y", "mailto:a@b", "urn:x",       "~"};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        CHECK(request("GET", other[i]) == FW_ETARGET);
}

TEST(controls_space_del_high_bytes_and_number_sign_are_refused)
{
    for (int c = 1; c < 256; c++) {
        char target[] = "/a-target-longer-than-a-block?xXx";
        *strchr(target, 'X') = (char)c;
        int64_t got = request("GET", target);
        NOTE("byte %d", c);
        if (c > 0x20 && c < 0x7F && c != '#')
            CHECK(got > 0 && is(head.target, target));
        else if (c == '\r' || c == '\n')
            CHECK(got == FW_ELINE_END);
        else
            CHECK(got == (c == ' ' ? FW_EVERSION : FW_ETARGET));
    }
    static const char nul[] = "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n";
    static const fw_head_limits limits = {65536, 8192, 4};
    CHECK(fw_parse_head(nul, sizeof nul - 1, 0, &limits, &head) == FW_ETARGET);
}

/* ---- Host (RFC 3986 3.2.2, RFC 9110 7.2) ----------------------------------------------------- */

static bool valid(const char *host)
{
    size_t len = strlen(host);
    NOTE("%s", host);
    bool before = fw_valid_host((fw_slice){guard_before_end(host, len), len});
    bool after = fw_valid_host((fw_slice){guard_after_start(host, len), len});
    CHECK(before == after);
    return before;
}

TEST(a_host_is_a_name_an_ipv4_or_a_bracketed_ipv6_and_perhaps_a_port)
{
    static const char *const good[] = {"a",
                                       "localhost",
                                       "example.com",
                                       "example.com.",
                                       "EXAMPLE.com",
                                       "xn--bcher-kva.example",
                                       "a_b",
                                       "a-b",
                                       "-",
                                       ".",
                                       "~",
                                       "!$&'()*+;=",
                                       "%41",
                                       "a%2Fb%ff",
                                       "127.0.0.1",
                                       "1.2.3",
                                       "999.1.1.1",
                                       "a:0",
                                       "a:80",
                                       "a:65535",
                                       "a:00080",
                                       "a:",
                                       "127.0.0.1:8000",
                                       "[::1]",
                                       "[::1]:80",
                                       "[::]",
                                       "[::]:"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK(valid(good[i]));
}

/* RFC 3986 3.2.2, IPvFuture. */
TEST(a_bracketed_address_may_be_of_a_later_version)
{
    static const char *const good[] = {"[v1.abc:d]", "[VF0.a]:80", "[v1.:]",
                                       "[v1a.-._~!$&'()*+;=:]:"};
    static const char *const bad[] = {"[v1.]",    "[v.a]",     "[v1a]",    "[vg.a]",   "[v1.a",
                                      "[v1.a]b",  "[v1.a b]",  "[v1.a,b]", "[v1.%41]", "[v1.[a]",
                                      "[v1.a@b]", "[v1.a/b]",  "v1.abc:d", "[v]",      "[1.a]",
                                      "[]",       "[v1.\x80]", "[v1.a]:x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK(valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!valid(bad[i]));
}

TEST(a_host_with_anything_else_is_invalid)
{
    static const char *const bad[] = {"",
                                      ":",
                                      ":80",
                                      "a b",
                                      " a",
                                      "a ",
                                      "a\tb",
                                      "a,b",
                                      "a, b",
                                      "u@a",
                                      "@",
                                      "a@",
                                      "a/",
                                      "/",
                                      "a/b",
                                      "a?b",
                                      "a#b",
                                      "a\\b",
                                      "a:b",
                                      "a:80:80",
                                      "a::80",
                                      "a:65536",
                                      "a:99999",
                                      "a:000080",
                                      "a:+80",
                                      "a:-1",
                                      "a: 80",
                                      "a:80 ",
                                      "a:8 0",
                                      "a:0x50",
                                      "http://a",
                                      "[",
                                      "]",
                                      "[]",
                                      "[a",
                                      "a]",
                                      "[::1",
                                      "::1",
                                      "::1]",
                                      "[[::1]]",
                                      "[::1]]",
                                      "[::1]a",
                                      "[::1]80",
                                      "a[::1]",
                                      "a%",
                                      "a%4",
                                      "a%4g",
                                      "%",
                                      "%%41",
                                      "a\"",
                                      "a<b",
                                      "a^",
                                      "a|b",
                                      "a`",
                                      "{a}",
                                      "\x01",
                                      "\x7F",
                                      "\x80",
                                      "\xC3\xBC.example",
                                      "*,*"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!valid(bad[i]));
    CHECK(!fw_valid_host((fw_slice){"a\0b", 3}));
}

TEST(an_ipv6_address_has_eight_groups_or_one_gap)
{
    static const char *const good[] = {"1:2:3:4:5:6:7:8",
                                       "::",
                                       "::1",
                                       "1::",
                                       "1::8",
                                       "1:2:3:4:5:6:7::",
                                       "::2:3:4:5:6:7:8",
                                       "1:2::4:5:6:7:8",
                                       "fe80::1",
                                       "FE80::ABCD",
                                       "2001:db8::ff00:42:8329",
                                       "::ffff:192.0.2.1",
                                       "1:2:3:4:5:6:1.2.3.4",
                                       "1::5:1.2.3.4",
                                       "::1.2.3.4",
                                       "::0.0.0.0",
                                       "::255.255.255.255",
                                       "0001::"};
    static const char *const bad[] = {"1",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1:2:3:4:5:6:7:8::",
                                      "::1:2:3:4:5:6:7:8",
                                      "1::2::3",
                                      ":::",
                                      "::1::",
                                      ":",
                                      ":1",
                                      "1:",
                                      "1:2:3:4:5:6:7:",
                                      ":2:3:4:5:6:7:8",
                                      "12345::",
                                      "::12345",
                                      "g::",
                                      "::g",
                                      "1.2.3.4",
                                      "::1.2.3",
                                      "::1.2.3.4.5",
                                      "::1.2.3.256",
                                      "::1.2.3.04",
                                      "::1.2.3.",
                                      "::.1.2.3",
                                      "::1.2.3.4:5",
                                      "::1.2a3.4",
                                      "::1.2.3:4",
                                      "::1.2.3-4",
                                      "1:2:3:4:5:6:7:1.2.3.4",
                                      "1:2:3:4:5:1.2.3.4",
                                      "fe80::1%eth0",
                                      "fe80::1%25eth0",
                                      "::1 ",
                                      " ::1",
                                      "::1/64",
                                      "::-1",
                                      "1:::2",
                                      "::ffff:1.2.3.4444",
                                      "::a.2.3.4",
                                      "::ffff:c0.0.2.1"};
    char host[80];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)snprintf(host, sizeof host, "[%s]", good[i]);
        CHECK(valid(host));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(host, sizeof host, "[%s]", bad[i]);
        CHECK(!valid(host));
    }
}

/* ---- Percent-decoding (RFC 3986 2.1) --------------------------------------------------------- */

static void check_decode(const char *in, size_t in_len, const char *out, size_t out_len)
{
    char room[64];
    bool has_lf = false;
    NOTE("%s", in);
    size_t got = fw_percent_decode((fw_slice){guard_before_end(in, in_len), in_len}, room, &has_lf);
    CHECK(got == out_len && memcmp(room, out, out_len) == 0);
    CHECK(has_lf == (memchr(out, '\n', out_len) != NULL));

    char *same = guard_after_start(in, in_len);
    has_lf = !has_lf;
    got = fw_percent_decode((fw_slice){same, in_len}, same, &has_lf);
    CHECK(got == out_len && memcmp(same, out, out_len) == 0);
    CHECK(has_lf == (memchr(out, '\n', out_len) != NULL));
}

#define DECODES(in, out) check_decode(in, sizeof in - 1, out, sizeof out - 1)

TEST(two_hex_digits_after_a_percent_sign_become_one_byte)
{
    DECODES("", "");
    DECODES("/plain", "/plain");
    DECODES("/a%20b", "/a b");
    DECODES("%41%4a%4A%fF", "AJJ\xFF");
    DECODES("%2F%00%0D", "/\0\r");
    DECODES("a%0Ab", "a\nb");
    DECODES("%0a", "\n");
    DECODES("%2541", "%41"); /* once, never twice */
}

TEST(a_percent_sign_without_two_hex_digits_stays)
{
    DECODES("%", "%");
    DECODES("%%", "%%");
    DECODES("a%4", "a%4");
    DECODES("a%4g", "a%4g");
    DECODES("a%g4", "a%g4");
    DECODES("%%41", "%A");
    DECODES("%4%41", "%4A");
    DECODES("%+1% 1%0x", "%+1% 1%0x");
}

TEST(every_byte_has_two_spellings_that_decode_to_it)
{
    for (int c = 0; c < 256; c++) {
        char in[4];
        char out[2] = {(char)c, 0};
        (void)snprintf(in, sizeof in, "%%%02x", (unsigned)c);
        check_decode(in, 3, out, 1);
        (void)snprintf(in, sizeof in, "%%%02X", (unsigned)c);
        check_decode(in, 3, out, 1);
    }
}
