/* test_core_time.c -- the time limits, and that time the application took is not held against a client. Where a test
 * needs time to have passed, it sets the clock ahead: by so much that no pause of the machine comes near. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "core_reply.h"

#include "frozen_clock.h"

/* What an application that is busy takes longer than. */
#if defined(__APPLE__) /* libuv asks another clock there */
enum { LIMIT_MS = 500, BUSY_MS = 1000 };
#else
enum { LIMIT_MS = 60000, BUSY_MS = 90000 };
#endif

static test_site here;
static test_client one;
static fw_settings settings;

static void open_limits(uint32_t head, uint32_t content, uint32_t idle, uint32_t writing)
{
    settings = settings_usual();
    settings.header_timeout = head;
    settings.body_timeout = content;
    settings.keepalive_timeout = idle;
    settings.write_timeout = writing;
    site_open(&here, &settings);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

/* What an application does that is busy: nobody polls meanwhile. */
static void work_for(uint64_t ms)
{
    uint64_t start = clock_ms();
    ahead_ms += ms / 1000 * 1000;
    while (clock_ms() - start < ms)
        (void)usleep(1000);
}

static void check_closes_after(uint64_t since, uint64_t wait_ms)
{
    uint64_t awake = awake_ms(0);
    CHECK(client_sees_end(&here, &one) && !one.reset);
    uint64_t took = clock_ms() - since;
    awake = awake_ms(0) - awake;
    NOTE("%d ms, %d of them awake, instead of %d", (int)took, (int)awake, (int)wait_ms);
    CHECK(took + 5 >= wait_ms && awake < wait_ms + 1000);
    NOTE("%s", "");
}

/* Nothing happens; the alarm comes if it waits for something else. A signal ends a poll before its time, and so does
 * what a kernel finishes late of the io_uring of a loop before, but not three in a row. */
static void poll_in_vain(int timeout_ms)
{
    uint64_t took = 0;
    for (int tries = 0; tries < 3 && (tries == 0 || took + 2 < (uint64_t)timeout_ms); tries++) {
        uint64_t start = clock_ms();
        CHECK(fw_poll(here.worker, timeout_ms) == 0);
        took = clock_ms() - start;
    }
    NOTE("%d ms instead of %d", (int)took, timeout_ms);
    CHECK(took + 2 >= (uint64_t)timeout_ms);
    NOTE("%s", "");
}

TEST(poll_returns_when_its_time_is_up)
{
    site_open(&here, NULL);
    for (int timeout = 0; timeout <= 60; timeout += 20)
        poll_in_vain(timeout);
    site_close(&here);
}

/* The loop's clock stood still meanwhile. With an idle connection a far deadline is armed, and the
 * poll must not wait for that instead. */
TEST(poll_returns_in_time_after_the_application_was_busy)
{
    open_limits(0, 0, FAR_MS, 0);
    CHECK(site_quiet(&here));
    for (int i = 0; i < 3; i++) {
        work_for(BUSY_MS);
        poll_in_vain(30);
    }
    close_both();
}

TEST(the_linger_time_begins_with_the_drain_however_long_the_application_has_worked_before)
{
    open_limits(0, 0, 0, 0);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 1);
    work_for(BUSY_MS);
    uint64_t start = clock_ms();
    CHECK(fw_drain(here.worker, 0, 300) == 0);
    CHECK(client_sees_end(&here, &one) && clock_ms() - start >= 295);
    close_both();
}

TEST(a_head_that_does_not_come_in_time_is_refused)
{
    open_limits(100, 0, 0, 0);
    uint64_t start = clock_ms();
    client_say(&here, &one, "GET / HTTP/1.1\r\nHo");
    CHECK(client_reply_is(&here, &one, 408, "the request head did not come in time\n"));
    check_closes_after(start, 100);
    CHECK(site_quiet(&here) && here.score.refused == 1);
    close_both();
}

TEST(dripping_does_not_prolong_the_time_of_a_head)
{
    open_limits(100, 0, 0, 0);
    uint64_t start = awake_ms(0), end = clock_ms() + SOON_MS;
    client_say(&here, &one, "GET / HTTP/1.1\r\nX: ");
    while (one.len == 0 && !one.ended && clock_ms() < end) {
        (void)send(one.fd, "x", 1, MSG_NOSIGNAL);
        site_poll(&here, 5);
        client_read(&one, SIZE_MAX);
    }
    CHECK(one.len > 0 && awake_ms(0) - start < 600);
    CHECK(client_reply_is(&here, &one, 408, "the request head did not come in time\n"));
    close_both();
}

