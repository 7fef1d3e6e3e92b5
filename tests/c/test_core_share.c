/* test_core_share.c -- a worker beside others at the same sockets: one that is ahead leaves connections
 * to one that has fewer, but does not wait for ever for one that does not come. */
#include "core_reply.h"

enum { GROUP = 7, COUNT = 12, FEW = 0, MANY = 1000 };

static test_site here;
static fw_score others[2];

static void open_beside(uint64_t group, uint64_t connections, uint64_t busy_since)
{
    fw_settings settings = settings_usual();
    settings.accept_burst = 8;
    site_open(&here, &settings);
    memset(others, 0, sizeof others); /* the second row is nobody's */
    others[0].group = group;
    others[0].connections = connections;
    others[0].busy_since = busy_since;
    CHECK(fw_share(here.worker, others, 2, GROUP) == 0);
    CHECK(here.score.group == GROUP);
}

/* All at once, so that they wait together. */
static void come(test_client *clients)
{
    for (int i = 0; i < COUNT; i++) {
        client_open(&here, &clients[i]);
        client_ask(&here, &clients[i], "GET / HTTP/1.1", "");
    }
}

static void leave(test_client *clients)
{
    for (int i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    site_close(&here);
}

static void all_are_answered(test_client *clients)
{
    for (int i = 0; i < COUNT; i++) {
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
        CHECK(client_reply_is(&here, &clients[i], 200, "x"));
    }
}

static void takes_all_without_giving_way(void)
{
    test_client clients[COUNT];
    come(clients);
    all_are_answered(clients);
    CHECK(here.score.accepted == COUNT && here.score.gave_way == 0);
    leave(clients);
}

TEST(worker_that_is_ahead_gives_way_and_still_serves_who_is_left_to_it)
{
    test_client clients[COUNT];
    open_beside(GROUP, FEW, 0);
    come(clients);
    all_are_answered(clients);
    CHECK(here.score.accepted == COUNT);
    CHECK(here.score.gave_way > 0 && here.score.gave_way <= COUNT);
    leave(clients);
}

TEST(worker_that_is_replaced_serves_whom_it_alone_may_have_been_told_of)
{
    test_client client;
    open_beside(GROUP, MANY, 0);
    client_open(&here, &client);
    client_ask(&here, &client, "GET / HTTP/1.1", "");
    CHECK(fw_drain(here.worker, 0, 0) == 0);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &client, 200, "x"));
    client_close(&client);
    site_close(&here);
}

TEST(worker_that_is_behind_takes_all)
{
    open_beside(GROUP, MANY, 0);
    takes_all_without_giving_way();
}

TEST(workers_of_other_sockets_do_not_count)
{
    open_beside(GROUP + 1, FEW, 0);
    takes_all_without_giving_way();
}

TEST(worker_that_is_busy_for_long_is_not_waited_for)
{
    open_beside(GROUP, FEW, 1); /* since the machine started */
    takes_all_without_giving_way();
}

TEST(draining_worker_is_waited_for_by_nobody)
{
    open_beside(GROUP, FEW, 0);
    CHECK(fw_drain(here.worker, 0, 0) == 0);
    CHECK(here.score.group == 0);
    site_close(&here);
}
