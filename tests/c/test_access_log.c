/* test_access_log.c -- what the access log says of each response. */
#include "access_site.h"

#include <time.h>

/* ---- What is said ---------------------------------------------------------------------------------- */

TEST(a_whole_response_is_told_with_request_status_and_size)
{
    open_logged("amuvsbc", 'q');
    exchange("GET /a?b HTTP/1.1", "", "200 OK", "hello");
    exchange("HEAD / HTTP/1.1", "", "404 No", "hello");
    exchange("GET /0 HTTP/1.0", "Connection: keep-alive\r\n", "204 None", "");
    CHECK(log_is("127.0.0.1 GET /a?b HTTP/1.1 200 5 whole\n"
                 "127.0.0.1 HEAD / HTTP/1.1 404 0 whole\n"
                 "127.0.0.1 GET /0 HTTP/1.0 204 0 whole\n"));
    close_logged();
}

TEST(fields_are_found_without_regard_to_case_and_joined)
{
    program_len = 0;
    part('F', 'q', "x-a");
    part('L', 'q', "|");
    part('F', 'q', "x-none");
    part('L', 'q', "|");
    part('h', 'q', "");
    open_logged(NULL, 0);
    exchange("GET / HTTP/1.1", "X-A: one\r\nOther: x\r\nx-a: two\r\n", "200 OK", "");
    exchange("GET http://b/ HTTP/1.1", "X-A: \r\n", "200 OK", "");
    CHECK(log_is("one, two|-|a\n-|-|b\n"));
    close_logged();
}

TEST(user_of_basic_credentials_is_told_and_the_password_is_not)
{
    static const struct {
        const char *field, *user;
    } cases[] = {
        {"", "-"},
        {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", "Aladdin"},
        {"authorization: bAsIc  YTpi\r\n", "a"},
        {"Authorization: Basic YTo6Og==\r\n", "a"},
        {"Authorization: Basic\r\n", "-"},
        {"Authorization: Basic OnNlY3JldA==\r\n", "-"}, /* no name */
        {"Authorization: Basic c2VjcmV0\r\n", "-"},     /* no colon */
        {"Authorization: Basic c2Vj*mV0OnNl\r\n", "-"}, /* not base64 */
        {"Authorization: Bearer YTpi\r\n", "-"},
        {"Authorization: Basic YSBiIgo6Og==\r\n", "a\\x20b\\x22\\x0a"},
    };
    char expected[1024] = "", fields[1024], digits[700];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)strcat(expected, cases[i].user);
        (void)strcat(expected, "\n");
    }
    program_len = 0;
    part('U', 'n', "authorization");
    open_logged(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        exchange("GET / HTTP/1.1", cases[i].field, "200 OK", "");
    CHECK(log_is(expected));
    close_logged();

    program_len = 0;
    part('U', 'q', "authorization");
    open_logged(NULL, 0);
    memset(digits, 0, sizeof digits);
    for (size_t i = 0; i + 4 < sizeof digits; i += 4)
        memcpy(digits + i, "eHh4", 4);
    (void)snprintf(fields, sizeof fields, "Authorization: Basic %s\r\n", digits);
    exchange("GET / HTTP/1.1", fields, "200 OK", "");
    memset(expected, 'x', 256);
    (void)strcpy(expected + 256, "\\...\n");
    CHECK(log_is(expected));
    close_logged();
}

/* ---- Bounds ------------------------------------------------------------------------------------------ */

static const char *repeat(const char *text, size_t count)
{
    static char room[60000];
    size_t len = strlen(text);
    for (size_t i = 0; i < count; i++)
        memcpy(room + i * len, text, len);
    room[count * len] = '\0';
    return room;
}

