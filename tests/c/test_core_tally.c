/* test_core_tally.c -- what is counted for metrics, where somebody wants it. */
#include "core_reply.h"

static test_site here;
static test_client one, two;
static fw_tally tally;

static void open_counted(void)
{
    memset(&tally, 0, sizeof tally);
    site_open(&here, NULL);
    CHECK(fw_count(here.worker, &tally) == 0);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

/* Idle ones are what is left, as readers of both find it. */
static bool open_now(uint64_t idle, uint64_t reading, uint64_t active, uint64_t sending,
                     uint64_t closing)
{
    const uint64_t *now = tally.connections;
    return now[0] == reading && now[1] == sending && now[2] == closing &&
           here.score.in_flight == active &&
           here.score.connections == idle + reading + active + sending + closing;
}

static uint64_t durations(void)
{
    uint64_t sum = 0;
    for (int i = 0; i <= FW_TALLY_BOUNDS; i++)
        sum += tally.durations[i];
    return sum;
}

TEST(responses_are_counted_by_class_when_they_are_complete)
{
    static const char *const statuses[] = {"200 OK", "204 No Content", "302 Found", "404 Not Found",
                                           "503 Service Unavailable"};
    open_counted();
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < 5; i++) {
        uint64_t began = clock_ms();
        int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
        CHECK(durations() == i && respond(&here, id, statuses[i], "") == 0);
        uint64_t took = clock_ms() - began;
        least = took < least ? took : least;
    }
    CHECK(tally.classes[2] == 2 && tally.classes[3] == 1 && tally.classes[4] == 1);
    CHECK(tally.classes[5] == 1 && tally.classes[0] == 0 && tally.classes[1] == 0);
    CHECK(durations() == 5 && (tally.durations[0] > 0 || least >= 5)); /* above 0.005 s */
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "a") == 0 && durations() == 5);
    CHECK(fw_end(here.worker, id) == 0 && durations() == 6 && tally.classes[2] == 3);
    close_both();
}

TEST(a_slow_response_is_in_the_place_of_its_time)
{
    open_counted();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(site_take(&here, 60) == NULL);
    CHECK(respond(&here, id, "200 OK", "") == 0);
    uint64_t at_least_fifty = 0;
    for (int i = 4; i <= FW_TALLY_BOUNDS; i++) /* above 0.05 s */
        at_least_fifty += tally.durations[i];
    CHECK(at_least_fifty == 1 && durations() == 1 && tally.duration_ms >= 50);
    close_both();
}

TEST(connections_are_counted_in_the_state_in_which_they_are)
{
    open_counted();
    CHECK(site_quiet(&here) && open_now(1, 0, 0, 0, 0));
    client_open(&here, &two);
    client_say(&here, &two, "GET / HT");
    CHECK(site_quiet(&here) && open_now(1, 1, 0, 0, 0));
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(open_now(0, 1, 1, 0, 0));
    CHECK(respond(&here, id, "200 OK", "x") == 0 && open_now(1, 1, 0, 0, 0));
    client_close(&two);
    CHECK(site_quiet(&here) && open_now(1, 0, 0, 0, 0));
    client_close(&one);
    CHECK(site_quiet(&here) && open_now(0, 0, 0, 0, 0));
    site_close(&here);
}

TEST(refusals_are_counted_by_their_reason)
{
    open_counted();
    client_say(&here, &one, "GET / HTTP/1.1\r\n\r\n");
    CHECK(client_gets(&here, &one, "HTTP/1.1 400 "));
    CHECK(tally.refused[-FW_EHOST_MISSING] == 1 && here.score.refused == 1 && durations() == 0);
    close_both();
}

TEST(time_with_a_batch_in_hand_is_busy_and_time_without_is_not)
{
    open_counted();
    /* A pause of the machine may count as busy, 50 ms of waiting may not. */
    uint64_t began = clock_ms();
    CHECK(site_take(&here, 0) == NULL);
    uint64_t before = tally.busy_ms;
    CHECK(site_take(&here, 50) == NULL && tally.busy_ms - before + 40 <= clock_ms() - began);
    before = tally.busy_ms;
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    uint64_t until = clock_ms() + 30;
    while (clock_ms() < until)
        continue; /* the application works */
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    CHECK(site_quiet(&here) && tally.busy_ms - before >= 25);
    close_both();
}

TEST(what_the_core_answers_itself_is_no_response_of_the_application)
{
    fw_settings settings = settings_usual();
    settings.ready_path = "/healthz";
    memset(&tally, 0, sizeof tally);
    site_open(&here, &settings);
    CHECK(fw_count(here.worker, &tally) == 0);
    client_open(&here, &one);
    client_ask(&here, &one, "GET /healthz HTTP/1.1", "");
    CHECK(client_reply_is(&here, &one, 200, "ready\n"));
    CHECK(durations() == 0 && tally.classes[2] == 0 && open_now(1, 0, 0, 0, 0));
    close_both();
}