TEST(content_that_does_not_come_in_time_is_refused)
{
    open_limits(0, 100, 0, 0);
    uint64_t start = clock_ms();
    client_say(&here, &one, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    check_closes_after(start, 100);
    CHECK(site_quiet(&here) && here.score.requests == 0);
    close_both();
}

TEST(a_refusal_of_a_late_head_is_not_cut_for_the_head_request_before)
{
    open_limits(100, 0, 0, 0);
    test_reply got = {0};
    int64_t id = client_request(&here, &one, "HEAD / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "") == 0);
    CHECK(client_reply_to(&here, &one, true, &got));
    client_say(&here, &one, "GET / HT");
    CHECK(client_reply_is(&here, &one, 408, "the request head did not come in time\n"));
    reply_free(&got);
    close_both();
}

TEST(idle_connections_are_closed_in_silence)
{
    open_limits(0, 0, 100, 0);
    uint64_t start = clock_ms();
    check_closes_after(start, 100);
    CHECK(one.len == 0);
    client_close(&one);
    client_open(&here, &one);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    start = clock_ms();
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x"));
    check_closes_after(start, 100);
    CHECK(here.score.refused == 0);
    close_both();
}

/* As site_take(), in so many steps that the pauses of the machine can be told from the wait. */
static const test_record *take_soon(void)
{
    const test_record *told = NULL;
    for (uint64_t end = clock_ms() + SOON_MS; !told && clock_ms() < end;)
        told = site_take(&here, 10);
    return told;
}

TEST(a_client_that_reads_nothing_is_cut_off_and_told)
{
    static char content[8 << 20];
    open_limits(0, 0, 0, 100);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    uint64_t start = clock_ms(), awake = awake_ms(0);
    int64_t rest = respond_n(&here, id, "200 OK", content, sizeof content);
    const test_record *told = take_soon();
    while (rest > 0 && told && told->kind == FW_WRITABLE) {
        rest = fw_send(here.worker, id, content, (size_t)rest);
        told = take_soon();
    }
    CHECK(rest > 0 && told && told->kind == FW_GONE && told->id == id);
    CHECK(awake_ms(0) - awake < 1000 && clock_ms() - start >= 95);
    CHECK(send_piece(&here, id, "x") == FW_EGONE && fw_open_connections(here.worker) == 0);
    close_both();
}

/* The socket turns writable only when much of its buffer is free. Systems that do not tell what a
 * socket still holds (OpenBSD, FW_PORTABLE) cut such a client off. */
#if defined(__linux__) && !defined(FW_PORTABLE)
TEST(a_client_that_reads_slowly_but_steadily_is_not_cut_off)
{
    static char content[8 << 20];
    open_limits(0, 0, 0, LIMIT_MS);
    client_close(&one);
    client_open_slow(&here, &one);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    int64_t rest = respond_n(&here, id, "200 OK", content, sizeof content);
    for (int i = 0; i < 400; i++) {
        const test_record *told = site_take(&here, 1);
        CHECK(!told || told->kind == FW_WRITABLE);
        if (told && told->kind == FW_WRITABLE)
            rest = fw_send(here.worker, id, content, (size_t)rest);
        client_read(&one, 4000);
        if (i % 20 == 0) /* 80,000 bytes */
            work_for(LIMIT_MS / 4 * 3);
    }
    CHECK(rest > 0 && fw_open_connections(here.worker) == 1);
    CHECK(fw_abort(here.worker, id) == 0);
    close_both();
}
#endif

TEST(no_time_limit_holds_while_the_application_has_the_request)
{
    open_limits(40, 40, 40, 40);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(site_take(&here, 150) == NULL);
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "a") == 0);
    CHECK(site_take(&here, 150) == NULL);
    CHECK(fw_end(here.worker, id) == 0 && client_reply_is(&here, &one, 200, "a"));
    close_both();
}

TEST(time_limits_of_zero_are_off)
{
    open_limits(0, 0, 0, 0);
    client_say(&here, &one, "GET / HTTP/1.1\r\nHo");
    CHECK(site_take(&here, 150) == NULL);
    client_say(&here, &one, "st: a\r\n\r\n");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x"));
    CHECK(site_take(&here, 150) == NULL && fw_open_connections(here.worker) == 1);
    close_both();
}

/* ---- While the application was busy ------------------------------------------------------------ */

TEST(an_idle_limit_counts_from_the_response_not_from_the_last_poll)
{
    open_limits(0, 0, LIMIT_MS, 0);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    work_for(BUSY_MS);
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    site_poll(&here, 0);
    site_poll(&here, 0);
    CHECK(fw_open_connections(here.worker) == 1);
    id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "y") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x") && client_reply_is(&here, &one, 200, "y"));
    close_both();
}