TEST(a_field_that_is_repeated_is_kept_once)
{
    program_len = 0;
    part('F', 'q', "referer");
    part('L', 'q', "|");
    part('F', 'q', "x");
    open_logged(NULL, 0);
    char fields[10000], value[86];
    (void)snprintf(value, sizeof value, "%085d", 0);
    size_t len = 0;
    for (int i = 0; i < 97; i++)
        len += (size_t)snprintf(fields + len, sizeof fields - len, "Referer: %s\r\n%s", value,
                                i == 50 ? "X: y\r\n" : "");
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", fields);
    const fw_access *kept = fw__table_find(&here.worker->table, id)->request.access;
    NOTE("%zu bytes of %zu", kept->text.size, len);
    CHECK(kept->text.size <= 16384 && fw_buffer_len(&kept->text) <= len);
    CHECK(respond(&here, id, "200 OK", "") >= 0);
    test_reply got = {0};
    CHECK(client_reply(&here, &one, &got));
    reply_free(&got);
    const char *line = log_read();
    CHECK(memcmp(line, value, 85) == 0 && memcmp(line + 85, ", 0", 3) == 0);
    CHECK(strlen(line) == 8192 + strlen("\\...|y\n") && strcmp(line + 8192, "\\...|y\n") == 0);
    close_logged();
}

TEST(a_long_line_is_cut_with_a_mark_and_never_left_out)
{
    const char ways[] = {'q', 'n', 'j'};
    const char *marks[] = {"\\...", "\\...", "\\u2026"};
    const char *quotes[] = {"\\x22", "\\x22", "\\\""};
    for (int i = 0; i < 3; i++) {
        format("uru", ways[i]);
        part('F', ways[i], "x");
        part('L', 'q', "|");
        part('s', 'q', "");
        open_logged(NULL, 0);
        char line[9000], fields[9000];
        (void)snprintf(line, sizeof line, "GET /%s HTTP/1.1", repeat("\"", 8000));
        (void)snprintf(fields, sizeof fields, "X: %s\r\n", repeat("\"", 8000));
        for (int n = 0; n < 20; n++)
            exchange(line, fields, "200 OK", "");
        const char *at = log_read();
        char end[64];
        (void)snprintf(end, sizeof end, "%s%s|200\n", quotes[i], marks[i]);
        size_t lines = 0;
        for (const char *next; (next = strchr(at, '\n')) != NULL; at = next + 1) {
            size_t size = (size_t)(next + 1 - at);
            CHECK(size <= FW_LOG_BLOCK && size > strlen(end));
            CHECK(memcmp(next + 1 - strlen(end), end, strlen(end)) == 0);
            lines++;
        }
        NOTE("%zu lines", lines);
        CHECK(lines == 20);
        close_logged();
    }
}

TEST(a_value_of_the_full_length_has_no_mark)
{
    open_logged("u", 'q');
    char line[9000], expected[9000];
    (void)snprintf(line, sizeof line, "GET /%s HTTP/1.1", repeat("a", 8191));
    (void)snprintf(expected, sizeof expected, "/%s\n", repeat("a", 8191));
    exchange(line, "", "200 OK", "");
    CHECK(log_is(expected));
    close_logged();
}

TEST(a_format_beyond_every_measure_still_leaves_a_line)
{
    static char text[60000];
    memset(text, '-', sizeof text - 1);
    program_len = 0;
    part('L', 'q', text);
    for (int i = 0; i < 120; i++)
        part('u', 'q', "");
    part('L', 'q', text);
    open_logged(NULL, 0);
    exchange("GET / HTTP/1.1", "", "200 OK", "");
    const char *line = log_read();
    CHECK(strlen(line) == FW_LOG_BLOCK);
    CHECK(strcmp(line + FW_LOG_BLOCK - 5, "\\...\n") == 0);
    close_logged();
}

TEST(what_a_crowd_of_requests_took_is_given_back)
{
    enum { COUNT = 200 };
    static test_client crowd[COUNT];
    open_logged("u", 'q');
    for (int i = 0; i < COUNT; i++) {
        client_open(&here, &crowd[i]);
        client_ask(&here, &crowd[i], "POST / HTTP/1.1", "Content-Length: 5\r\n");
    }
    uint64_t end = clock_ms() + SOON_MS;
    while (here.score.bytes_in < COUNT * 40 && clock_ms() < end)
        CHECK(site_take(&here, 5) == NULL);
    for (int i = 0; i < COUNT; i++)
        client_close(&crowd[i]);
    while (here.score.connections > 1 && clock_ms() < end)
        CHECK(site_take(&here, 5) == NULL);
    NOTE("%u records wait", here.worker->access_log->free_count);
    CHECK(here.worker->access_log->free_count == 64);
    close_logged();
}

