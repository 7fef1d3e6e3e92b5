/* test_chunked.c -- the chunked coding: what is content, what is refused, and that neither depends
 * on how the bytes arrive. Every text goes through verdict(), which decodes it whole, in any two
 * pieces, byte by byte and in pieces of three, against pages that must not be touched. */
#include "guard.h"

#include "http/chunked.h"
#include "error.h"
#include "fapws.h"
#include "check.h"

#define LONG_TEXT 600

/* What verdict() learnt. */
static char content[GUARD_ROOM];
static size_t content_len;

/* Feeds text in pieces of at most piece bytes, the first of at most first; collects content. */
static int64_t feed(const char *text, size_t total, size_t first, size_t piece)
{
    fw_chunked decoder = {0};
    int64_t result = FW_MORE;
    size_t used = 0;
    content_len = 0;
    for (size_t size = first; used < total && result == FW_MORE; size = piece) {
        if (size > total - used)
            size = total - used;
        char *buf = guard_before_end(text + used, size);
        size_t len = size;
        result = fw_decode_chunked(&decoder, buf, &len);
        CHECK(len <= size);
        memcpy(content + content_len, buf, len);
        content_len += len;
        used += size;
        if (result >= 0) {
            size_t rest = (size_t)result;
            CHECK(rest <= size - len);
            CHECK(memcmp(buf + size - rest, text + used - rest, rest) == 0);
            result += (int64_t)(total - used);
        }
    }
    return result;
}

static void check_pieces(const char *text, size_t total, size_t first, size_t piece,
                         int64_t expected, const char *whole, size_t whole_len)
{
    int64_t got = feed(text, total, first, piece);
    NOTE("%.60s cut at %zu, then every %zu: %lld, not %lld", text, first, piece, (long long)got,
         (long long)expected);
    CHECK(got == expected);
    CHECK(content_len == whole_len && memcmp(content, whole, whole_len) == 0);
}

static int64_t verdict_of(const char *text, size_t total)
{
    static char whole[GUARD_ROOM];
    NOTE("%.60s", text);
    int64_t expected = feed(text, total, total, total);
    size_t whole_len = content_len;
    memcpy(whole, content, whole_len);
    size_t step = total > LONG_TEXT ? total / 37 : 1;
    for (size_t cut = 1; cut < total; cut += step)
        check_pieces(text, total, cut, total, expected, whole, whole_len);
    check_pieces(text, total, 1, 1, expected, whole, whole_len);
    check_pieces(text, total, 2, 3, expected, whole, whole_len);

    fw_chunked decoder = {0};
    size_t len = total;
    CHECK(fw_decode_chunked(&decoder, guard_after_start(text, total), &len) == expected);
    return expected;
}

static int64_t verdict(const char *text)
{
    return verdict_of(text, strlen(text));
}

static bool content_is(const char *text)
{
    return content_len == strlen(text) && memcmp(content, text, content_len) == 0;
}

/* Complete, with this content, and nothing left over. */
#define DECODED(text, expected) CHECK(verdict(text) == 0 && content_is(expected))
#define REFUSED(code, text) CHECK(verdict(text) == (code))

/* ---- Chunks (RFC 9112 7.1) ------------------------------------------------------------------- */

TEST(chunks_become_one_content)
{
    DECODED("0\r\n\r\n", "");
    DECODED("5\r\nhello\r\n0\r\n\r\n", "hello");
    DECODED("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", "hello world");
    DECODED("3\r\n\r\n\n\r\n0\r\n\r\n", "\r\n\n");
    DECODED("a\r\n0123456789\r\n000\r\n\r\n", "0123456789");
    DECODED("A\r\n0123456789\r\n0\r\n\r\n", "0123456789");
    DECODED("1F\r\n0123456789012345678901234567890\r\n0\r\n\r\n",
            "0123456789012345678901234567890");
    CHECK(verdict(build("1000\r\n", "x", 4096, "\r\n0\r\n\r\n")) == 0 && content_len == 4096);
}

TEST(bytes_after_the_content_are_left_where_they_are)
{
    CHECK(verdict("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n") == 16 && content_is("hello"));
    CHECK(verdict("0\r\n\r\n\r\n") == 2);
    CHECK(verdict("0\r\na: b\r\n\r\nX") == 1);
}

TEST(an_unfinished_content_asks_for_more_at_every_length)
{
    const char *text = "5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (size_t len = 0; len < strlen(text); len++)
        CHECK(verdict_of(text, len) == FW_MORE);
}

TEST(a_spent_decoder_refuses_to_go_on)
{
    fw_chunked decoder = {0};
    char first[] = "0\r\n\r\n";
    size_t len = sizeof first - 1;
    CHECK(fw_decode_chunked(&decoder, first, &len) == 0);
    len = 0;
    CHECK(fw_decode_chunked(&decoder, first, &len) == 0);
    char second[] = "5\r\nhello";
    len = sizeof second - 1;
    CHECK(fw_decode_chunked(&decoder, second, &len) == (int64_t)sizeof second - 1 && len == 0);
}

