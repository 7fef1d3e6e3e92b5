/* test_core_close.c -- a connection that is closed stays readable until the next fw_poll(), wherever in the
 * core it was closed: a function that was given one looks at its state. Without that, ASan stops these tests. */
#include "core_reply.h"

#include "worker.h"

static test_site here;
static test_client one;

static fw_conn *conn_of(int64_t id)
{
    fw_conn *conn = fw__table_find(&here.worker->table, id);
    CHECK(conn != NULL && conn->state != FW_CONN_CLOSED);
    return conn;
}

static int count_closed(void)
{
    int count = 0;
    const fw_list *closed = &here.worker->closed;
    for (const fw_link *link = closed->head.next; link != &closed->head; link = link->next)
        count++;
    return count;
}

static int64_t open_and_ask(void)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    return client_request(&here, &one, "GET / HTTP/1.1", "");
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

TEST(a_closed_connection_is_readable_until_the_next_poll)
{
    int64_t id = open_and_ask();
    fw_conn *conn = conn_of(id);
    CHECK(fw_abort(here.worker, id) == 0);
    CHECK(conn->state == FW_CONN_CLOSED && conn->socket.fd < 0 && count_closed() == 1);
    CHECK(fw__table_find(&here.worker->table, id) == NULL && fw_open_connections(here.worker) == 0);
    CHECK(here.score.connections == 0 && here.score.in_flight == 0);
    CHECK(site_poll(&here, 0) == 0);
    CHECK(count_closed() == 0);
    close_both();
}

TEST(nothing_that_is_done_to_a_closed_connection_outlives_the_boundary)
{
    int64_t id = open_and_ask();
    fw_conn *conn = conn_of(id);
    CHECK(fw_abort(here.worker, id) == 0);
    fw__conn_close(conn);
    fw__conn_queue(conn, FW_READY_READ);
    fw__conn_wait(conn, FW_DEADLINE_IDLE);
    fw__conn_listen(conn);
    CHECK(count_closed() == 1);
    CHECK(site_quiet(&here) && count_closed() == 0);
    close_both();
}

/* The client's bytes end in the middle of a pipelined batch: the connection closes while what was read
 * ahead is being looked at, several functions deep. */
TEST(a_connection_that_closes_deep_inside_is_seen_by_all_that_hold_it)
{
    int64_t id = open_and_ask();
    fw_conn *conn = conn_of(id);
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "x") == 0);
    client_say(&here, &one, "GET /next HTTP/1.1\r\nHost: a\r\n");
    CHECK(shutdown(one.fd, SHUT_WR) == 0);
    while (!conn->socket.ended)
        site_poll(&here, 1);
    CHECK(fw_end(here.worker, id) == 0);
    while (fw_open_connections(here.worker) > 0)
        site_poll(&here, 1);
    CHECK(site_quiet(&here) && count_closed() == 0);
    close_both();
}

TEST(a_worker_that_ends_frees_what_was_closed)
{
    int64_t id = open_and_ask();
    CHECK(fw_abort(here.worker, id) == 0 && count_closed() == 1);
    close_both(); /* LeakSanitizer looks for it */
}

TEST(room_that_a_closed_connection_made_is_used)
{
    fw_settings settings = settings_usual();
    test_client two;
    settings.max_connections = 1;
    site_open(&here, &settings);
    client_open(&here, &one);
    int64_t id = client_request(&here, &one, "GET /1 HTTP/1.1", "");
    client_open(&here, &two);
    client_say(&here, &two, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(site_quiet(&here));
    CHECK(fw_abort(here.worker, id) == 0);
    CHECK(strcmp(site_request(&here)->target, "/2") == 0);
    client_close(&two);
    close_both();
}
