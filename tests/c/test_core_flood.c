/* test_core_flood.c -- many at once: what a batch holds, and that nobody waits for ever behind it. */
#include "worker.h"

#include "core_reply.h"

#define MANY 200

static test_site here;
static test_client many[MANY];

static void open_many(int count)
{
    site_open(&here, NULL);
    for (int i = 0; i < count; i++)
        client_open(&here, &many[i]);
    while (here.score.accepted < (uint64_t)count)
        site_poll(&here, 1);
}

static void close_many(int count)
{
    for (int i = 0; i < count; i++)
        client_close(&many[i]);
    site_close(&here);
}

TEST(more_requests_than_a_batch_holds_all_come_in_turn)
{
    open_many(MANY);
    for (int i = 0; i < MANY; i++)
        client_ask(&here, &many[i], "GET / HTTP/1.1", "");
    int64_t seen[MANY];
    int requests = 0;
    for (int polls = 0; requests < MANY && polls < 20; polls++) {
        CHECK(site_poll(&here, 0) <= 64 + 1);
        CHECK(here.score.in_flight <= 64);
        while (here.first) {
            seen[requests] = site_request(&here)->id;
            CHECK(respond(&here, seen[requests++], "200 OK", "x") == 0);
        }
    }
    CHECK(requests == MANY);
    for (int i = 0; i < requests; i++)
        for (int j = 0; j < i; j++)
            CHECK(seen[i] != seen[j]);
    for (int i = 0; i < MANY; i++)
        CHECK(client_reply_is(&here, &many[i], 200, "x"));
    close_many(MANY);
}

TEST(a_batch_is_bounded_in_bytes_too)
{
    enum { COUNT = 20, SIZE = 60000 };
    static char text[SIZE + 200];
    int at = snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
                      SIZE);
    memset(text + at, 'c', SIZE);
    site_open(&here, NULL);
    for (int i = 0; i < COUNT; i++) { /* a unix socket takes that much at once */
        client_open_unix(&here, &many[i]);
        CHECK(send(many[i].fd, text, (size_t)at + SIZE, 0) == at + SIZE);
    }
    int requests = 0;
    while (requests < COUNT) { /* or the alarm comes */
        site_poll(&here, 1);
        CHECK(here.score.in_flight <= 262144 / SIZE + 1);
        while (here.first) {
            const test_record *request = site_request(&here);
            CHECK(request->content == SIZE && respond(&here, request->id, "200 OK", "") == 0);
            requests++;
        }
        site_forget(&here);
    }
    close_many(COUNT);
}

TEST(a_crowd_that_has_gone_is_noticed_when_most_of_it_has)
{
    open_many(MANY);
    fw_crowd *crowd = &here.worker->crowd;
    for (int i = 0; i < MANY / 2; i++)
        client_close(&many[i]);
    uint64_t end = clock_ms() + SOON_MS;
    while (fw_open_connections(here.worker) > MANY / 2 && clock_ms() < end)
        CHECK(site_poll(&here, 1) >= 0);
    CHECK(crowd->most == MANY && !uv_is_active((uv_handle_t *)&crowd->timer));
    for (int i = MANY / 2; i < MANY; i++)
        client_close(&many[i]);
    end = clock_ms() + SOON_MS;
    while ((crowd->most == MANY || fw_open_connections(here.worker) > 0) && clock_ms() < end)
        CHECK(site_poll(&here, 1) >= 0);
    CHECK(crowd->most <=
          MANY / 4); /* a worker that was kept from its turns has looked before the last had gone */
    CHECK(fw_open_connections(here.worker) == 0);
    site_close(&here);
}

/* Keeps every one of the first count connections supplied with requests and responds to what comes,
 * until done() or for a bounded number of polls. */
static bool flood_until(int count, bool (*done)(const test_record *))
{
    static const char line[] = "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int polls = 0; polls < 400; polls++) {
        if (polls % 4 == 0)
            for (int i = 0; i < count; i++)
                for (int j = 0; j < 8; j++)
                    if (send(many[i].fd, line, sizeof line - 1, MSG_NOSIGNAL) < 0)
                        break;
        site_poll(&here, 0);
        while (here.first) {
            const test_record *request = site_take(&here, 0);
            if (is_request(request))
                CHECK(respond(&here, request->id, "200 OK", "") == 0);
            if (done(request))
                return true;
        }
        site_forget(&here);
        for (int i = 0; i < count; i++) {
            client_read(&many[i], SIZE_MAX);
            many[i].len = 0;
        }
    }
    return false;
}

