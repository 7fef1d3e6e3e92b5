/* test_core_pipeline.c -- several requests in one go: their order, and the responses held for one write. */
#include "core_reply.h"

#include "worker.h"

static test_site here;
static test_client one;

static void open_both(void)
{
    site_open(&here, NULL);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

/* GET /0, GET /1 and so on in one write. */
static void ask_many(int count)
{
    char text[8192];
    size_t at = 0;
    for (int i = 0; i < count; i++)
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    client_say(&here, &one, text);
}

static const test_record *expect_path(const char *path)
{
    const test_record *request = site_request(&here);
    NOTE("expected %s, got %s", path, request->path);
    CHECK(strcmp(request->path, path) == 0);
    NOTE("%s", "");
    return request;
}

static void check_replies(int count)
{
    for (int i = 0; i < count; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "/%d", i);
        CHECK(client_reply_is(&here, &one, 200, path));
    }
    CHECK(one.used == one.len);
}

TEST(pipelined_requests_are_answered_in_order_and_in_one_write)
{
    enum { COUNT = 40 };
    open_both();
    ask_many(COUNT);
    for (int i = 0; i < COUNT; i++) {
        const test_record *request = site_request(&here);
        CHECK(atoi(request->path + 1) == i && here.score.in_flight == 1);
        CHECK(client_read(&one, SIZE_MAX) == 0);
        CHECK(respond(&here, request->id, "200 OK", request->path) == 0);
    }
    CHECK(client_read(&one, SIZE_MAX) > 0);
    check_replies(COUNT);
    CHECK(here.score.requests == COUNT && here.score.responses == COUNT);
    close_both();
}

TEST(a_request_of_a_connection_waits_for_the_response_before)
{
    open_both();
    ask_many(2);
    const test_record *first = expect_path("/0");
    CHECK(site_quiet(&here));
    CHECK(respond(&here, first->id, "200 OK", first->path) == 0);
    const test_record *second = expect_path("/1");
    CHECK(second->id == first->id && respond(&here, second->id, "200 OK", second->path) == 0);
    check_replies(2);
    close_both();
}

TEST(held_responses_go_out_when_much_is_held)
{
    enum { COUNT = 20, SIZE = 10000 };
    static char content[SIZE + 1];
    memset(content, 'c', SIZE);
    open_both();
    ask_many(COUNT);
    size_t most_held = 0;
    for (int i = 0; i < COUNT; i++) {
        const test_record *request = site_request(&here);
        CHECK(respond(&here, request->id, "200 OK", content) == 0);
        client_read(&one, SIZE_MAX);
        size_t given = (size_t)(i + 1) * SIZE;
        if (given > one.len && given - one.len > most_held)
            most_held = given - one.len;
    }
    CHECK(most_held > SIZE && most_held <= 65536 + SIZE);
    for (int i = 0; i < COUNT; i++)
        CHECK(client_reply_is(&here, &one, 200, content));
    close_both();
}

TEST(bytes_that_come_meanwhile_do_not_send_held_responses_early)
{
    open_both();
    CHECK(site_quiet(&here)); /* the connection is watched from here on */
    ask_many(2);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "/0") == 0);
    int64_t id = site_request(&here)->id;
    client_say(&here, &one, "GET /2 HT");
    CHECK(site_quiet(&here) && client_read(&one, SIZE_MAX) == 0);
    CHECK(respond(&here, id, "200 OK", "/1") == 0);
    check_replies(2);
    close_both();
}

TEST(a_bad_request_does_not_spoil_the_responses_before_it)
{
    open_both();
    client_say(&here, &one,
               "GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 2; i++) {
        const test_record *request = site_request(&here);
        CHECK(respond(&here, request->id, "200 OK", request->path) == 0);
    }
    CHECK(client_reply_is(&here, &one, 200, "/0") && client_reply_is(&here, &one, 200, "/1"));
    CHECK(client_reply_is(&here, &one, 400, "the request target is malformed\n"));
    CHECK(client_sees_end(&here, &one) && !one.reset && one.used == one.len);
    CHECK(here.score.refused == 1 && here.score.responses == 2 && site_quiet(&here));
    close_both();
}

