/* test_core_limits.c -- as many connections as are allowed, and no descriptor left: accepting pauses,
 * nobody is dropped, nothing spins. */
#include "core_reply.h"

#include "conn/accepting.h"

static test_site here;

static bool waits_for_reply(test_client *client)
{
    for (int i = 0; i < 10; i++) {
        CHECK(site_quiet(&here));
        client_read(client, SIZE_MAX);
    }
    return !client->ended && client->len == 0;
}

static void respond_next(test_client *client)
{
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, client, 200, "x"));
}

TEST(accepting_pauses_at_the_limit_and_goes_on_below_it)
{
    enum { LIMIT = 3, COUNT = 6 };
    test_client many[COUNT];
    fw_settings settings = settings_usual();
    settings.max_connections = LIMIT;
    site_open(&here, &settings);
    for (int i = 0; i < COUNT; i++) {
        client_open(&here, &many[i]);
        client_ask(&here, &many[i], "GET / HTTP/1.1", "");
    }
    for (int i = 0; i < LIMIT; i++)
        respond_next(&many[i]);
    CHECK(waits_for_reply(&many[LIMIT]) && fw_open_connections(here.worker) == LIMIT);
    CHECK(here.score.accepted == LIMIT && here.score.accept_pauses == 0);
    CHECK(here.score.shut == 1); /* the master shall not take it for deaf */
    for (int i = LIMIT; i < COUNT; i++) {
        client_close(&many[i - LIMIT]);
        respond_next(&many[i]);
        CHECK(fw_open_connections(here.worker) == LIMIT);
    }
    for (int i = LIMIT; i < COUNT; i++)
        client_close(&many[i]);
    uint64_t end = clock_ms() + SOON_MS;
    while (fw_open_connections(here.worker) > 0 && clock_ms() < end)
        CHECK(site_poll(&here, 1) >= 0);
    (void)site_poll(&here, 0);
    CHECK(here.score.shut == 0);
    site_close(&here);
}

TEST(temporary_files_count_among_the_descriptors_that_clients_may_take)
{
    enum { COUNT = 4 };
    test_client many[COUNT];
    fw_settings settings = settings_usual();
    settings.memory_body = 10;
    settings.max_descriptors = 4;
    settings.spare_descriptors = 1;
    site_open(&here, &settings);
    for (int i = 0; i < 3; i++) {
        client_open(&here, &many[i]);
        client_ask(&here, &many[i], "POST / HTTP/1.1", "Content-Length: 100\r\n");
        CHECK(site_quiet(&here));
    }
    for (int i = 0; i < 3; i++) {
        CHECK(client_push(&here, &many[i], "more than ten bytes", 19));
        if (i < 2)
            CHECK(site_quiet(&here));
    }
    /* 3 connections and 2 files: the third file would be one too many, and so is a fourth client. */
    site_expect(&here, FW_SPOOL_FULL, 0);
    CHECK(client_reply_is(&here, &many[2], 503, "too much request content is being stored\n"));
    client_open(&here, &many[3]);
    client_ask(&here, &many[3], "GET / HTTP/1.1", "");
    CHECK(waits_for_reply(&many[3]) && here.score.accepted == 3);
    client_close(&many[2]);
    client_close(&many[1]);
    respond_next(&many[3]);
    client_close(&many[0]);
    client_close(&many[3]);
    site_close(&here);
}

/* Descriptors until none is left, so that the next accept() fails. */
static int take_all(int *fds, int max)
{
    int count = 0;
    while (count < max && (fds[count] = dup(0)) >= 0)
        count++;
    CHECK(count < max && errno == EMFILE);
    return count;
}

static void set_limit(rlim_t limit, struct rlimit *before)
{
    struct rlimit now;
    CHECK(getrlimit(RLIMIT_NOFILE, before) == 0);
    now = *before;
    now.rlim_cur = limit;
    CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
}

