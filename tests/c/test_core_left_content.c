/* test_core_left_content.c -- content that stays in the socket: until all of it is there (body_memory), or until
 * the application reads it (unbuffered). */
#include "core_reply.h"

static test_site here;
static test_client one;
static char large[1 << 20];
static char taken[sizeof large + 1];

static void open_site(const fw_settings *settings)
{
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 23);
    site_open(&here, settings);
    client_open(&here, &one);
}

static fw_settings settings_left(void)
{
    fw_settings settings = settings_usual();
    settings.body_memory = sizeof large;
    settings.body_pool = 2 * sizeof large;
    return settings;
}

static void open_left(void)
{
    fw_settings settings = settings_left();
    open_site(&settings);
}

static void open_unbuffered(uint32_t body_timeout)
{
    fw_settings settings = settings_usual();
    settings.unbuffered = 1;
    settings.memory_body = 65536;
    settings.max_body_size = 1000;
    settings.body_timeout = body_timeout;
    open_site(&settings);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static void check_unread(test_client *client, size_t size)
{
    const test_record *request = site_request(&here);
    NOTE("size %zu, content %lld", size, (long long)request->content);
    CHECK(request->content == FW_UNREAD);
    CHECK(fw_read_content(here.worker, request->id, taken, size) == (int64_t)size);
    CHECK(memcmp(taken, large, size) == 0);
    CHECK(fw_read_content(here.worker, request->id, taken, size) == 0);
    CHECK(respond(&here, request->id, "200 OK", "thanks") == 0);
    CHECK(client_reply_is(&here, client, 200, "thanks"));
}

/* ---- Until all of it is there ------------------------------------------------------------------------ */

TEST(content_that_is_there_is_left_in_the_kernel_and_the_connection_goes_on)
{
    open_left();
    for (size_t size = 65537; size <= 300000; size *= 2) {
        client_announce(&here, &one, size);
        CHECK(client_push(&here, &one, large, size));
        check_unread(&one, size);
    }
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    CHECK(here.score.accepted == 1 && here.score.bytes_in > 100000);
    close_both();
}

TEST(content_that_comes_in_pieces_is_given_out_when_it_is_whole)
{
    open_left();
    for (int i = 0; i < 3; i++) {
        client_announce(&here, &one, sizeof large);
        for (size_t at = 0; at < sizeof large; at += sizeof large / 8) {
            CHECK(site_quiet(&here));
            CHECK(client_push(&here, &one, large + at, sizeof large / 8));
        }
        check_unread(&one, sizeof large);
    }
    close_both();
}

TEST(content_on_a_unix_socket_waits_in_memory)
{
    test_client other;
    open_left();
    client_open_unix(&here, &other);
    client_announce(&here, &other, sizeof large);
    CHECK(client_push(&here, &other, large, sizeof large));
    check_unread(&other, sizeof large);
    client_close(&other);
    close_both();
}

TEST(a_request_behind_unread_content_keeps_its_place)
{
    static const char next[] = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    open_left();
    client_announce(&here, &one, 100000);
    CHECK(client_push(&here, &one, large, 100000));
    CHECK(client_push(&here, &one, next, sizeof next - 1));
    check_unread(&one, 100000);
    const test_record *request = site_request(&here);
    CHECK(strcmp(request->path, "/next") == 0);
    CHECK(respond(&here, request->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x"));
    close_both();
}

TEST(a_slow_client_is_read_as_it_sends_and_still_served)
{
    open_left();
    client_announce(&here, &one, 100000);
    for (size_t at = 0; at < 100000; at += 20000) {
        uint64_t end = clock_ms() + 150; /* longer than FW_MARK_MS */
        while (clock_ms() < end)
            CHECK(site_poll(&here, 10) == 0);
        CHECK(client_push(&here, &one, large + at, 20000));
    }
    check_unread(&one, 100000);
    close_both();
}

TEST(held_content_that_stops_to_come_is_a_408)
{
    fw_settings settings = settings_left();
    settings.body_timeout = 200;
    open_site(&settings);
    client_announce(&here, &one, 100000);
    CHECK(client_push(&here, &one, large, 70000));
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    CHECK(client_sees_end(&here, &one) && here.score.requests == 0);
    close_both();
}

TEST(held_content_that_comes_too_slowly_is_a_408)
{
    fw_settings settings = settings_left();
    settings.min_body_rate = 100000;
    settings.min_body_after = 200;
    open_site(&settings);
    client_announce(&here, &one, sizeof large);
    uint64_t end = clock_ms() + SOON_MS;
    while (!one.ended && !here.score.refused && clock_ms() < end) {
        (void)send(one.fd, "x", 1, MSG_NOSIGNAL);
        pump(&here, &one);
    }
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    close_both();
}

static int64_t content_of(test_client *client, size_t size)
{
    client_announce(&here, client, size);
    CHECK(client_push(&here, client, large, size));
    const test_record *request = site_request(&here);
    int64_t content = request->content;
    CHECK(respond(&here, request->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, client, 200, "x"));
    return content;
}

TEST(the_memory_of_all_contents_is_bounded_and_given_back)
{
    test_client other;
    fw_settings settings = settings_left();
    settings.body_pool = 150000;
    open_site(&settings);
    for (int way = 0; way < 3; way++) {
        client_open(&here, &other);
        client_announce(&here, &other, 100000);
        CHECK(client_push(&here, &other, large, 50000) && site_quiet(&here));
        CHECK(content_of(&one, 80000) == FW_SPOOLED);
        if (way == 0) {
            CHECK(client_push(&here, &other, large + 50000, 50000));
            check_unread(&other, 100000);
        } else if (way == 1) {
            client_reset(&other);
        } else {
            shutdown(other.fd, SHUT_WR);
            CHECK(client_sees_end(&here, &other));
        }
        CHECK(site_quiet(&here));
        client_announce(&here, &one, 120000);
        CHECK(client_push(&here, &one, large, 120000));
        check_unread(&one, 120000);
        client_close(&other);
    }
    CHECK(here.score.requests == 7);
    close_both();
}

TEST(a_client_that_ends_after_its_content_gets_its_response)
{
    open_left();
    client_announce(&here, &one, 100000);
    CHECK(site_quiet(&here));
    CHECK(client_push(&here, &one, large, 100000));
    shutdown(one.fd, SHUT_WR);
    check_unread(&one, 100000);
    CHECK(client_sees_end(&here, &one) && !one.reset);
    close_both();
}

TEST(content_that_nobody_reads_ends_the_connection_after_the_response)
{
    open_left();
    client_announce(&here, &one, 100000);
    CHECK(client_push(&here, &one, large, 100000));
    int64_t id = site_request(&here)->id;
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    CHECK(client_gets(&here, &one, "Connection: close\r\n"));
    CHECK(client_reply_is(&here, &one, 200, "x"));
    CHECK(client_sees_end(&here, &one) && !one.reset);
    CHECK(fw_read_content(here.worker, id, taken, 10) < 0);
    close_both();
}

/* ---- While it comes ---------------------------------------------------------------------------------- */

TEST(an_unbuffered_request_is_given_out_at_its_head)
{
    open_unbuffered(1000);
    for (int i = 0; i < 2; i++) {
        client_announce(&here, &one, 30);
        const test_record *request = site_request(&here);
        CHECK(request->content == FW_COMING && strstr(request->shape, ":Content-Length"));
        client_say(&here, &one, "abcdefghij");
        CHECK(fw_read_content(here.worker, request->id, taken, 100) == 10);
        client_say(&here, &one, "klmnopqrstuvwxyz1234GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(fw_read_content(here.worker, request->id, taken, 5) == 5);
        CHECK(memcmp(taken, "klmno", 5) == 0);
        CHECK(fw_read_content(here.worker, request->id, taken, 100) == 15);
        CHECK(fw_read_content(here.worker, request->id, taken, 100) == 0);
        CHECK(respond(&here, request->id, "200 OK", "x") == 0);
        CHECK(client_reply_is(&here, &one, 200, "x"));
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "y") == 0);
        CHECK(client_reply_is(&here, &one, 200, "y"));
    }
    client_say(&here, &one, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    CHECK(site_request(&here)->content == 2); /* it has come with its head */
    close_both();
}

TEST(unbuffered_chunked_content_is_decoded_and_what_stands_behind_it_kept)
{
    open_unbuffered(1000);
    client_ask(&here, &one, "POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nX: 1\r\n");
    const test_record *request = site_request(&here);
    CHECK(request->content == FW_COMING && !strstr(request->shape, "ength"));
    client_say(&here, &one, "5\r\nhel");
    CHECK(fw_read_content(here.worker, request->id, taken, 100) == 3);
    client_say(&here, &one, "lo\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t got = 0;
    int64_t came;
    while ((came = fw_read_content(here.worker, request->id, taken + got, 100)) > 0)
        got += (size_t)came;
    CHECK(came == 0 && got == 3 && memcmp(taken, "lo!", 3) == 0);
    CHECK(begin(&here, request->id, "200 OK") == 0);
    CHECK(send_piece(&here, request->id, "x") == 0 && fw_end(here.worker, request->id) == 0);
    CHECK(client_reply_is(&here, &one, 200, "x"));
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "y") == 0);
    CHECK(client_reply_is(&here, &one, 200, "y"));
    close_both();
}

TEST(a_response_may_begin_before_its_content_has_come)
{
    open_unbuffered(1000);
    client_announce(&here, &one, 6);
    int64_t id = site_request(&here)->id;
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "x") == 0);
    CHECK(client_gets(&here, &one, "x"));
    client_say(&here, &one, "abcdef");
    CHECK(site_poll(&here, 10) == 0); /* the core leaves it to the application */
    CHECK(fw_read_content(here.worker, id, taken, 100) == 6);
    CHECK(fw_end(here.worker, id) == 0);
    CHECK(client_gets(&here, &one, "Connection: close\r\n") && client_sees_end(&here, &one));
    CHECK(!one.reset);
    close_both();
}

