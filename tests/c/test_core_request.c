/* test_core_request.c -- how bytes become requests: whole, in pieces, and what they carry. */
#include "core_reply.h"

TEST(a_whole_request_arrives_with_all_its_fields)
{
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    client_say(&here, &one,
               "GET /a%20b?x=%41&y HTTP/1.1\r\nHost: h:80\r\nX-Empty:\r\nAccept:  */* \r\n\r\n");
    const test_record *got = site_request(&here);
    CHECK(strcmp(got->shape, "GET:1.1:0:Host:X-Empty:Accept") == 0);
    CHECK(strcmp(got->path, "/a b") == 0);
    CHECK(strcmp(got->query, "x=%41&y") == 0);
    CHECK(strcmp(got->target, "/a%20b?x=%41&y") == 0);
    CHECK(strcmp(got->address, "127.0.0.1") == 0);
    CHECK(atoi(got->port) > 0);
    CHECK(got->values == 3 && strcmp(got->value[0], "h:80") == 0);
    CHECK(got->value[1][0] == '\0' && strcmp(got->value[2], "*/*") == 0);
    CHECK(got->content == 0);
    CHECK(respond(&here, got->id, "200 OK", "hello") == 0);
    CHECK(client_reply_is(&here, &one, 200, "hello"));
    client_close(&one);
    site_close(&here);
}

TEST(a_unix_client_has_neither_address_nor_port)
{
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open_unix(&here, &one);
    client_ask(&here, &one, "GET / HTTP/1.0", "");
    const test_record *got = site_request(&here);
    CHECK(strcmp(got->shape, "GET:1.0:1:Host") == 0);
    CHECK(got->address[0] == '\0' && got->port[0] == '\0');
    CHECK(respond(&here, got->id, "200 OK", "local") == 0);
    CHECK(client_reply_is(&here, &one, 200, "local"));
    client_close(&one);
    site_close(&here);
}

static const char posted[] = "POST /p?q HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
static const char chunks[] = "POST /p?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "2;x\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n";

static void check_post(test_site *site, test_client *client)
{
    const test_record *got = site_request(site);
    CHECK(strcmp(got->path, "/p") == 0 && strcmp(got->query, "q") == 0);
    CHECK(got->content == 5 && got->body && strcmp(got->body, "hello") == 0);
    CHECK(respond(site, got->id, "200 OK", "taken") == 0);
    CHECK(client_reply_is(site, client, 200, "taken"));
    CHECK(site->score.in_flight == 0);
}

/* The pieces are polled for apart, so that the core really sees them so. */
static void say_apart(test_site *site, test_client *client, const char *text, size_t len)
{
    CHECK(client_push(site, client, text, len));
    for (int i = 0; i < 3; i++)
        site_poll(site, 0);
}

TEST(a_request_is_read_byte_by_byte)
{
    static const char *const texts[] = {posted, chunks};
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 0; texts[i][at]; at++) {
            CHECK(here.first == NULL);
            say_apart(&here, &one, texts[i] + at, 1);
        }
        check_post(&here, &one);
    }
    CHECK(here.score.requests == 2 && here.score.accepted == 1);
    client_close(&one);
    site_close(&here);
}

TEST(a_request_split_anywhere_is_the_same_request)
{
    static const char *const texts[] = {posted, chunks};
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(texts[i]);
        for (size_t at = 1; at < len; at++) {
            say_apart(&here, &one, texts[i], at);
            CHECK(here.first == NULL);
            say_apart(&here, &one, texts[i] + at, len - at);
            NOTE("text %zu cut at %zu", i, at);
            check_post(&here, &one);
            site_forget(&here);
        }
    }
    client_close(&one);
    site_close(&here);
}

TEST(two_requests_split_anywhere_are_two)
{
    static const char text[] =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    for (size_t at = 1; at < sizeof text - 1; at++) {
        NOTE("cut at %zu", at);
        say_apart(&here, &one, text, at);
        CHECK(client_push(&here, &one, text + at, sizeof text - 1 - at));
        for (int i = 1; i <= 2; i++) {
            const test_record *got = site_request(&here);
            CHECK(got->path[1] == '0' + i);
            CHECK(respond(&here, got->id, "200 OK", got->path) == 0);
        }
        CHECK(client_reply_is(&here, &one, 200, "/1"));
        CHECK(client_reply_is(&here, &one, 200, "/2"));
    }
    client_close(&one);
    site_close(&here);
}

TEST(a_line_feed_in_the_path_leaves_the_path_as_it_came)
{
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    for (int i = 0; i < 3; i++) {
        client_ask(&here, &one, "GET /a%0Ab%20c?d%0A HTTP/1.1", "");
        const test_record *got = site_request(&here);
        CHECK(got->kind == FW_REQUEST_RAW);
        CHECK(strcmp(got->path, "/a%0Ab%20c") == 0 && strcmp(got->query, "d%0A") == 0);
        CHECK(got->values == 1 && strcmp(got->value[0], "a") == 0);
        CHECK(respond(&here, got->id, "200 OK", "") == 0);
    }
    client_close(&one);
    site_close(&here);
}

