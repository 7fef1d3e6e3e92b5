/* test_core_extra.c -- interim responses, the minimum rate of content, and records for debugging. */
#include "core_reply.h"

static test_site here;
static test_client one;
static test_reply got;

static void open_with(const fw_settings *settings)
{
    site_open(&here, settings);
    client_open(&here, &one);
}

static void close_both(void)
{
    reply_free(&got);
    client_close(&one);
    site_close(&here);
}

static int64_t inform(int64_t id, const char *head)
{
    return fw_inform(here.worker, id, head, strlen(head), count_fields(head));
}

TEST(an_interim_response_goes_out_at_once)
{
    open_with(NULL);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(
        inform(id, "103 Early Hints\nLink\n</a>; rel=preload\nConnection\nx\nContent-Length\n5") ==
        0);
    CHECK(client_reply(&here, &one, &got) && got.status == 103);
    CHECK(reply_says(&got, "Link", "</a>; rel=preload") && count_text(got.head, "\r\n") == 3);
    CHECK(inform(id, "102") == 0 && client_reply(&here, &one, &got) && got.status == 102);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    CHECK(inform(id, "103 Early Hints") == FW_ESTATE && here.score.responses == 1);
    close_both();
}

TEST(bad_interim_responses_are_refused_and_change_nothing)
{
    open_with(NULL);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(inform(id, "100 Continue") == FW_ESTATUS && inform(id, "101 Switch") == FW_ESTATUS);
    CHECK(inform(id, "200 OK") == FW_ESTATUS && inform(id, "") == FW_ESTATUS);
    CHECK(inform(id, "103 Hints\nA b\nc") == FW_ENAME &&
          inform(id, "103 Hints\nA\n\r") == FW_EVALUE);
    CHECK(fw_inform(here.worker, id, "103 x\nA\nb\nC\nd", 13, 3) == FW_ECOUNT);
    CHECK(begin(&here, id, "200 OK") == 0 && inform(id, "103 Late") == FW_ESTATE);
    CHECK(fw_end(here.worker, id) == 0 && client_reply_is(&here, &one, 200, ""));
    CHECK(one.used == one.len);
    close_both();
}

TEST(an_old_client_gets_no_interim_response)
{
    open_with(NULL);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.0", "");
    CHECK(inform(id, "103 Early Hints\nA\nb") == 0);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    close_both();
}

TEST(an_interim_response_keeps_its_place_among_pipelined_ones)
{
    open_with(NULL);
    client_say(&here, &one, "GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "/0") == 0);
    int64_t id = site_request(&here)->id;
    CHECK(inform(id, "103 Early Hints\nA\nb") == 0);
    CHECK(client_reply_is(&here, &one, 200, "/0") && client_reply_is(&here, &one, 103, ""));
    CHECK(respond(&here, id, "200 OK", "/1") == 0 && client_reply_is(&here, &one, 200, "/1"));
    close_both();
}

/* ---- The rate of content ----------------------------------------------------------------------- */

/* Pieces of 1,000 bytes: those of one look are enough for a minute's pause of a client that may send 10 a second. */
static void drip_content(uint32_t rate, size_t size, uint64_t for_ms)
{
    static const char piece[1000];
    fw_settings settings = settings_usual();
    settings.min_body_rate = rate;
    settings.min_body_after = 100;
    open_with(&settings);
    client_ask(&here, &one, "POST / HTTP/1.1", "Content-Length: 100000\r\n");
    uint64_t start = clock_ms();
    while (one.len == 0 && clock_ms() - start < for_ms) {
        (void)send(one.fd, piece, size, MSG_NOSIGNAL);
        site_poll(&here, 10);
        site_poll(&here, 10);
        client_read(&one, SIZE_MAX);
    }
    NOTE("%d ms", (int)(clock_ms() - start));
}

TEST(content_that_drips_is_refused_after_a_while)
{
    drip_content(100000, 4, SOON_MS);
    CHECK(one.len > 0);
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    CHECK(client_sees_end(&here, &one) && here.score.requests == 0);
    close_both();
}

TEST(content_that_came_at_once_is_no_credit_for_what_drips_then)
{
    static char most[60000];
    fw_settings settings = settings_usual();
    settings.min_body_rate = 1000;
    settings.min_body_after = 100;
    open_with(&settings);
    uint64_t start = clock_ms();
    client_ask(&here, &one, "POST / HTTP/1.1", "Content-Length: 100000\r\n");
    CHECK(client_push(&here, &one, most, sizeof most)); /* a minute's worth */
    uint64_t awake = awake_ms(0);
    while (one.len == 0 && clock_ms() - start < SOON_MS) {
        (void)send(one.fd, "x", 1, MSG_NOSIGNAL);
        site_poll(&here, 10);
        site_poll(&here, 10);
        client_read(&one, SIZE_MAX);
    }
    NOTE("%d ms", (int)(clock_ms() - start));
    CHECK(one.len > 0 && clock_ms() - start >= 100 && awake_ms(0) - awake < 1000);
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    close_both();
}

TEST(content_that_comes_fast_enough_is_not_refused)
{
    drip_content(10, 1000, 400);
    CHECK(one.len == 0 && !one.ended && here.score.refused == 0);
    close_both();
    drip_content(0, 4, 400);
    CHECK(one.len == 0 && !one.ended && here.score.refused == 0);
    close_both();
}

/* ---- FW_DEBUG ---------------------------------------------------------------------------------- */

static const test_record *next_debug(const char *token)
{
    const test_record *told = site_take(&here, SOON_MS);
    if (!CHECK(told && told->kind == FW_DEBUG && strcmp(told->token, token) == 0))
        exit(1);
    CHECK(strcmp(told->address, "127.0.0.1") == 0 && atoi(told->port) > 0);
    return told;
}

TEST(debugging_tells_of_refusals_and_hidden_fields)
{
    fw_settings settings = settings_usual();
    settings.debug = 1;
    open_with(&settings);
    client_ask(&here, &one, "GET / HTTP/1.1", "A_b: 1\r\nProxy: 2\r\nC: 3\r\n");
    CHECK(strcmp(next_debug("hidden_field")->target, "A_b") == 0);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "") == 0);
    client_say(&here, &one, "GET /\x01\xff HTTP/1.1\r\n\r\n");
    CHECK(strncmp(next_debug("bad_target")->target, "GET /?? HTTP/1.1??", 18) == 0);
    CHECK(client_reply_is(&here, &one, 200, "") && client_gets(&here, &one, " 400 "));
    close_both();
}

