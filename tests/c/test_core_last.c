/* test_core_last.c -- a worker's last requests, which are told when it has died. */
#include "core_reply.h"

static test_site here;
static test_client one, two;
static fw_last last;

static void open_remembered(void)
{
    memset(&last, 0, sizeof last);
    site_open(&here, NULL);
    CHECK(fw_remember(here.worker, &last) == 0);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static bool has(unsigned place, const char *line, const char *status)
{
    const fw_last_request *found = &last.requests[place];
    return found->line_len == strlen(line) && memcmp(found->line, line, found->line_len) == 0 &&
           memcmp(found->status, status, 3) == 0;
}

TEST(responses_are_there_with_their_requests_in_their_order)
{
    open_remembered();
    uint64_t began = clock_ms();
    int64_t id = client_request(&here, &one, "GET /a?b=c HTTP/1.1", "");
    CHECK(last.count == 0 && respond(&here, id, "200 OK", "") == 0);
    CHECK(last.count == 1 && has(0, "GET /a?b=c", "200"));
    CHECK(last.requests[0].ms <= clock_ms() - began + 20);
    id = client_request(&here, &one, "PROPPATCH /second HTTP/1.1", "");
    CHECK(respond(&here, id, "503 Service Unavailable", "") == 0);
    CHECK(last.count == 2 && has(1, "PROPPATCH /second", "503") && has(0, "GET /a?b=c", "200"));
    close_both();
}

TEST(time_is_that_from_the_request_to_the_response)
{
    open_remembered();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    uint64_t began = clock_ms();
    while (clock_ms() < began + 60) /* the application works: nobody polls meanwhile */
        ;
    CHECK(respond(&here, id, "200 OK", "") == 0 && last.requests[0].ms >= 50);
    close_both();
}

TEST(stream_goes_on_until_it_ends)
{
    open_remembered();
    uint64_t began = clock_ms();
    int64_t id = client_request(&here, &one, "GET /stream HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0 && has(0, "GET /stream", "200"));
    CHECK(last.requests[0].ms == FW_LAST_GOES_ON);
    CHECK(send_piece(&here, id, "a") == 0 && last.requests[0].ms == FW_LAST_GOES_ON);
    CHECK(fw_end(here.worker, id) == 0 && last.count == 1);
    CHECK(last.requests[0].ms <= clock_ms() - began + 20);
    close_both();
}

TEST(stream_that_outlives_its_place_leaves_the_next_ones_alone)
{
    open_remembered();
    int64_t id = client_request(&here, &one, "GET /stream HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "a") == 0);
    client_open(&here, &two);
    for (int i = 0; i < FW_LAST_REQUESTS; i++) {
        int64_t other = client_request(&here, &two, "GET /other HTTP/1.1", "");
        CHECK(respond(&here, other, "200 OK", "") == 0);
    }
    CHECK(last.count == FW_LAST_REQUESTS + 1 && has(0, "GET /other", "200"));
    last.requests[0].ms = 7;
    CHECK(fw_end(here.worker, id) == 0 && last.requests[0].ms == 7);
    client_close(&two);
    close_both();
}

TEST(target_is_cut_and_the_oldest_gives_way)
{
    char line[600], kept[600];
    open_remembered();
    (void)snprintf(line, sizeof line, "GET /%0300d HTTP/1.1", 1);
    (void)snprintf(kept, sizeof kept, "GET /%0*d", FW_LAST_TARGET - 1, 0);
    for (int i = 0; i < FW_LAST_REQUESTS + 3; i++) {
        int64_t id = client_request(&here, &one, i == 32 ? "GET /33 HTTP/1.1" : line, "");
        CHECK(respond(&here, id, "404 Not Found", "") == 0);
    }
    CHECK(last.count == FW_LAST_REQUESTS + 3 && has(0, "GET /33", "404") && has(1, kept, "404"));
    close_both();
}

TEST(request_without_a_response_does_not_hide_those_behind_it)
{
    open_remembered();
    client_open(&here, &two);
    client_say(&here, &one, "GET /left HTTP/1.1\r\nHost: x\r\n\r\n");
    client_say(&here, &two, "GET /answered HTTP/1.1\r\nHost: x\r\n\r\n");
    int64_t left = site_request(&here)->id, answered = site_request(&here)->id;
    CHECK(fw_abort(here.worker, left) == 0);
    CHECK(respond(&here, answered, "200 OK", "") == 0);
    CHECK(last.count == 1 && has(0, "GET /answered", "200"));
    client_close(&two);
    close_both();
}

TEST(what_another_wrote_there_harms_nobody)
{
    open_remembered();
    int64_t id = client_request(&here, &one, "GET /stream HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "a") == 0);
    memset(&last, 0xff, sizeof last);
    CHECK(fw_end(here.worker, id) == 0);
    for (int i = 0; i < 3; i++) {
        id = client_request(&here, &one, "GET /next HTTP/1.1", "");
        CHECK(respond(&here, id, "200 OK", "") == 0);
    }
    CHECK(last.count == 2 && has(1, "GET /next", "200"));
    close_both();
}

TEST(nothing_is_kept_for_another_thread_or_without_a_place)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "") == 0);
    CHECK(fw_remember(NULL, &last) == FW_ETHREAD);
    close_both();
}

TEST(what_the_core_answers_itself_is_among_them)
{
    fw_settings settings = settings_usual();
    settings.ready_path = "/healthz";
    memset(&last, 0, sizeof last);
    site_open(&here, &settings);
    CHECK(fw_remember(here.worker, &last) == 0);
    client_open(&here, &one);
    client_ask(&here, &one, "HEAD /healthz HTTP/1.1", "");
    CHECK(client_gets(&here, &one, "HTTP/1.1 200 ") && has(0, "HEAD /healthz", "200"));
    client_say(&here, &one, "\r\nBREW /pot?a HTTP/1.1\r\n\r\n");
    CHECK(client_gets(&here, &one, "HTTP/1.1 400 ") && has(1, "BREW /pot?a", "400"));
    client_open(&here, &two);
    client_say(&here, &two, "\x16\x03\x01 a secret\r\n\r\n");
    CHECK(client_gets(&here, &two, "HTTP/1.1 400 ") && has(2, "(unreadable)", "400"));
    CHECK(last.count == 3 && last.refused[-FW_EHOST_MISSING] == 1);
    client_close(&two);
    close_both();
}

TEST(target_of_a_long_method_is_kept_as_far_as_that_of_a_short_one)
{
    char line[600], kept[600];
    open_remembered();
    for (int size = 100; size <= 125;
         size++) { /* of the target; the scoreboard's line is shorter */
        (void)snprintf(line, sizeof line, "UNSUBSCRIBE /%0*d HTTP/1.1", size - 1, 0);
        (void)snprintf(kept, sizeof kept, "UNSUBSCRIBE /%0*d",
                       (size < FW_LAST_TARGET ? size : FW_LAST_TARGET) - 1, 0);
        int64_t id = client_request(&here, &one, line, "");
        unsigned place = (unsigned)last.count % FW_LAST_REQUESTS;
        CHECK(respond(&here, id, "200 OK", "") == 0 && has(place, kept, "200"));
    }
    close_both();
}
