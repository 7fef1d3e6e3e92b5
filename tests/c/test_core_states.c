/* test_core_states.c -- a step that a connection must not take: told once, and the connection is closed,
 * whoever holds it. Nothing that a client or a program says leads there, so the tests do it by hand. */
#include "core_reply.h"

#include "worker.h"

static test_site here;
static test_client one;

static fw_conn *open_and_ask(int64_t *id)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    *id = client_request(&here, &one, "GET / HTTP/1.1", "");
    return fw__table_find(&here.worker->table, *id);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static void expect_fault(const char *from, const char *to)
{
    const test_record *told =
        site_take(&here, 0); /* nothing happens that would end a longer wait */
    if (CHECK(told && told->kind == FW_FAULT))
        CHECK(strcmp(told->token, from) == 0 && strcmp(told->target, to) == 0);
}

TEST(a_wrong_step_closes_the_connection_and_is_told)
{
    int64_t id;
    fw_conn *conn = open_and_ask(&id);
    CHECK(conn && !fw__conn_enter(conn, FW_CONN_HEAD));
    CHECK(conn->state == FW_CONN_CLOSED && here.score.in_flight == 0);
    CHECK(respond(&here, id, "200 OK", "late") == FW_CLIENT_GONE);
    CHECK(client_sees_end(&here, &one) && one.len == 0);
    expect_fault("dispatched", "head");
    CHECK(site_quiet(&here));
    close_both();
}

TEST(a_wrong_step_is_told_once)
{
    int64_t id;
    fw_conn *conn = open_and_ask(&id);
    CHECK(conn && !fw__conn_enter(conn, FW_CONN_CONTENT));
    CHECK(!fw__conn_enter(conn, FW_CONN_IDLE));
    expect_fault("dispatched", "content");
    client_close(&one);
    client_open(&here, &one);
    id = client_request(&here, &one, "GET / HTTP/1.1", "");
    conn = fw__table_find(&here.worker->table, id);
    CHECK(conn && !fw__conn_enter(conn, FW_CONN_HEAD) && conn->state == FW_CONN_CLOSED);
    CHECK(site_quiet(&here));
    close_both();
}

TEST(each_state_has_a_name_and_every_open_one_may_be_closed)
{
    for (fw_conn_state state = 0; state < FW_CONN_STATES; state++) {
        CHECK(fw__conn_state_name(state) != NULL);
        CHECK(fw__conn_may_enter(state, FW_CONN_CLOSED) == (state != FW_CONN_CLOSED));
        CHECK(!fw__conn_may_enter(FW_CONN_CLOSED, state));
        CHECK(!fw__conn_may_enter(state, state));
    }
}