TEST(the_first_read_says_100_continue_and_a_client_that_stops_gets_408)
{
    open_unbuffered(50);
    client_ask(&here, &one, "POST / HTTP/1.1", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    int64_t id = site_request(&here)->id;
    CHECK(site_quiet(&here) && client_read(&one, SIZE_MAX) == 0);
    CHECK(fw_read_content(here.worker, id, taken, 5) == FW_ETIMEOUT_CONTENT);
    CHECK(client_reply_is(&here, &one, 100, ""));
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    CHECK(respond(&here, id, "200 OK", "x") == FW_EGONE); /* there is nobody to say it to */
    CHECK(fw_read_content(here.worker, id, taken, 5) < 0);
    CHECK(client_sees_end(&here, &one));
    close_both();
}

TEST(a_response_without_a_read_says_no_continue_and_closes)
{
    open_unbuffered(50);
    client_ask(&here, &one, "POST / HTTP/1.1", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    CHECK(respond(&here, site_request(&here)->id, "403 No", "x") == 0);
    CHECK(client_reply_is(&here, &one, 403, "x") && client_sees_end(&here, &one));
    CHECK(strstr(one.data, "Connection: close") && !strstr(one.data, "100 Continue"));
    close_both();
}

static void check_fails(const char *content, int code, const char *text)
{
    open_unbuffered(1000);
    client_ask(&here, &one, "POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n");
    int64_t id = site_request(&here)->id;
    client_say(&here, &one, content);
    int64_t came;
    while ((came = fw_read_content(here.worker, id, taken, 400)) > 0)
        continue;
    CHECK(came == code);
    CHECK(client_reply_is(&here, &one, fw_error_status(code), text));
    CHECK(client_sees_end(&here, &one) && !one.reset && here.score.in_flight == 0);
    close_both();
}

TEST(unbuffered_content_that_is_wrong_or_too_large_is_refused)
{
    char much[1100] = "44c\r\n";
    memset(much + 5, 'x', sizeof much - 6);
    check_fails("zz\r\n", FW_ECHUNK, "the chunked coding is malformed\n");
    check_fails("1\r\nab", FW_ECHUNK, "the chunked coding is malformed\n");
    check_fails(much, FW_ECONTENT_TOO_LARGE, "input body too big\n");
}

TEST(a_client_that_leaves_an_unbuffered_request_ends_its_reading)
{
    for (int way = 0; way < 3; way++) {
        open_unbuffered(1000);
        client_announce(&here, &one, 30);
        int64_t id = site_request(&here)->id;
        client_say(&here, &one, "abc");
        if (way == 1)
            CHECK(begin(&here, id, "200 OK") == 0);
        CHECK(fw_read_content(here.worker, id, taken, 30) == 3);
        if (way == 2)
            client_reset(&one);
        else
            shutdown(one.fd, SHUT_WR);
        CHECK(fw_read_content(here.worker, id, taken, 30) == FW_EGONE);
        CHECK(fw_read_content(here.worker, id, taken, 30) == FW_EGONE);
        CHECK(fw_open_connections(here.worker) == 0);
        CHECK(site_quiet(&here));
        close_both();
    }
}

TEST(content_is_read_for_its_own_thread_and_request_only)
{
    open_unbuffered(1000);
    CHECK(fw_read_content(NULL, 0, taken, 1) == FW_ETHREAD);
    CHECK(fw_read_content(here.worker, 12345, taken, 1) == FW_EGONE);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(fw_read_content(here.worker, id, taken, 1) == 0);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    CHECK(fw_read_content(here.worker, id, taken, 1) == FW_ESTATE);
    close_both();
}
