/* test_core_ready.c -- the core's own response to a balancer that asks whether clients may be sent here. */
#include "core_reply.h"

static test_site here;
static test_client one;

static void open_with(const char *path)
{
    fw_settings settings = settings_usual();
    settings.ready_path = path;
    site_open(&here, &settings);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static bool told(int status, const char *content, const char *connection)
{
    test_reply reply = {0};
    bool good = client_reply(&here, &one, &reply) && reply.status == status &&
                reply_field(&reply, "Date") && reply_says(&reply, "Server", "fapws") &&
                strcmp(reply.content, content) == 0;
    if (good)
        good = connection ? reply_says(&reply, "Connection", connection)
                          : !reply_field(&reply, "Connection");
    reply_free(&reply);
    return good;
}

TEST(a_ready_worker_says_so_and_its_application_hears_nothing)
{
    open_with("/healthz");
    for (int i = 0; i < 3; i++) {
        client_ask(&here, &one, "GET /healthz HTTP/1.1", "");
        CHECK(told(200, "ready\n", NULL));
    }
    client_ask(&here, &one, "GET /healthz?x=1 HTTP/1.1", "");
    CHECK(told(200, "ready\n", NULL));
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 1);
    CHECK(here.score.requests == 0 && here.score.responses == 0 && here.score.in_flight == 0);
    close_both();
}

TEST(other_requests_are_the_applications)
{
    static const char *const lines[] = {"POST /healthz HTTP/1.1", "GET /healthz/ HTTP/1.1",
                                        "GET /health HTTP/1.1", "GET /%68ealthz HTTP/1.1",
                                        "GETS /healthz HTTP/1.1"};
    open_with("/healthz");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int64_t id = client_request(&here, &one, lines[i], "");
        CHECK(respond(&here, id, "200 OK", "mine") == 0);
        CHECK(client_reply_is(&here, &one, 200, "mine"));
    }
    client_say(&here, &one, "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    int64_t id = site_request(&here)->id;
    CHECK(respond(&here, id, "200 OK", "mine") == 0 && client_reply_is(&here, &one, 200, "mine"));
    close_both();
}

TEST(without_a_path_every_request_is_the_applications)
{
    open_with(NULL);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "mine") == 0 && client_reply_is(&here, &one, 200, "mine"));
    close_both();
}

TEST(a_worker_that_is_away_says_so_and_closes)
{
    open_with("/healthz");
    CHECK(fw_set_ready(here.worker, 0) == 0);
    client_ask(&here, &one, "GET /healthz HTTP/1.1", "");
    CHECK(told(503, "not ready\n", "close") && client_sees_end(&here, &one) && !one.reset);
    client_close(&one);
    CHECK(fw_set_ready(here.worker, 1) == 0);
    client_open(&here, &one);
    client_ask(&here, &one, "GET /healthz HTTP/1.1", "");
    CHECK(told(200, "ready\n", NULL));
    close_both();
}

TEST(a_worker_that_is_replaced_is_ready_to_its_end_and_one_that_stops_is_not)
{
    for (int stops = 0; stops <= 1; stops++) {
        open_with("/healthz");
        client_ask(&here, &one, "GET /healthz HTTP/1.1", "");
        CHECK(told(200, "ready\n", NULL));
        CHECK(fw_drain(here.worker, stops, 1000) == 0 && fw_set_ready(here.worker, 1) == 0);
        client_ask(&here, &one, "GET /healthz HTTP/1.1", "");
        CHECK(told(stops ? 503 : 200, stops ? "not ready\n" : "ready\n", "close"));
        CHECK(client_sees_end(&here, &one));
        close_both();
    }
}

TEST(an_old_client_and_head_are_answered_as_they_want)
{
    open_with("/healthz");
    client_ask(&here, &one, "HEAD /healthz HTTP/1.1", "");
    CHECK(client_gets(&here, &one, "Content-Length: 6\r\n") &&
          client_gets(&here, &one, "\r\n\r\n"));
    CHECK(site_quiet(&here) && !strstr(one.data, "ready\n"));
    client_close(&one);
    client_open(&here, &one);
    client_say(&here, &one, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(told(200, "ready\n", "keep-alive"));
    client_say(&here, &one, "GET /healthz HTTP/1.0\r\n\r\n");
    CHECK(told(200, "ready\n", "close") && client_sees_end(&here, &one) && !one.reset);
    close_both();
}

TEST(pipelined_requests_keep_their_order)
{
    open_with("/healthz");
    client_say(&here, &one,
               "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(told(200, "ready\n", NULL));
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "1") == 0);
    CHECK(client_reply_is(&here, &one, 200, "1"));
    CHECK(told(200, "ready\n", NULL) && told(200, "ready\n", NULL));
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "2") == 0);
    CHECK(client_reply_is(&here, &one, 200, "2"));
    CHECK(fw_open_connections(here.worker) == 1);
    close_both();
}

TEST(a_request_in_pieces_is_answered_like_another)
{
    static const char text[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    open_with("/healthz");
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        CHECK(client_push(&here, &one, text, cut));
        CHECK(site_quiet(&here));
        CHECK(client_push(&here, &one, text + cut, sizeof text - 1 - cut));
        CHECK(told(200, "ready\n", NULL));
    }
    close_both();
}