TEST(no_byte_of_a_client_ends_a_line_or_a_field)
{
    const char *fields = "X: a\"b\\c\td \xe9,;|\r\n";
    const char ways[] = {'q', 'n', 'j'};
    const char *expected[] = {"a\\x22b\\x5cc\\x09d \\xe9,;|\n",
                              "a\\x22b\\x5cc\\x09d\\x20\\xe9\\x2c\\x3b\\x7c\n",
                              "a\\\"b\\\\c\\u0009d \\u00e9,;|\n"};
    for (int i = 0; i < 3; i++) {
        program_len = 0;
        part('F', ways[i], "x");
        open_logged(NULL, 0);
        exchange("GET / HTTP/1.1", fields, "200 OK", "");
        CHECK(log_is(expected[i]));
        close_logged();
    }
}

TEST(what_is_missing_is_a_dash_but_nothing_in_json)
{
    program_len = 0;
    part('F', 'n', "x");
    part('L', 'q', "=");
    part('F', 'j', "x");
    part('L', 'q', "=");
    part('r', 'n', "");
    open_logged(NULL, 0);
    exchange("GET / HTTP/1.1", "", "200 OK", "");
    CHECK(log_is("-==GET\\x20/\\x20HTTP/1.1\n"));
    close_logged();
}

TEST(a_client_that_a_proxy_tells_of_is_told_instead_of_the_peer)
{
    static const char named[] = "192.0.2.7\n ";
    open_logged("Ca", 'n');
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(fw_name_client(here.worker, id, named, sizeof named - 1) == 0);
    CHECK(fw_name_client(here.worker, id, "6.6.6.6", 7) == 0); /* the first counts */
    CHECK(respond(&here, id, "200 OK", "") >= 0);
    test_reply got = {0};
    CHECK(client_reply_to(&here, &one, false, &got));
    reply_free(&got);
    CHECK(fw_name_client(here.worker, id, named, sizeof named - 1) == FW_ESTATE);
    CHECK(fw_name_client(NULL, id, named, sizeof named - 1) == FW_ETHREAD);
    exchange("GET / HTTP/1.1", "", "200 OK", ""); /* the next one on the connection is nobody's */
    CHECK(log_is("192.0.2.7\\x0a\\x20 127.0.0.1\n127.0.0.1 127.0.0.1\n"));
    close_logged();
}

TEST(a_refused_head_is_told_by_its_first_line)
{
    test_reply got = {0};
    open_logged("rsbc", 'q');
    client_say(&here, &one, "GET / HTTP/1.1\r\nHost: a\r\nBad\x01: x\r\n\r\n");
    CHECK(client_reply(&here, &one, &got) && got.status == 400);
    char expected[128];
    (void)snprintf(expected, sizeof expected, "GET / HTTP/1.1 400 %zu whole\n", got.content_len);
    CHECK(client_sees_end(&here, &one) && log_is(expected));
    reply_free(&got);
    close_logged();
}

TEST(a_refused_content_is_told_with_its_request)
{
    open_logged("muvsc", 'q');
    client_ask(&here, &one, "POST /up HTTP/1.1", "Content-Length: 99999999\r\n");
    CHECK(client_gets(&here, &one, " 413 "));
    CHECK(log_is("POST /up HTTP/1.1 413 whole\n"));
    close_logged();
}

TEST(a_client_that_leaves_before_its_response_is_499)
{
    open_logged("usc", 'q');
    client_ask(&here, &one, "POST /up HTTP/1.1", "Content-Length: 10\r\n");
    CHECK(site_quiet(&here));
    client_reset(&one);
    for (int i = 0; i < 100 && fw_open_connections(here.worker); i++)
        site_poll(&here, 10);
    CHECK(log_is("/up 499 cut\n"));
    close_logged();
}

TEST(a_response_that_nobody_was_there_for_is_499)
{
    open_logged("usbc", 'q');
    int64_t id = client_request(&here, &one, "GET /slow HTTP/1.1", "");
    client_reset(&one);
    (void)respond(&here, id, "200 OK", "hello");
    for (int i = 0; i < 100 && fw_open_connections(here.worker); i++)
        site_poll(&here, 10);
    CHECK(log_is("/slow 499 0 cut\n"));
    close_logged();
}