TEST(nul_and_high_bytes_of_a_path_are_decoded)
{
    static const char decoded[] = "/\0\xff/\n";
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    client_ask(&here, &one, "GET /%00%fF%2f HTTP/1.1", "");
    uint64_t end = clock_ms() + SOON_MS;
    while (fw_poll(here.worker, 10) == 0 && clock_ms() < end)
        continue;
    CHECK(here.view.records[1] == FW_REQUEST);
    const char *path = strchr(here.view.text, '\n') + 1;
    CHECK(memcmp(path, decoded, sizeof decoded - 1) == 0);
    CHECK(respond(&here, here.view.records[2], "200 OK", "") == 0);
    CHECK(client_reply_is(&here, &one, 200, ""));
    client_close(&one);
    site_close(&here);
}

/* A refusal is the core's own; the application hears nothing, and nothing after it is read. */
static void check_refused(const char *text, int status)
{
    test_site here;
    test_client one;
    test_reply got = {0};
    site_open(&here, NULL);
    client_open(&here, &one);
    NOTE("%s", text);
    client_say(&here, &one, text);
    client_say(&here, &one, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client_reply(&here, &one, &got));
    CHECK(got.status == status);
    CHECK(reply_says(&got, "Connection", "close") && reply_field(&got, "Date"));
    CHECK(reply_says(&got, "Server", "fapws"));
    CHECK(client_sees_end(&here, &one) && one.used == one.len);
    CHECK(site_quiet(&here));
    CHECK(here.score.refused == 1 && here.score.requests == 0 && here.score.responses == 0);
    reply_free(&got);
    client_close(&one);
    site_close(&here);
}

TEST(bad_heads_are_refused_by_the_core)
{
    check_refused("GET / HTTP/1.1\r\n\r\n", 400);
    check_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    check_refused("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501);
    check_refused("GET / HTTP/1.1\nHost: a\r\n\r\n", 400);
    check_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                  400);
    check_refused(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
        400);
    check_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501);
    check_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400);
    check_refused("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417);
}

TEST(heads_beyond_the_limits_are_refused)
{
    static char text[40000];
    int at = snprintf(text, sizeof text, "GET /");
    memset(text + at, 'a', 9000);
    strcpy(text + at + 9000, " HTTP/1.1\r\nHost: a\r\n\r\n");
    check_refused(text, 414);
    at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + at, 'a', 17000);
    strcpy(text + at + 17000, "\r\n\r\n");
    check_refused(text, 431);
    at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 100; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "X%d: a\r\n", i);
    strcpy(text + at, "\r\n");
    check_refused(text, 431);
}

TEST(a_head_of_exactly_the_largest_size_is_taken)
{
    static char text[16385];
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    int at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + at, 'a', 16384 - 4 - (size_t)at);
    strcpy(text + 16380, "\r\n\r\n");
    client_say(&here, &one, text);
    const test_record *got = site_request(&here);
    CHECK(strlen(got->value[1]) == 16380 - (size_t)at);
    CHECK(respond(&here, got->id, "200 OK", "") == 0);
    CHECK(client_reply_is(&here, &one, 200, ""));
    client_close(&one);
    site_close(&here);
}

TEST(a_half_closed_client_gets_its_responses)
{
    test_site here;
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    client_say(&here, &one, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(one.fd, SHUT_WR);
    for (int i = 0; i < 2; i++) {
        const test_record *got = site_request(&here);
        CHECK(respond(&here, got->id, "200 OK", got->path) == 0);
    }
    CHECK(client_reply_is(&here, &one, 200, "/1"));
    CHECK(client_reply_is(&here, &one, 200, "/2"));
    CHECK(client_sees_end(&here, &one) && !one.reset);
    CHECK(fw_open_connections(here.worker) == 0);
    client_close(&one);
    site_close(&here);
}

TEST(a_client_that_leaves_in_mid_head_costs_nothing)
{
    test_site here;
    test_client one;
    site_open(&here, NULL);
    for (int i = 0; i < 2; i++) {
        client_open(&here, &one);
        client_say(&here, &one, "GET / HTTP/1.1\r\nHo");
        CHECK(site_quiet(&here));
        CHECK(fw_open_connections(here.worker) == 1);
        if (i)
            client_reset(&one);
        client_close(&one);
        CHECK(site_quiet(&here));
        CHECK(fw_open_connections(here.worker) == 0);
    }
    CHECK(here.score.requests == 0 && here.score.refused == 0 && here.score.accepted == 2);
    site_close(&here);
}
