/* test_core_drain.c -- the end of a worker, the descriptors it watches, and the thread it belongs to. */
#include "core_reply.h"

static test_site here;
static test_client one, two;

static int64_t open_with_request(void)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    return client_request(&here, &one, "GET / HTTP/1.1", "");
}

static bool refuses_connections(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int code = connect(fd, (struct sockaddr *)&here.address, sizeof here.address);
    close(fd);
    return code < 0;
}

TEST(draining_ends_keep_alive_with_the_next_response)
{
    int64_t id = open_with_request();
    CHECK(fw_drain(here.worker, 0, 1000) == 0);
    CHECK(refuses_connections() && fw_open_connections(here.worker) == 1);
    CHECK(respond(&here, id, "200 OK", "last") == 0);
    CHECK(client_gets(&here, &one, "Connection: close\r\n"));
    CHECK(client_reply_is(&here, &one, 200, "last") && client_sees_end(&here, &one) && !one.reset);
    CHECK(fw_open_connections(here.worker) == 0);
    client_close(&one);
    site_close(&here);
}

TEST(a_worker_that_is_not_ready_serves_on_and_ends_connections_with_their_response)
{
    int64_t id = open_with_request();
    CHECK(respond(&here, id, "200 OK", "a") == 0 && client_reply_is(&here, &one, 200, "a"));
    CHECK(fw_set_ready(here.worker, 0) == 0);
    CHECK(site_take(&here, 250) == NULL && fw_open_connections(here.worker) == 1);
    id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "b") == 0 && client_reply_is(&here, &one, 200, "b"));
    CHECK(client_sees_end(&here, &one));
    client_close(&one);
    client_open(&here, &two);
    id = client_request(&here, &two, "GET / HTTP/1.1", "");
    CHECK(fw_set_ready(here.worker, 1) == 0);
    CHECK(respond(&here, id, "200 OK", "c") == 0 && client_reply_is(&here, &two, 200, "c"));
    id = client_request(&here, &two, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "d") == 0 && client_reply_is(&here, &two, 200, "d"));
    CHECK(fw_open_connections(here.worker) == 1);
    client_close(&two);
    site_close(&here);
}

TEST(a_stream_that_is_under_way_ends_in_peace)
{
    int64_t id = open_with_request();
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "a") == 0);
    CHECK(fw_drain(here.worker, 1, 0) == 0);
    CHECK(site_take(&here, 250) == NULL);
    CHECK(send_piece(&here, id, "b") == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply_is(&here, &one, 200, "ab") && client_sees_end(&here, &one));
    CHECK(fw_open_connections(here.worker) == 0);
    client_close(&one);
    site_close(&here);
}

TEST(idle_connections_close_after_the_linger_time_and_may_ask_until_then)
{
    int64_t id = open_with_request();
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    client_open(&here, &two);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 2);
    CHECK(fw_drain(here.worker, 0, FAR_MS) == 0);
    CHECK(site_take(&here, 50) == NULL && fw_open_connections(here.worker) == 2);
    id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "y") == 0 && client_reply_is(&here, &one, 200, "y"));
    CHECK(client_sees_end(&here, &one) && fw_open_connections(here.worker) == 1);
    CHECK(site_take(&here, 250) == NULL && fw_open_connections(here.worker) == 1);
    CHECK(fw_drain(here.worker, 0, 1) == 0);
    CHECK(client_sees_end(&here, &two) && !two.reset && two.len == 0);
    CHECK(fw_open_connections(here.worker) == 0);
    client_close(&one);
    client_close(&two);
    site_close(&here);
}

TEST(an_idle_connection_is_closed_when_the_linger_time_is_over)
{
    site_open(&here, NULL);
    client_open(&here, &two);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 1);
    uint64_t start = clock_ms(), awake = awake_ms(0);
    CHECK(fw_drain(here.worker, 0, 300) == 0);
    CHECK(client_sees_end(&here, &two) && !two.reset && two.len == 0);
    NOTE("%d ms, %d of them awake", (int)(clock_ms() - start), (int)(awake_ms(0) - awake));
    CHECK(clock_ms() - start >= 295 && awake_ms(0) - awake < 1000);
    CHECK(fw_open_connections(here.worker) == 0);
    client_close(&two);
    site_close(&here);
}

TEST(a_request_sent_before_the_drain_is_answered_even_without_linger_time)
{
    int64_t id = open_with_request();
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    client_ask(&here, &one, "GET / HTTP/1.1", "");
    CHECK(fw_drain(here.worker, 0, 0) == 0);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "y") == 0);
    CHECK(client_reply_is(&here, &one, 200, "y") && client_sees_end(&here, &one));
    client_close(&one);
    site_close(&here);
}