TEST(a_response_that_is_cut_keeps_its_status)
{
    open_logged("usbc", 'q');
    int64_t id = client_request(&here, &one, "GET /s HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n10") == 0);
    CHECK(send_piece(&here, id, "hello") == 0);
    CHECK(fw_abort(here.worker, id) == 0);
    client_close(&one);
    client_open(&here, &one);
    id = client_request(&here, &one, "GET /e HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n10") == 0);
    CHECK(send_piece(&here, id, "hello") == 0 && fw_end(here.worker, id) == FW_NOTE_SHORT);
    client_close(&one);
    client_open(&here, &one);
    id = client_request(&here, &one, "GET /f HTTP/1.1", "");
    CHECK(fw_abort(here.worker, id) == 0);
    CHECK(log_is("/s 200 5 cut\n/e 200 5 cut\n/f 500 0 cut\n"));
    close_logged();
}

TEST(interim_responses_and_heads_are_no_content)
{
    open_logged("ub", 'q');
    client_ask(&here, &one, "PUT /p HTTP/1.1", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    CHECK(client_gets(&here, &one, "100 Continue\r\n\r\n"));
    client_say(&here, &one, "abc");
    int64_t id = site_request(&here)->id;
    CHECK(fw_inform(here.worker, id, "103 Early Hints\nLink\n</a>", 25, 3) == 0);
    CHECK(respond(&here, id, "200 OK", "four") == 0);
    CHECK(client_gets(&here, &one, "four"));
    CHECK(log_is("/p 4\n"));
    close_logged();
}

TEST(responses_held_back_for_one_write_count_their_own_bytes)
{
    open_logged("ub", 'q');
    client_say(&here, &one, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "1") == 0);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "two") == 0);
    CHECK(client_gets(&here, &one, "two"));
    CHECK(log_is("/1 1\n/2 3\n"));
    close_logged();
}

TEST(a_large_response_that_is_left_unread_tells_what_was_sent)
{
    static char large[8 << 20];
    memset(large, 'x', sizeof large);
    open_logged("usbc", 'q');
    int64_t id = client_request(&here, &one, "GET /l HTTP/1.1", "");
    int64_t rest = respond_n(&here, id, "200 OK", large, sizeof large);
    CHECK(rest > 0);
    CHECK(fw_abort(here.worker, id) == 0);
    char expected[64];
    (void)snprintf(expected, sizeof expected, "/l 200 %lld cut\n",
                   (long long)((int64_t)sizeof large - rest));
    CHECK(log_is(expected));
    close_logged();
}

TEST(time_and_process_are_told)
{
    open_logged("tiedP", 'q');
    exchange("GET / HTTP/1.1", "", "200 OK", "");
    int day, year, hour, minute, second, pid;
    unsigned long long wall, wall_ms, took, took_ms;
    char month[8], zone[8], iso[40];
    CHECK(sscanf(log_read(), "%d/%3s/%d:%d:%d:%d %5s %39s %llu.%3llu %llu.%3llu %d", &day, month,
                 &year, &hour, &minute, &second, zone, iso, &wall, &wall_ms, &took, &took_ms,
                 &pid) == 13);
    CHECK(pid == (int)getpid() && took == 0 && year > 2000 && strlen(zone) == 5);
    CHECK(strlen(iso) == 25 && iso[10] == 'T' && iso[22] == ':');
    /* time() may be a tick behind the clock that the log reads. */
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(wall <= (unsigned long long)now.tv_sec && wall + 100 > (unsigned long long)now.tv_sec);
    close_logged();
}

TEST(what_is_no_program_is_refused)
{
    site_open(&here, NULL);
    CHECK(fw_set_access_log(here.worker, 1) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "Xq\0\0", 4) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "ax\0\0", 4) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "aq\0", 3) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "Lq\0\5four", 8) == FW_ESTATE);
    char text[16];
    program_len = 0;
    for (int i = 0; i < 33; i++) {
        (void)snprintf(text, sizeof text, "x%d", i);
        part('F', 'q', text);
    }
    CHECK(fw_set_access_format(here.worker, program, program_len) == FW_EFULL);
    CHECK(fw_set_access_format(here.worker, "aq\0\0", 4) == 0);
    CHECK(fw_set_access_format(here.worker, "aq\0\0", 4) == FW_ESTATE);
    site_close(&here);
}
