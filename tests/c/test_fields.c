/* test_fields.c -- the field section: its lines, and the fields that say who is asked, how long the
 * content is and what becomes of the connection (verdict.h: however the bytes arrive). */
#include "guard.h"

#include "verdict.h"

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
    ACCEPTED(WITH("Expect:\r\n"));
    CHECK(!head.expect_continue);
    ACCEPTED(WITH("Expect: ,\t,100-continue, ,\r\n"));
    CHECK(head.expect_continue);
    REFUSED(FW_EEXPECT, WITH("Expect: 100-continue,,x\r\n"));
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
