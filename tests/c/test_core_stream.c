/* test_core_stream.c -- large responses and slow readers, clients that leave, and numbers that die with
 * their connection. */
#include "core_reply.h"

#include "worker.h" /* what is waited for */

#define LARGE (6u << 20)

static test_site here;
static test_client one;
static char large[LARGE + 1];

static void open_with(void (*open)(test_site *, test_client *))
{
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)('a' + i % 23);
    site_open(&here, NULL);
    open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

/* Gives the rest of content as the core asks for it, while the client reads step bytes at a time.
 * Returns how often the application was told that it may send. */
static int send_rest(int64_t id, const char *content, size_t size, int64_t rest, size_t step)
{
    int told = 0;
    uint64_t end = clock_ms() + SOON_MS; /* of standing still */
    while (rest > 0 && clock_ms() < end) {
        if (client_read(&one, step))
            end = clock_ms() + SOON_MS;
        const test_record *record = site_take(&here, 1);
        if (!record)
            continue;
        CHECK(record->kind == FW_WRITABLE && record->id == id);
        told++;
        rest = fw_send(here.worker, id, content + size - (size_t)rest, (size_t)rest);
        site_forget(&here);
    }
    CHECK(rest == 0);
    return told;
}

TEST(the_rest_of_a_large_response_goes_out_as_the_client_reads)
{
    void (*const opens[])(test_site *, test_client *) = {client_open, client_open_slow,
                                                         client_open_unix};
    for (size_t i = 0; i < 3; i++) {
        test_reply got = {0};
        open_with(opens[i]);
        int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
        int64_t rest = respond_n(&here, id, "200 OK", large, LARGE);
        CHECK(rest > 0 && rest < LARGE && here.score.in_flight == 1);
        CHECK(send_rest(id, large, LARGE, rest, 50000) > 0);
        CHECK(fw_end(here.worker, id) == 0);
        CHECK(client_reply(&here, &one, &got));
        CHECK(got.content_len == LARGE && memcmp(got.content, large, LARGE) == 0);
        CHECK(here.score.in_flight == 0 && here.score.responses == 1);
        id = client_request(&here, &one, "GET / HTTP/1.1", "");
        CHECK(respond(&here, id, "200 OK", "after") == 0);
        CHECK(client_reply_is(&here, &one, 200, "after"));
        reply_free(&got);
        close_both();
    }
}

TEST(a_large_chunk_may_go_out_in_parts)
{
    test_reply got = {0};
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0);
    for (int i = 0; i < 3; i++) {
        int64_t rest = fw_send(here.worker, id, large, LARGE);
        if (rest > 0)
            CHECK(fw_end(here.worker, id) == FW_ESTATE);
        (void)send_rest(id, large, LARGE, rest, 100000);
    }
    CHECK(send_piece(&here, id, "end") == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply(&here, &one, &got) && got.content_len == 3 * LARGE + 3);
    for (size_t i = 0; i < 3; i++)
        CHECK(memcmp(got.content + i * LARGE, large, LARGE) == 0);
    CHECK(strcmp(got.content + 3 * LARGE, "end") == 0);
    reply_free(&got);
    close_both();
}

/* To be told at each turn would be to spin; to be taken out of the set and put back in for each piece
 * would be two calls for nothing. */
/* One piece after the other, each until the kernel has all of it. Counts those that it took a part of. */
static int send_small(int64_t id, size_t *sent, size_t size)
{
    int64_t rest = fw_send(here.worker, id, large + *sent, size);
    int parts = rest > 0 && (size_t)rest < size;
    CHECK(fw__table_find(&here.worker->table, id)->out.size <= 512); /* a slow client's may last */
    uint64_t end = clock_ms() + SOON_MS;
    while (rest > 0 && clock_ms() < end) {
        client_read(&one, 3000);
        if (!site_take(&here, 1))
            continue;
        rest = fw_send(here.worker, id, large + *sent + size - (size_t)rest, (size_t)rest);
        site_forget(&here);
    }
    CHECK(rest == 0);
    *sent += size;
    return parts;
}