TEST(streams_and_whole_responses_mix_in_order)
{
    enum { COUNT = 20 };
    open_both();
    ask_many(COUNT);
    for (int i = 0; i < COUNT; i++) {
        const test_record *request = site_request(&here);
        CHECK(atoi(request->path + 1) == i);
        if (i % 3 == 0) {
            CHECK(begin(&here, request->id, "200 OK") == 0);
            CHECK(send_piece(&here, request->id, "/") == 0);
            CHECK(send_piece(&here, request->id, request->path + 1) == 0);
            CHECK(fw_end(here.worker, request->id) == 0);
        } else {
            CHECK(respond(&here, request->id, "200 OK", request->path) == 0);
        }
    }
    check_replies(COUNT);
    close_both();
}

TEST(contents_of_pipelined_requests_are_kept_apart)
{
    open_both();
    client_say(
        &here, &one,
        "POST /0 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
        "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
        "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfo");
    static const char *const contents[] = {"one", "two", NULL, "four"};
    for (int i = 0; i < 4; i++) {
        if (i == 3) { /* what was answered is not held back for a content that may never come */
            check_replies(3);
            CHECK(site_quiet(&here));
            client_say(&here, &one, "ur");
        }
        const test_record *request = site_request(&here);
        CHECK(contents[i] ? request->body && strcmp(request->body, contents[i]) == 0
                          : request->content == 0);
        CHECK(respond(&here, request->id, "200 OK", request->path) == 0);
    }
    CHECK(client_reply_is(&here, &one, 200, "/3"));
    close_both();
}

TEST(nothing_is_read_after_a_request_that_ends_the_connection)
{
    open_both();
    client_say(&here, &one,
               "GET /0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
               "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    const test_record *request = expect_path("/0");
    CHECK(respond(&here, request->id, "200 OK", "/0") == 0);
    CHECK(client_reply_is(&here, &one, 200, "/0"));
    CHECK(client_sees_end(&here, &one) && !one.reset && one.used == one.len);
    CHECK(site_quiet(&here) && here.score.requests == 1);
    close_both();
}

TEST(part_of_a_next_request_does_not_hold_a_response_back)
{
    open_both();
    client_say(&here, &one, "GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHo");
    const test_record *request = expect_path("/0");
    CHECK(respond(&here, request->id, "200 OK", "/0") == 0);
    CHECK(client_reply_is(&here, &one, 200, "/0"));
    client_say(&here, &one, "st: a\r\n\r\n");
    request = expect_path("/1");
    CHECK(respond(&here, request->id, "200 OK", "/1") == 0);
    CHECK(client_reply_is(&here, &one, 200, "/1"));
    close_both();
}

TEST(a_half_closed_pipeline_that_ends_in_part_of_a_request_gets_what_is_whole)
{
    for (int watched = 0; watched < 2; watched++) { /* whether the end is noticed meanwhile */
        open_both();
        CHECK(!watched || site_quiet(&here));
        client_say(&here, &one,
                   "GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                   "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
        shutdown(one.fd, SHUT_WR);
        for (int i = 0; i < 2; i++) {
            const test_record *request = site_request(&here);
            CHECK(site_quiet(&here));
            CHECK(respond(&here, request->id, "200 OK", request->path) == 0);
        }
        check_replies(2);
        CHECK(client_sees_end(&here, &one) && !one.reset);
        CHECK(here.score.requests == 2 && here.score.responses == 2);
        close_both();
    }
}

/* The earlier response is whole and owed; the abort is about the later one (docs/http.md). */
TEST(an_abort_leaves_the_responses_before_it_whole)
{
    open_both();
    ask_many(2);
    const test_record *request = expect_path("/0");
    CHECK(respond(&here, request->id, "200 OK", "/0") == 0);
    request = expect_path("/1");
    CHECK(fw_abort(here.worker, request->id) == 0);
    CHECK(client_reply_is(&here, &one, 200, "/0"));
    CHECK(client_sees_end(&here, &one) && one.used == one.len);
    close_both();
}

/* Responds to so many requests of a unix client that reads nothing; stops early when a response stays in
 * the core. Returns how many the kernel has taken. */
static int respond_unread(const char *content, int count)
{
    client_close(&one);
    client_open_unix(&here, &one);
    uint64_t before = here.score.responses;
    for (int i = 0; i < count && here.score.responses == before + (uint64_t)i; i++) {
        int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
        CHECK(respond(&here, id, "200 OK", content) == 0);
    }
    return (int)(here.score.responses - before);
}

/* The held response meets a full socket, and then the client ends in mid-content. */
TEST(a_held_response_survives_a_full_socket_and_a_request_that_stays_incomplete)
{
    static char content[8001], large[60001];
    memset(content, 'c', sizeof content - 1);
    memset(large, 'l', sizeof large - 1);
    open_both();
    int fits = respond_unread(content, 1000);
    CHECK(fits > 5 && fits < 1000 && respond_unread(content, fits - 1) == fits - 1);
    client_say(&here, &one,
               "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
               "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", large) == 0);
    uint64_t responses = here.score.responses;
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 1);
    shutdown(one.fd, SHUT_WR);
    CHECK(site_quiet(&here));
    for (int i = 1; i < fits; i++)
        CHECK(client_reply_is(&here, &one, 200, content));
    CHECK(client_reply_is(&here, &one, 200, large));
    CHECK(client_sees_end(&here, &one) && one.used == one.len);
    CHECK(here.score.responses == responses);
    close_both();
}

