/* test_core_flood.c -- many at once: what a batch holds, and that nobody waits for ever behind it. */
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
    for (uint64_t end = clock_ms() + SOON_MS; requests < COUNT && clock_ms() < end;) {
        site_poll(&here, 1);
        CHECK(here.score.in_flight <= 262144 / SIZE + 1);
        while (here.first) {
            const test_record *request = site_request(&here);
            CHECK(request->content == SIZE && respond(&here, request->id, "200 OK", "") == 0);
            requests++;
        }
        site_forget(&here);
    }
    CHECK(requests == COUNT);
    close_many(COUNT);
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