static uint64_t cpu_ms(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

TEST(without_descriptors_accepting_pauses_is_told_once_and_goes_on)
{
    static int fds[200];
    struct rlimit before;
    test_client first, second;
    site_open(&here, NULL);
    client_open(&here, &first);
    client_ask(&here, &first, "GET / HTTP/1.1", "");
    respond_next(&first);
    client_open(&here, &second);
    client_ask(&here, &second, "GET / HTTP/1.1", "");
    set_limit(100, &before);
    int count = take_all(fds, 200);
    uint64_t start = clock_ms();
    site_expect(&here, FW_STARVED, 0);
    uint64_t cpu = cpu_ms();
    for (int i = 0; here.score.accept_pauses < 4 && i < SOON_MS / 50; i++)
        CHECK(site_take(&here, 50) == NULL); /* it is told once */
    uint64_t took = clock_ms() - start;
    NOTE("%d ms of CPU, %d pauses in %d ms", (int)(cpu_ms() - cpu), (int)here.score.accept_pauses,
         (int)took);
    CHECK(cpu_ms() - cpu < 100);
    CHECK(here.score.accept_pauses >= 4 && here.score.accept_pauses <= took / FW_STARVED_MS + 2);
    NOTE("%s", "");
    client_ask(&here, &first, "GET / HTTP/1.1", ""); /* a connection that is open is served */
    respond_next(&first);
    CHECK(waits_for_reply(&second) && here.score.accepted == 1);
    while (count)
        close(fds[--count]);
    respond_next(&second);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    client_close(&first);
    client_close(&second);
    site_close(&here);
}

TEST(one_listener_without_descriptors_does_not_stop_the_other)
{
    static int fds[200];
    struct rlimit before;
    test_client tcp, local;
    site_open(&here, NULL);
    client_open(&here, &tcp);
    client_open_unix(&here, &local);
    client_ask(&here, &tcp, "GET / HTTP/1.1", "");
    client_ask(&here, &local, "GET / HTTP/1.1", "");
    set_limit(100, &before);
    int count = take_all(fds, 200);
    site_expect(&here, FW_STARVED, 0);
    CHECK(site_quiet(&here));
    while (count)
        close(fds[--count]);
    for (int i = 0; i < 2; i++)
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &tcp, 200, "x") && client_reply_is(&here, &local, 200, "x"));
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    client_close(&tcp);
    client_close(&local);
    site_close(&here);
}

TEST(a_small_burst_leaves_nobody_behind)
{
    enum { COUNT = 20 };
    test_client many[COUNT];
    fw_settings settings = settings_usual();
    settings.accept_burst = 0; /* taken for 1 */
    site_open(&here, &settings);
    for (int i = 0; i < COUNT; i++) {
        client_open(&here, &many[i]);
        client_ask(&here, &many[i], "GET / HTTP/1.1", "");
    }
    for (int i = 0; i < COUNT; i++)
        respond_next(&many[i]);
    for (int i = 0; i < COUNT; i++)
        client_close(&many[i]);
    site_close(&here);
}

TEST(no_more_listeners_than_there_is_room_for)
{
    site_open(&here, NULL);
    struct sockaddr_in any = {.sin_family = AF_INET};
    for (int i = 2; i < 64; i++)
        CHECK(fw_listen(here.worker, listen_on(&any, sizeof any, AF_INET)) == i);
    int fd = listen_on(&any, sizeof any, AF_INET);
    CHECK(fw_listen(here.worker, fd) == FW_EFULL);
    CHECK(close(fd) == 0); /* it was not taken */
    CHECK(fw_listen(here.worker, -1) < 0);
    site_close(&here);
}

TEST(a_request_names_its_listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    test_client one;
    site_open(&here, NULL);
    for (int i = 2; i <= 12; i++) {
        address.sin_port = 0;
        int fd = listen_on(&address, sizeof address, AF_INET);
        CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
        CHECK(fw_listen(here.worker, fd) == i);
    }
    here.address = address;
    client_open(&here, &one);
    client_ask(&here, &one, "GET / HTTP/1.1", "");
    CHECK(strcmp(site_request(&here)->shape, "GET:1.1:12:Host") == 0);
    client_close(&one);
    site_close(&here);
}