static bool is_new_client(const test_record *request)
{
    return is_request(request) && strcmp(request->path, "/new") == 0;
}

TEST(a_new_client_gets_in_during_a_flood)
{
    open_many(MANY);
    (void)flood_until(MANY, is_new_client);
    test_client new;
    client_open(&here, &new);
    client_ask(&here, &new, "GET /new HTTP/1.1", "");
    CHECK(flood_until(MANY, is_new_client));
    client_close(&new);
    close_many(MANY);
}

static bool is_wake(const test_record *record)
{
    return record->kind == FW_WAKE;
}

TEST(a_watched_descriptor_is_told_during_a_flood)
{
    int ends[2];
    open_many(MANY);
    CHECK(pipe(ends) == 0 && fw_watch(here.worker, ends[0]) >= 0);
    CHECK(!flood_until(MANY, is_wake));
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(flood_until(MANY, is_wake));
    close_many(MANY);
    close(ends[0]);
    close(ends[1]);
}

static bool refused_one(const test_record *record)
{
    (void)record;
    return here.score.refused > 0;
}

TEST(a_timeout_ends_a_slow_head_during_a_flood)
{
    fw_settings settings = settings_usual();
    settings.header_timeout = 20;
    site_open(&here, &settings);
    for (int i = 0; i < MANY; i++)
        client_open(&here, &many[i]);
    while (here.score.accepted < MANY)
        site_poll(&here, 1);
    client_say(&here, &many[MANY - 1], "GET / HT");
    CHECK(site_quiet(&here));
    CHECK(flood_until(MANY - 1, refused_one));
    close_many(MANY);
}

/* libuv asks the kernel up to 48 times in one turn while it gets 1,024 events each time, and a
 * level-triggered descriptor is then told each time: records must not run over. */
TEST(records_do_not_run_over_when_a_thousand_are_ready)
{
    enum { COUNT = 1100, WATCHES = 8 };
    static test_client crowd[COUNT];
    int ends[WATCHES][2];
    site_open(&here, NULL);
    for (int i = 0; i < COUNT; i++) {
        client_open(&here, &crowd[i]);
        if (i % 100 == 0)
            site_poll(&here, 0);
    }
    while (here.score.accepted < COUNT)
        site_poll(&here, 1);
    CHECK(site_quiet(&here));
    for (int i = 0; i < WATCHES; i++)
        CHECK(pipe(ends[i]) == 0 && fw_watch(here.worker, ends[i][0]) == i &&
              write(ends[i][1], "x", 1) == 1);
    for (int i = 0; i < COUNT; i++)
        client_ask(&here, &crowd[i], "GET / HTTP/1.1", "");
    int count = site_poll(&here, 0);
    NOTE("%d records", count);
    CHECK(count <= (int)(here.view.record_words - 1) / FW_RECORD_WORDS);
    int wakes = 0;
    for (const test_record *at = here.first; at; at = at->next)
        wakes += at->kind == FW_WAKE;
    NOTE("%d wakes", wakes);
    CHECK(wakes == WATCHES);
    for (int i = 0; i < COUNT; i++)
        client_close(&crowd[i]);
    for (int i = 0; i < WATCHES; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
    site_close(&here);
}

/* ---- A crowd that leaves ------------------------------------------------------------------------- */

enum { CROWD = 500, A_FEW = 320 }; /* a slow machine takes more turns until the request is there */
static test_client crowd[CROWD];

/* false: the time of one was over before the last was there. */
static bool open_crowd(const fw_settings *settings, test_client *one)
{
    site_open(&here, settings);
    for (int i = 0; i < CROWD; i++)
        client_open(&here, &crowd[i]);
    for (int i = 0; i < CROWD; i++)
        client_ask(&here, &crowd[i], "GET / HTTP/1.1", "");
    for (int i = 0; i < CROWD; i++)
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    client_open(&here, one);
    while (here.score.accepted <= CROWD)
        CHECK(site_quiet(&here));
    return fw_open_connections(here.worker) == CROWD + 1;
}

/* Who asks something is not behind all of those who leave, and yet they go. */
static void check_served_meanwhile(test_client *one)
{
    client_say(&here, one, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int64_t id = site_request(&here)->id;
    int64_t there = fw_open_connections(here.worker);
    NOTE("%d are still there", (int)there);
    CHECK(there >= CROWD - A_FEW);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, one, 200, "x"));
    while (fw_open_connections(here.worker) > 1) /* or the alarm comes */
        CHECK(site_quiet(&here));
}