/* A client may ask and ask and read nothing: neither its requests nor its responses pile up. */
TEST(a_client_that_only_asks_is_not_read_without_end)
{
    enum { SIZE = 30000 };
    static char content[SIZE + 1];
    static const char line[] = "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n";
    memset(content, 'c', SIZE);
    open_both();
    uint64_t asked = 0;
    int stalled = 0;
    int64_t owed = -1;
    while (stalled < 20 && asked < 100u * 1000 * 1000) {
        ssize_t sent = send(one.fd, line + asked % (sizeof line - 1),
                            sizeof line - 1 - asked % (sizeof line - 1), MSG_NOSIGNAL);
        asked += sent > 0 ? (uint64_t)sent : 0;
        if (sent > 0 && asked % 4096 > 64)
            continue;
        const test_record *request = site_take(&here, 0);
        stalled = sent > 0 || request ? 0 : stalled + 1;
        if (request && request->kind == FW_WRITABLE)
            owed = send_piece(&here, request->id, content + SIZE - owed);
        else if (request)
            owed = respond(&here, request->id, "200 OK", content);
        site_forget(&here);
    }
    CHECK(stalled == 20);
    CHECK(here.score.bytes_in < here.score.requests * (sizeof line - 1) + 16384 + 65536);
    CHECK(fw_open_connections(here.worker) == 1);
    close_both();
}

/* What is read while a response is awaited is bounded, and what was read of it is given back. */
TEST(what_is_read_ahead_takes_no_more_memory_than_it_must)
{
    static const char whole[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static char text[200000];
    size_t len = 0;
    while (len + sizeof whole < sizeof text) {
        memcpy(text + len, whole, sizeof whole - 1);
        len += sizeof whole - 1;
    }
    site_open(&here, NULL);
    client_open(&here, &one);
    CHECK(fcntl(one.fd, F_SETFL, fcntl(one.fd, F_GETFL) | O_NONBLOCK) == 0);
    client_ask(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(site_quiet(&here)); /* the connection is known to the set from now on */
    client_ask(&here, &one, "GET /first HTTP/1.1", "");
    int64_t first = site_request(&here)->id;
    CHECK(send(one.fd, text, len, MSG_NOSIGNAL) > 65536);
    for (int i = 0; i < 20; i++)
        CHECK(site_quiet(&here));
    const fw_conn *conn = fw__table_find(&here.worker->table, first);
    NOTE("%zu bytes hold %zu", conn->in.size, fw_buffer_len(&conn->in));
    CHECK(fw_buffer_len(&conn->in) == FW_AHEAD_MAX && conn->in.size == FW_AHEAD_MAX);
    CHECK(respond(&here, first, "200 OK", "x") == 0);
    client_close(&one);
    site_close(&here);
}