TEST(what_the_kernel_leaves_of_small_pieces_is_sent_once_and_in_order)
{
    void (*const opens[])(test_site *, test_client *) = {client_open_slow, client_open_unix};
    for (size_t i = 0; i < 2; i++) {
        NOTE("way %zu", i);
        test_reply got = {0};
        int parts = 0,
            least =
                1; /* the kernel makes it larger; then a unix socket takes about 2,000 at once */
        size_t sent = 0;
        open_with(opens[i]);
        int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
        fw_conn *conn = fw__table_find(&here.worker->table, id);
        CHECK(setsockopt(conn->socket.fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
        CHECK(begin(&here, id, "200 OK") == 0);
        for (size_t size = 1; sent < 400000; size = (size * 5 + 7) % 5000)
            if (size)
                parts += send_small(id, &sent, size);
        CHECK(fw_end(here.worker, id) == 0);
        CHECK(client_reply(&here, &one, &got));
        CHECK(got.content_len == sent && memcmp(got.content, large, sent) == 0);
        printf("  %d pieces went out in parts\n", parts);
        reply_free(&got);
        close_both();
    }
}

TEST(a_stream_is_told_once_that_it_may_send_and_again_when_it_had_to_wait)
{
    open_with(client_open_slow);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    int64_t rest = respond_n(&here, id, "200 OK", large, LARGE);
    const fw_conn *conn = fw__table_find(&here.worker->table, id);
    for (int i = 0; i < 2; i++) {
        CHECK(rest > 0 && conn->socket.polled == (FW_POLL_READ | FW_POLL_WRITE));
        while (!here.first) {
            client_read(&one, SIZE_MAX);
            site_poll(&here, 1);
        }
        site_expect(&here, FW_WRITABLE, id);
        CHECK(conn->socket.polled & FW_POLL_WRITE);
        if (i == 0) /* at once */
            rest = fw_send(here.worker, id, large + LARGE - (size_t)rest, (size_t)rest);
    }
    client_read(&one, SIZE_MAX);
    CHECK(site_quiet(&here) && conn->socket.polled == FW_POLL_READ);
    rest = fw_send(here.worker, id, large + LARGE - (size_t)rest, (size_t)rest);
    CHECK(send_rest(id, large, LARGE, rest, SIZE_MAX) >= 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply_is(&here, &one, 200, large) && conn->socket.polled == FW_POLL_READ);
    close_both();
}

/* A caller that keeps "the last rest bytes" of what it gave must be right with that. */
TEST(a_cut_response_with_a_rest_goes_on_where_it_stopped)
{
    char head[64];
    test_reply got = {0};
    enum { DECLARED = LARGE - 50000 };
    (void)snprintf(head, sizeof head, "200 OK\nContent-Length\n%d", (int)DECLARED);
    for (int streamed = 0; streamed < 2; streamed++) {
        NOTE("streamed %d", streamed);
        open_with(client_open_slow);
        int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
        if (streamed)
            CHECK(begin(&here, id, head) == 0);
        int64_t rest = streamed ? fw_send(here.worker, id, large, LARGE)
                                : respond_n(&here, id, head, large, LARGE);
        CHECK(rest & FW_REST_MASK);
        int64_t notes = rest;
        uint64_t end = clock_ms() + SOON_MS;
        while ((rest &= FW_REST_MASK) > 0 && clock_ms() < end) {
            client_read(&one, SIZE_MAX);
            if (!site_take(&here, 1))
                continue;
            rest = fw_send(here.worker, id, large + LARGE - rest, (size_t)rest);
            notes |= rest;
        }
        CHECK(notes & FW_NOTE_EXCESS);
        CHECK(fw_end(here.worker, id) == 0);
        CHECK(client_reply(&here, &one, &got) && got.content_len == DECLARED);
        CHECK(memcmp(got.content, large, DECLARED) == 0);
        reply_free(&got);
        close_both();
    }
}

/* Responds with more than the kernel takes, and passes over it when told that more could go. */
static int64_t leave_a_rest(void)
{
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond_n(&here, id, "200 OK", large, LARGE) > 0);
    while (!site_quiet(&here))
        (void)site_take(&here, 0);
    return id;
}

TEST(a_slow_reader_holds_up_nobody_else)
{
    test_client other;
    open_with(client_open_slow);
    int64_t id = leave_a_rest();
    client_open(&here, &other);
    for (int i = 0; i < 3; i++) {
        int64_t next = client_request(&here, &other, "GET / HTTP/1.1", "");
        CHECK(next != id && respond(&here, next, "200 OK", "quick") == 0);
        CHECK(client_reply_is(&here, &other, 200, "quick"));
    }
    CHECK(fw_abort(here.worker, id) == 0);
    client_close(&other);
    close_both();
}

/* ---- Clients that leave ------------------------------------------------------------------------ */

TEST(a_reset_while_streaming_is_told_once)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "x") == 0);
    CHECK(site_quiet(&here));
    client_reset(&one);
    site_expect(&here, FW_GONE, id);
    CHECK(send_piece(&here, id, "x") == FW_EGONE && fw_end(here.worker, id) == FW_EGONE);
    CHECK(fw_abort(here.worker, id) == FW_EGONE && begin(&here, id, "200 OK") == FW_EGONE);
    CHECK(respond(&here, id, "200 OK", "") == FW_EGONE &&
          fw_take_content(here.worker, id) == FW_EGONE);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 0 && here.score.in_flight == 0);
    CHECK(here.score.responses == 0);
    close_both();
}