static void close_crowd(test_client *one)
{
    client_close(one);
    site_close(&here);
}

TEST(a_crowd_that_leaves_at_one_moment_keeps_nobody_waiting)
{
    test_client one;
    CHECK(open_crowd(NULL, &one));
    for (int i = 0; i < CROWD; i++)
        client_close(&crowd[i]);
    check_served_meanwhile(&one);
    close_crowd(&one);
}

TEST(requests_in_front_of_the_end_are_all_answered)
{
    test_client one;
    CHECK(open_crowd(NULL, &one));
    for (int i = 0; i < CROWD; i++) {
        static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        CHECK(send(crowd[i].fd, text, sizeof text - 1, MSG_NOSIGNAL) == sizeof text - 1);
        CHECK(shutdown(crowd[i].fd, SHUT_WR) == 0);
    }
    for (int i = 0; i < CROWD; i++)
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "y") == 0);
    for (int i = 0; i < CROWD; i++) {
        CHECK(client_reply_is(&here, &crowd[i], 200, "x")); /* of open_crowd() */
        CHECK(client_reply_is(&here, &crowd[i], 200, "y"));
        CHECK(client_sees_end(&here, &crowd[i]));
        client_close(&crowd[i]);
    }
    close_crowd(&one);
}

TEST(a_crowd_whose_time_is_over_at_one_moment_keeps_nobody_waiting)
{
    test_client one;
    fw_settings settings = settings_usual();
    settings.keepalive_timeout = 1500;
    while (!open_crowd(&settings, &one)) { /* a slow machine */
        for (int i = 0; i < CROWD; i++)
            client_close(&crowd[i]);
        close_crowd(&one);
        settings.keepalive_timeout *= 2;
    }
    client_say(&here, &one, "GET / HTTP/1.1\r\n"); /* has begun to ask, so it is not idle */
    while (fw_open_connections(here.worker) > CROWD)
        site_poll(&here, 0);
    CHECK(send(one.fd, "Host: a\r\n\r\n", 11, MSG_NOSIGNAL) == 11);
    int64_t id = site_request(&here)->id;
    NOTE("%d are still there", (int)fw_open_connections(here.worker));
    CHECK(fw_open_connections(here.worker) >= CROWD - A_FEW);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    for (int i = 0; i < CROWD; i++) {
        CHECK(client_reply_is(&here, &crowd[i], 200, "x") && client_sees_end(&here, &crowd[i]));
        client_close(&crowd[i]);
    }
    close_crowd(&one);
}

TEST(a_drain_lets_a_crowd_go_bit_by_bit)
{
    test_client one;
    CHECK(open_crowd(NULL, &one));
    client_say(&here, &one, "GET / HTTP/1.1\r\n");
    CHECK(site_quiet(&here));
    CHECK(fw_drain(here.worker, 0, 1) == 0);
    while (fw_open_connections(here.worker) > CROWD)
        site_poll(&here, 0);
    CHECK(send(one.fd, "Host: a\r\n\r\n", 11, MSG_NOSIGNAL) == 11);
    int64_t id = site_request(&here)->id;
    NOTE("%d are still there", (int)fw_open_connections(here.worker));
    CHECK(fw_open_connections(here.worker) >= CROWD - A_FEW);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    while (fw_open_connections(here.worker) > 0) /* or the alarm comes */
        CHECK(site_quiet(&here));
    for (int i = 0; i < CROWD; i++)
        client_close(&crowd[i]);
    close_crowd(&one);
}