TEST(pipelined_requests_read_before_the_drain_are_answered_first)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    client_say(&here, &one,
               "GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP");
    const test_record *request = site_request(&here);
    CHECK(fw_drain(here.worker, 0, 0) == 0);
    CHECK(respond(&here, request->id, "200 OK", "/0") == 0);
    for (int i = 1; i < 3; i++) {
        request = site_request(&here);
        CHECK(respond(&here, request->id, "200 OK", request->path) == 0);
    }
    CHECK(client_reply_is(&here, &one, 200, "/0") && client_reply_is(&here, &one, 200, "/1"));
    CHECK(client_reply_is(&here, &one, 200, "/2") && client_sees_end(&here, &one) && !one.reset);
    CHECK(count_text(one.data, "Connection: close") == 1);
    shutdown(one.fd, SHUT_WR);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 0);
    client_close(&one);
    site_close(&here);
}

TEST(a_head_under_way_may_be_finished_while_draining)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    client_say(&here, &one, "GET / HTTP/1.1\r\nHo");
    CHECK(site_quiet(&here) && fw_drain(here.worker, 0, 0) == 0);
    CHECK(site_take(&here, 250) == NULL);
    client_say(&here, &one, "st: a\r\n\r\n");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x") && client_sees_end(&here, &one));
    client_close(&one);
    site_close(&here);
}

TEST(the_backlog_is_served_by_a_service_that_stops)
{
    enum { COUNT = 100 };
    static test_client many[COUNT];
    site_open(&here, NULL);
    for (int i = 0; i < COUNT; i++) {
        if (i % 2)
            client_open(&here, &many[i]);
        else
            client_open_unix(&here, &many[i]);
        client_ask(&here, &many[i], "GET / HTTP/1.1", "");
    }
    CHECK(fw_drain(here.worker, 1, 0) == 0);
    CHECK(refuses_connections() && fw_open_connections(here.worker) == COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK(client_reply_is(&here, &many[i], 200, "x") && client_sees_end(&here, &many[i]));
        client_close(&many[i]);
    }
    CHECK(fw_open_connections(here.worker) == 0);
    site_close(&here);
}

TEST(the_backlog_is_left_to_others_by_a_worker_that_is_replaced)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    client_ask(&here, &one, "GET / HTTP/1.1", "");
    CHECK(fw_drain(here.worker, 0, 0) == 0);
    CHECK(site_quiet(&here) && here.score.accepted == 0);
    client_close(&one);
    site_close(&here);
}

/* A master may have shut the shared socket down: accept() then fails for ever. */
TEST(a_listener_that_was_shut_down_does_not_hold_up_the_drain)
{
    site_open(&here, NULL);
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = listen_on(&any, sizeof any, AF_INET);
    CHECK(fw_listen(here.worker, dup(fd)) == 2);
    shutdown(fd, SHUT_RDWR);
    close(fd);
    CHECK(fw_drain(here.worker, 1, 0) == 0);
    site_close(&here);
}

TEST(a_worker_that_drains_ends_connections_even_if_it_is_called_ready)
{
    int64_t id = open_with_request();
    CHECK(fw_drain(here.worker, 0, 1000) == 0 && fw_set_ready(here.worker, 1) == 0);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    CHECK(client_sees_end(&here, &one));
    client_close(&one);
    site_close(&here);
}

TEST(draining_twice_is_draining)
{
    int64_t id = open_with_request();
    CHECK(fw_drain(here.worker, 0, 5000) == 0 && fw_drain(here.worker, 1, 0) == 0);
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x") && client_sees_end(&here, &one));
    client_close(&one);
    site_close(&here);
}