/* A content that does not fit, one after a bad field, what follows a content that was longer than announced,
 * and bytes that were never a request. */
TEST(below_the_third_level_a_refusal_shows_no_content)
{
    static const struct {
        const char *say, *token, *shown;
    } cases[] = {
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nsecret=1",
         "content_too_large", "POST / HTTP/1.1??Host: a??Content-Length: 99999999??"},
        {"POST / HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\nsecret=1", "bad_field_name",
         "POST / HTTP/1.1??Host: a??Bad Name: 1??"},
        {"POST / HTTP/1.1\nBad Name: 1\n\nsecret=1", "", "POST / HTTP/1.1?"},
        {"\r\nsecret=1 and more\r\n\r\n", "", "(it begins no request; debug = 3 shows it)"},
        {"SECRET", "", "(it begins no request; debug = 3 shows it)"},
    };
    for (unsigned level = 1; level <= 3; level++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            fw_settings settings = settings_usual();
            settings.debug = level;
            settings.header_timeout = 50;
            open_with(&settings);
            client_say(&here, &one, cases[i].say);
            const test_record *told = site_take(&here, SOON_MS);
            CHECK(told && told->kind == FW_DEBUG);
            if (*cases[i].token)
                CHECK(strcmp(told->token, cases[i].token) == 0);
            if (level < 3)
                CHECK(strncmp(told->target, cases[i].shown, strlen(cases[i].shown)) == 0 &&
                      !strstr(told->target, "ecret=") && !strstr(told->target, "SECRET"));
            else
                CHECK(strstr(told->target, "ecret=") || strstr(told->target, "SECRET"));
            close_both();
        }
    }
}

TEST(many_refusals_at_once_do_not_run_over_the_batch)
{
    enum { COUNT = 400 };
    static test_client many[COUNT];
    static char line[300];
    fw_settings settings = settings_usual();
    settings.debug = 1;
    site_open(&here, &settings);
    memset(line, 'x', sizeof line - 5);
    strcpy(line + sizeof line - 5, "\r\n\r\n");
    for (int i = 0; i < COUNT; i++)
        client_open(&here, &many[i]);
    while (here.score.accepted < COUNT)
        site_poll(&here, 1);
    for (int i = 0; i < COUNT; i++)
        client_say(&here, &many[i], line);
    for (uint64_t end = clock_ms() + SOON_MS; here.score.refused < COUNT && clock_ms() < end;)
        CHECK(site_poll(&here, 1) <= (int)(here.view.record_words - 1) / FW_RECORD_WORDS);
    CHECK(here.score.refused == COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK(client_gets(&here, &many[i], " 400 "));
        client_close(&many[i]);
    }
    site_close(&here);
}

TEST(debug_records_begin_and_end_when_they_are_asked_for)
{
    for (int round = 0; round < 2; round++) {
        open_with(NULL);
        CHECK(fw_set_debug(here.worker, 1) == 0);
        if (round)
            CHECK(fw_set_debug(here.worker, 0) == 0);
        client_say(&here, &one, "BAD\r\n\r\n");
        CHECK(client_sees_end(&here, &one));
        CHECK((here.first != NULL && here.first->kind == FW_DEBUG) == (round == 0));
        close_both();
    }
}

TEST(a_worker_that_is_gone_takes_no_calls)
{
    const char *head;
    CHECK(fw_poll(NULL, 0) == FW_ETHREAD && fw_set_debug(NULL, 1) == FW_ETHREAD);
    CHECK(fw_send(NULL, 1, "x", 1) == FW_ETHREAD && fw_abort(NULL, 1) == FW_ETHREAD);
    CHECK(fw_respond(NULL, 1, "200 OK", 6, 1, "", 0) == FW_ETHREAD);
    CHECK(fw_begin(NULL, 1, "200 OK", 6, 1) == FW_ETHREAD && fw_end(NULL, 1) == FW_ETHREAD);
    CHECK(fw_inform(NULL, 1, "103 x", 5, 1) == FW_ETHREAD);
    CHECK(fw_send_file(NULL, 1, 0, 0, 1) == FW_ETHREAD && fw_take_content(NULL, 1) == FW_ETHREAD);
    CHECK(fw_connection_fd(NULL, 1) == FW_ETHREAD && fw_keep_heads(NULL) == FW_ETHREAD);
    CHECK(fw_request_head(NULL, 1, &head) == FW_ETHREAD);
}
