/* test_scan.c -- the byte classes as their RFCs spell them, and that every scan agrees with them
 * at every position of a block, without touching a byte outside. */
#include "guard.h"

#include "http/scan.h"
#include "check.h"

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LONGEST (3 * FW_BLOCK_SIZE + 1)

static bool among(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

TEST(token_bytes_are_those_of_rfc_9110_5_6_2)
{
    for (int c = 0; c < 256; c++)
        CHECK((fw_is((char)c, FW_TOKEN) != 0) == among(c, "!#$%&'*+-.^_`|~" ALNUM));
}

TEST(target_bytes_are_visible_ascii_without_the_number_sign)
{
    for (int c = 0; c < 256; c++)
        CHECK((fw_is((char)c, FW_TARGET) != 0) == (c > 0x20 && c < 0x7F && c != '#'));
}

TEST(value_bytes_are_those_of_rfc_9110_5_5)
{
    for (int c = 0; c < 256; c++)
        CHECK((fw_is((char)c, FW_VALUE) != 0) == (c == '\t' || (c >= 0x20 && c != 0x7F)));
}

TEST(reg_name_bytes_are_those_of_rfc_3986_without_comma)
{
    for (int c = 0; c < 256; c++)
        CHECK((fw_is((char)c, FW_NAME) != 0) == among(c, "-._~!$&'()*+;=" ALNUM));
}

TEST(digits_and_their_values)
{
    for (int c = 0; c < 256; c++) {
        CHECK((fw_is((char)c, FW_DIGIT) != 0) == among(c, "0123456789"));
        CHECK((fw_is((char)c, FW_HEX) != 0) == among(c, "0123456789abcdefABCDEF"));
    }
    CHECK(fw_hex_value('0') == 0 && fw_hex_value('9') == 9);
    CHECK(fw_hex_value('a') == 10 && fw_hex_value('f') == 15);
    CHECK(fw_hex_value('A') == 10 && fw_hex_value('F') == 15);
}

typedef const char *scan(const char *at, const char *end);

static const char *scan_line_slowly(const char *at, const char *end)
{
    while (at < end && *at != '\r' && *at != '\n')
        at++;
    return at;
}

static const char *scan_token_slowly(const char *at, const char *end)
{
    return fw_scan_class(at, end, FW_TOKEN);
}

static const char *scan_target_slowly(const char *at, const char *end)
{
    return fw_scan_class(at, end, FW_TARGET);
}

static const char *scan_value_slowly(const char *at, const char *end)
{
    return fw_scan_class(at, end, FW_VALUE);
}

static void compare(scan *fast, scan *slow, const char *text, size_t len)
{
    const char *copy = guard_before_end(text, len);
    CHECK(fast(copy, copy + len) == slow(copy, copy + len));
    copy = guard_after_start(text, len);
    CHECK(fast(copy, copy + len) == slow(copy, copy + len));
}

/* One odd byte of any value at any place in a run of any length, and another behind it, since a
 * carry in the 8-byte arithmetic would show there. */
static void compare_everywhere(scan *fast, scan *slow)
{
    char text[LONGEST];
    for (size_t len = 0; len <= LONGEST; len++) {
        for (size_t place = 0; place < len; place++) {
            for (int c = 0; c < 256; c++) {
                NOTE("byte %d at %zu of %zu", c, place, len);
                memset(text, 'a', len);
                text[place] = (char)c;
                compare(fast, slow, text, len);
                if (place > 0) {
                    text[place - 1] = (char)(c ^ 1);
                    compare(fast, slow, text, len);
                }
            }
        }
    }
}

TEST(target_scan_agrees_with_the_class)
{
    compare_everywhere(fw_scan_target, scan_target_slowly);
}

TEST(value_scan_agrees_with_the_class)
{
    compare_everywhere(fw_scan_value, scan_value_slowly);
}

TEST(token_scan_agrees_with_the_class)
{
    compare_everywhere(fw_scan_token, scan_token_slowly);
}

TEST(line_scan_finds_the_first_cr_or_lf)
{
    compare_everywhere(fw_scan_line, scan_line_slowly);
}