TEST(freeing_a_worker_closes_everything_it_has)
{
    enum { COUNT = 12 };
    static test_client many[COUNT];
    static char content[4 << 20];
    int ends[2];
    fw_settings settings = settings_usual();
    settings.memory_body = 10;
    site_open(&here, &settings);
    for (int i = 0; i < COUNT; i++)
        client_open(&here, &many[i]);
    client_say(&here, &many[1], "GET / HT");
    client_ask(&here, &many[2], "POST / HTTP/1.1", "Content-Length: 90\r\n");
    client_ask(&here, &many[3], "POST / HTTP/1.1", "Content-Length: 90\r\n");
    client_say(&here, &many[3], "spooled by now");
    CHECK(site_quiet(&here));
    client_say(&here, &many[4], "GET / HTTP/9.9\r\n\r\n");
    CHECK(client_gets(&here, &many[4], "505"));
    (void)client_request(&here, &many[5], "GET / HTTP/1.1", "");
    CHECK(begin(&here, client_request(&here, &many[6], "GET / HTTP/1.1", ""), "200 OK") == 0);
    int64_t id = client_request(&here, &many[7], "GET / HTTP/1.1", "");
    CHECK(respond_n(&here, id, "200 OK", content, sizeof content) > 0);
    client_say(&here, &many[8],
               "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "held") == 0);
    client_ask(&here, &many[9], "POST / HTTP/1.1", "Content-Length: 20\r\n");
    client_say(&here, &many[9], "never taken, spooled");
    site_poll(&here, 0);
    CHECK(pipe(ends) == 0 && fw_watch(here.worker, ends[0]) == 0 && fw_watch(here.worker, 0) != 0);
    fw_unwatch(here.worker, 1);
    site_close(&here);
    for (int i = 0; i < COUNT; i++)
        client_close(&many[i]);
    close(ends[0]);
    close(ends[1]);
    fw_worker_free(NULL);
}

/* ---- Watched descriptors ----------------------------------------------------------------------- */

TEST(a_watched_descriptor_wakes_while_it_is_readable)
{
    int ends[2];
    char byte;
    site_open(&here, NULL);
    CHECK(pipe(ends) == 0);
    int token = fw_watch(here.worker, ends[0]);
    CHECK(token == 0 && site_quiet(&here));
    CHECK(write(ends[1], "x", 1) == 1);
    for (int i = 0; i < 3; i++) {
        CHECK(site_poll(&here, 1000) == 1);
        site_expect(&here, FW_WAKE, token);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && site_quiet(&here));
    CHECK(write(ends[1], "x", 1) == 1 && fw_unwatch(here.worker, token) == 0 && site_quiet(&here));
    CHECK(fw_unwatch(here.worker, token) == FW_ESTATE && fw_unwatch(here.worker, -1) == FW_ESTATE);
    CHECK(fw_unwatch(here.worker, 8) == FW_ESTATE);
    site_close(&here);
    close(ends[0]);
    close(ends[1]);
}

TEST(tokens_are_used_again)
{
    int fds[8][2];
    site_open(&here, NULL);
    for (int i = 0; i < 8; i++)
        CHECK(pipe(fds[i]) == 0 && fw_watch(here.worker, fds[i][0]) == i);
    CHECK(fw_watch(here.worker, fds[0][1]) == FW_EFULL);
    for (int i = 0; i < 20; i++) {
        CHECK(fw_unwatch(here.worker, 3) == 0 && site_quiet(&here));
        CHECK(fw_watch(here.worker, fds[3][0]) == 3);
    }
    CHECK(write(fds[3][1], "x", 1) == 1);
    site_expect(&here, FW_WAKE, 3);
    site_close(&here);
    for (int i = 0; i < 8; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

/* ---- Threads ----------------------------------------------------------------------------------- */

static void call_everything(void *arg)
{
    fw_worker *worker = arg;
    CHECK(fw_poll(worker, 0) == FW_ETHREAD && fw_listen(worker, 0) == FW_ETHREAD);
    CHECK(fw_watch(worker, 0) == FW_ETHREAD && fw_unwatch(worker, 0) == FW_ETHREAD);
    CHECK(fw_drain(worker, 0, 0) == FW_ETHREAD && fw_take_content(worker, 0) == FW_ETHREAD);
    CHECK(fw_renew_connections(worker) == FW_ETHREAD && fw_set_ready(worker, 1) == FW_ETHREAD);
    CHECK(fw_respond(worker, 0, "200 OK", 6, 1, "", 0) == FW_ETHREAD);
    CHECK(fw_begin(worker, 0, "200 OK", 6, 1) == FW_ETHREAD && fw_abort(worker, 0) == FW_ETHREAD);
    CHECK(fw_send(worker, 0, "x", 1) == FW_ETHREAD && fw_end(worker, 0) == FW_ETHREAD);
}

TEST(another_thread_is_turned_away)
{
    uv_thread_t thread;
    int64_t id = open_with_request();
    CHECK(uv_thread_create(&thread, call_everything, here.worker) == 0 &&
          uv_thread_join(&thread) == 0);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    client_close(&one);
    site_close(&here);
}