TEST(a_write_limit_counts_from_the_response_not_from_the_last_poll)
{
    static char content[4 << 20];
    open_limits(0, 0, 0, LIMIT_MS);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    work_for(BUSY_MS);
    int64_t rest = respond_n(&here, id, "200 OK", content, sizeof content);
    CHECK(rest > 0);
    site_poll(&here, 0);
    client_read(&one, SIZE_MAX);
    site_expect(&here, FW_WRITABLE, id);
    CHECK(fw_abort(here.worker, id) == 0);
    close_both();
}

TEST(a_head_that_came_while_the_application_was_busy_is_in_time)
{
    open_limits(LIMIT_MS, 0, 0, 0);
    for (int i = 0; i < 2; i++) { /* each head anew */
        client_say(&here, &one, "GET / HTTP/1.1\r\n");
        CHECK(site_quiet(&here));
        client_say(&here, &one, "Host: a\r\n\r\n");
        work_for(BUSY_MS);
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
        CHECK(client_reply_is(&here, &one, 200, "x"));
    }
    close_both();
}

TEST(content_that_came_while_the_application_was_busy_is_in_time)
{
    open_limits(0, LIMIT_MS, 0, 0);
    client_say(&here, &one, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    CHECK(site_quiet(&here));
    client_say(&here, &one, "four");
    work_for(BUSY_MS);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x"));
    close_both();
}

TEST(a_request_that_came_while_the_application_was_busy_finds_the_connection_open)
{
    open_limits(0, 0, LIMIT_MS, 0);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    client_ask(&here, &one, "GET / HTTP/1.1", "");
    work_for(BUSY_MS);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "y") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x") && client_reply_is(&here, &one, 200, "y"));
    close_both();
}

TEST(a_client_that_was_cut_off_is_told_at_once_after_the_application_was_busy)
{
    static char content[8 << 20];
    open_limits(0, 0, 0, 100);
    client_close(&one);
    client_open_unix(&here, &one);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond_n(&here, id, "200 OK", content, sizeof content) > 0);
    work_for(BUSY_MS); /* so that the turn begins with the timer that tells of the end */
    CHECK(fw_poll(here.worker, FAR_MS) == 1 && here.view.records[1] == FW_GONE); /* or the alarm */
    close_both();
}

/* One more look at the socket is due to a client that was kept waiting, not another full time. */
TEST(dripping_on_a_busy_worker_does_not_prolong_the_time_of_a_head)
{
    open_limits(LIMIT_MS, 0, 0, 0);
    client_say(&here, &one, "GET / HTTP/1.1\r\nX: ");
    CHECK(site_quiet(&here));
    int looks = 0;
    for (; one.len == 0 && !one.ended && looks < 100; looks++) {
        work_for(LIMIT_MS / 6);
        (void)send(one.fd, "x", 1, MSG_NOSIGNAL);
        site_poll(&here, 0);
        site_poll(&here, 0); /* what waits for its extra look has it */
        client_read(&one, SIZE_MAX);
    }
    NOTE("%d looks", looks);
    CHECK(one.len > 0 && looks <= 16); /* of 6 each in a full time, and one time more */
    CHECK(client_reply_is(&here, &one, 408, "the request head did not come in time\n"));
    close_both();
}

/* ---- The scoreboard ------------------------------------------------------------------------------ */

/* Others may write into the row: what they write there decides nothing. */
TEST(nonsense_in_the_row_of_the_scoreboard_times_nobody_out)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    for (int i = 0; i < 20; i++) {
        memset(&here.score, 0xff, sizeof here.score);
        here.score.beat = UINT64_MAX - 5000;
        client_say(&here, &one, "GET / HTTP/1.1\r\n");
        CHECK(site_quiet(&here));
        memset(&here.score, 0xff, sizeof here.score);
        client_say(&here, &one, "Host: a\r\n\r\n");
        int64_t id = site_request(&here)->id;
        memset(&here.score, 0xff, sizeof here.score);
        CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    }
    client_close(&one);
    site_close(&here);
}

TEST(nonsense_in_the_rows_of_others_lets_this_one_accept)
{
    static fw_score rows[3];
    test_client many[8];
    memset(rows, 0xff, sizeof rows);
    for (int i = 0; i < 3; i++)
        rows[i].group = 7;
    rows[0].connections = 0;
    rows[1].connections = 0;
    rows[1].busy_since = UINT64_MAX - 3;
    site_open(&here, NULL);
    CHECK(fw_share(here.worker, rows, 3, 7) == 0);
    for (int i = 0; i < 8; i++) {
        client_open(&here, &many[i]);
        client_ask(&here, &many[i], "GET / HTTP/1.1", "");
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
        CHECK(client_reply_is(&here, &many[i], 200, "x"));
    }
    for (int i = 0; i < 8; i++)
        client_close(&many[i]);
    site_close(&here);
}