TEST(a_reset_with_a_rest_unsent_is_told_once)
{
    open_with(client_open_slow);
    int64_t id = leave_a_rest();
    client_reset(&one);
    site_expect(&here, FW_GONE, id);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 0);
    close_both();
}

TEST(a_client_that_left_before_its_response_is_told_by_the_calls)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    client_reset(&one);
    int64_t code = begin(&here, id, "200 OK");
    for (int i = 0; i < 5 && code >= 0; i++)
        code = send_piece(&here, id, "x");
    CHECK(code == FW_EGONE);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 0 && here.score.in_flight == 0);
    close_both();
}

TEST(a_half_closed_client_gets_a_whole_stream)
{
    test_reply got = {0};
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    shutdown(one.fd, SHUT_WR);
    CHECK(begin(&here, id, "200 OK") == 0);
    CHECK(site_quiet(&here));
    (void)send_rest(id, large, LARGE, fw_send(here.worker, id, large, LARGE), SIZE_MAX);
    CHECK(site_quiet(&here) && fw_end(here.worker, id) == 0);
    CHECK(client_reply(&here, &one, &got) && got.content_len == LARGE);
    CHECK(client_sees_end(&here, &one) && fw_open_connections(here.worker) == 0);
    reply_free(&got);
    close_both();
}

/* ---- Numbers ----------------------------------------------------------------------------------- */

TEST(a_number_is_not_given_to_another_connection)
{
    enum { TIMES = 300 };
    static int64_t ids[TIMES];
    site_open(&here, NULL);
    for (int i = 0; i < TIMES; i++) {
        client_open(&here, &one);
        ids[i] = client_request(&here, &one, "GET / HTTP/1.1", "");
        CHECK(ids[i] >= 0);
        for (int j = 0; j < i; j++) {
            CHECK(ids[j] != ids[i]);
            if (i % 50 == 0)
                CHECK(respond(&here, ids[j], "200 OK", "wrong") == FW_EGONE);
        }
        if (i % 2)
            CHECK(fw_abort(here.worker, ids[i]) == 0);
        else
            CHECK(respond(&here, ids[i], "200 OK\nContent-Length\n1", "") == FW_NOTE_SHORT);
        client_close(&one);
    }
    CHECK(here.score.accepted == TIMES && here.score.connections == 0);
    site_close(&here);
}

TEST(the_table_of_connections_grows)
{
    enum { COUNT = 300 };
    static test_client many[COUNT];
    static int64_t ids[COUNT];
    site_open(&here, NULL);
    for (int i = 0; i < COUNT; i++) {
        client_open(&here, &many[i]);
        ids[i] = client_request(&here, &many[i], "GET / HTTP/1.1", "");
    }
    CHECK(fw_open_connections(here.worker) == COUNT && here.score.in_flight == COUNT);
    for (int i = COUNT; i-- > 0;) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", i);
        CHECK(respond(&here, ids[i], "200 OK", number) == 0);
        CHECK(client_reply_is(&here, &many[i], 200, number));
        client_close(&many[i]);
    }
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 0);
    site_close(&here);
}

/* ---- Aborts ------------------------------------------------------------------------------------ */

static void check_abort(const char *line, const char *head, const char *piece, bool reset)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, line, "");
    if (head)
        CHECK(begin(&here, id, head) == 0 && send_piece(&here, id, piece) == 0);
    CHECK(fw_abort(here.worker, id) == 0 && fw_abort(here.worker, id) == FW_EGONE);
    CHECK(client_sees_end(&here, &one) && one.reset == reset);
    CHECK(!strstr(one.data, "0\r\n\r\n"));
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 0);
    close_both();
}

TEST(an_aborted_response_does_not_look_whole)
{
    check_abort("GET / HTTP/1.1", NULL, NULL, false);
    check_abort("GET / HTTP/1.1", "200 OK", "part", false);
    check_abort("GET / HTTP/1.1", "200 OK\nContent-Length\n9", "part", false);
    check_abort("GET / HTTP/1.0", "200 OK", "part", true);
}

/* Only the end of the connection ends such a response, so its end must be a reset. */
TEST(freeing_the_worker_does_not_make_a_response_look_whole)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.0", "");
    CHECK(begin(&here, id, "200 OK") == 0 && send_piece(&here, id, "part") == 0);
    site_close(&here);
    while (!one.ended)
        client_read(&one, SIZE_MAX);
    CHECK(one.reset);
    client_close(&one);
}