TEST(a_chunk_size_is_1_to_16_hex_digits_below_2_to_the_63)
{
    DECODED("0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", "x");
    REFUSED(FW_ECHUNK, "00000000000000001\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "00000000000000000\r\n\r\n");
    CHECK(verdict("7FFFFFFFFFFFFFFF\r\nx") == FW_MORE && content_is("x"));
    REFUSED(FW_ECHUNK, "8000000000000000\r\nx");
    REFUSED(FW_ECHUNK, "FFFFFFFFFFFFFFFF\r\nx");
    REFUSED(FW_ECHUNK, "10000000000000000\r\nx");
    REFUSED(FW_ECHUNK, "FFFFFFFFFFFFFFFFF\r\nx");
    CHECK(verdict("fffffffffffffff\r\nx") == FW_MORE);
}

TEST(a_chunk_size_has_no_sign_space_or_prefix)
{
    static const char *const sizes[] = {"",      " 1",  "\t1", "+1",    "-1",  "0x1", "0X1",
                                        "1 ",    "1\t", "1h",  "g",     "1_0", "1.0", "1,",
                                        "\"1\"", "1 1", "1 x", "1\x80", "x"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        CHECK(verdict(build("", sizes[i], 1, "\r\nx\r\n0\r\n\r\n")) == FW_ECHUNK);
    CHECK(verdict_of("1\0\r\nx\r\n", 8) == FW_ECHUNK);
}

TEST(crlf_and_nothing_else_follows_size_and_data)
{
    REFUSED(FW_ECHUNK, "1\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\rx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\r\rx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\r\nx\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\r\nx\r0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\r\nx0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\r\nxx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "2\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\r\nx \r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1\r\nx\r\n\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "\r\n1\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "0\n\r\n");
    REFUSED(FW_ECHUNK, "0\r\r\n\r\n");
}

TEST(content_before_a_fault_is_told)
{
    CHECK(verdict("3\r\nabc\r\n2\r\nde!") == FW_ECHUNK);
    CHECK(content_is("abcde"));
}

/* ---- Extensions (RFC 9112 7.1.1) ------------------------------------------------------------- */

TEST(extensions_are_read_over)
{
    DECODED("1;a\r\nx\r\n0;b=c\r\n\r\n", "x");
    DECODED("1;a=\"b;c d\";e\r\nx\r\n0\r\n\r\n", "x");
    DECODED("1; \ta = b\r\nx\r\n0;\t a;b\t=\t\"c\" ;d\r\n\r\n", "x");
    DECODED("1;a=\"\"\r\nx\r\n0;b=\"\xC3\xA9\\\"\\\\\\\xE9;=,\t\"\r\n\r\n", "x");
    DECODED("1;7;8\r\nx\r\n0\r\n\r\n", "x");
}

/* What stands behind the size, from its semicolon to the line end. */
TEST(extensions_outside_the_grammar_are_refused)
{
    static const char *const wrong[] = {";",
                                        "; ",
                                        ";;",
                                        ";;a",
                                        ";a;",
                                        ";a; ;b",
                                        ";=b",
                                        ";a=",
                                        ";a= ",
                                        ";a=;b",
                                        ";a==b",
                                        ";a=b=c",
                                        ";a b",
                                        ";a=b c",
                                        ";a(b)",
                                        ";(",
                                        ";a=(",
                                        ";a=b,c",
                                        ";a=\xC3\xA9",
                                        ";\xE9",
                                        ";\"a\"",
                                        ";a ",
                                        ";a=b\t",
                                        ";a=\"b\" ",
                                        ";a=\"b",
                                        ";a=\"",
                                        ";a=\"b\\",
                                        ";a=\"\\\"",
                                        ";a=\"b\"c",
                                        ";a=b\"c\"",
                                        ";a=\"b\"\"c\"",
                                        ";a=\"b\"=c",
                                        ";a=\"\x01\"",
                                        ";a=\"\\\x7F\"",
                                        ";a=\"b\\\x01\"",
                                        ";a:b",
                                        ";a=/"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK(verdict(build("1", wrong[i], 1, "\r\nx\r\n0\r\n\r\n")) == FW_ECHUNK);
    CHECK(verdict_of("1;a=\"\0\"\r\nx\r\n", 12) == FW_ECHUNK);
}

TEST(an_extension_is_refused_as_soon_as_it_is_wrong)
{
    REFUSED(FW_ECHUNK, "1;;");
    REFUSED(FW_ECHUNK, "1;a=\"b\r");
    REFUSED(FW_ECHUNK, "1;a=\"b\\\r");
    REFUSED(FW_ECHUNK, "1;a \r");
    CHECK(verdict("1;a=\"b") == FW_MORE);
}

TEST(bad_white_space_is_read_over_before_a_semicolon_only)
{
    DECODED("1 ;a\r\nx\r\n0\t \t;b\r\n\r\n", "x");
    REFUSED(FW_ECHUNK, "1 \r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1 a;b\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1 1;b\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, " ;a\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, ";a\r\nx\r\n0\r\n\r\n");
}

TEST(an_extension_ends_only_at_crlf_and_holds_no_control)
{
    REFUSED(FW_ECHUNK, "1;a\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1;a\rx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1;\n\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1;a\x01\r\nx\r\n0\r\n\r\n");
    REFUSED(FW_ECHUNK, "1;a\x7F\r\nx\r\n0\r\n\r\n");
    CHECK(verdict_of("1;a\0\r\nx\r\n", 10) == FW_ECHUNK);
}

TEST(all_extensions_together_are_bounded_to_16_kb)
{
    CHECK(verdict(build("1", ";a", 8192, "\r\nx\r\n0\r\n\r\n")) == 0);
    CHECK(verdict(build("1;b", ";a", 8192, "\r\nx\r\n0\r\n\r\n")) == FW_ECHUNK_OVERHEAD);
    CHECK(verdict(build("1", ";a", 20000, "")) == FW_ECHUNK_OVERHEAD);
    CHECK(verdict(build("1", " ", 20000, "")) == FW_ECHUNK_OVERHEAD);
    CHECK(verdict(build("", "1;abcdefg\r\nx\r\n", 2048, "0\r\n\r\n")) == 0);
    CHECK(content_len == 2048);
    CHECK(verdict(build("", "1;abcdefg\r\nx\r\n", 2048, "0;a\r\n\r\n")) == FW_ECHUNK_OVERHEAD);
}

TEST(many_small_chunks_without_extensions_are_no_overhead)
{
    CHECK(verdict(build("", "1\r\nx\r\n", 10000, "0\r\n\r\n")) == 0);
    CHECK(content_len == 10000);
}

/* ---- Trailers (RFC 9112 7.1.2) --------------------------------------------------------------- */

TEST(trailers_are_read_by_the_rules_of_fields_and_dropped)
{
    DECODED("1\r\nx\r\n0\r\nA: b\r\n\r\n", "x");
    DECODED("0\r\nA:\r\nB:c\r\nX-Long-Name-Indeed_1: \td e\xFF \r\n\r\n", "");
    DECODED("0\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\nHost:\r\n\r\n", "");
    REFUSED(FW_ETRAILER, "0\r\nA\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\nA : b\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\n: b\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\n A: b\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\nA: b\r\n c\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\nA(: b\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\nA: b\x01\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\nGET / HTTP/1.1\r\n\r\n");
}

TEST(trailer_lines_end_in_crlf)
{
    REFUSED(FW_ETRAILER, "0\r\n\n");
    REFUSED(FW_ETRAILER, "0\r\n\rX");
    REFUSED(FW_ETRAILER, "0\r\n\r\r\n");
    REFUSED(FW_ETRAILER, "0\r\nA: b\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\nA: b\rX\r\n\r\n");
    REFUSED(FW_ETRAILER, "0\r\nA: b\r\n\n");
    REFUSED(FW_ETRAILER, "0\r\nA: b\r\n\rX");
    REFUSED(FW_ETRAILER, "0\r\nA\n: b\r\n\r\n");
}

TEST(the_trailer_section_is_bounded_to_8_kb)
{
    CHECK(verdict(build("0\r\n", "A: 5678\r\n", 910, "\r\n")) == 0); /* 8190 bytes */
    CHECK(verdict(build("0\r\n", "A: 5678\r\n", 911, "\r\n")) == FW_ETRAILER_TOO_LARGE);
    CHECK(verdict(build("0\r\n", "A:\r\n", 2048, "\r\n")) == 0);
    CHECK(verdict(build("0\r\n", "A:\r\n", 2049, "\r\n")) == FW_ETRAILER_TOO_LARGE);
    CHECK(verdict(build("0\r\n", "A", 9000, "")) == FW_ETRAILER_TOO_LARGE);
    CHECK(verdict(build("0\r\nA:", "b", 9000, "")) == FW_ETRAILER_TOO_LARGE);
    CHECK(verdict(build("0\r\nA:", "b", 8188, "\r\n\r\n")) == 0);
    CHECK(verdict(build("0\r\nA:", "b", 8189, "\r\n\r\n")) == FW_ETRAILER_TOO_LARGE);
    CHECK(fw_error_status(FW_ETRAILER_TOO_LARGE) == 431);
}
