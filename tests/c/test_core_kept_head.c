/* test_core_kept_head.c -- what a program asks about a request in hand: its head as it was received, and
 * the descriptor of its client. */
#include "core_reply.h"

static test_site here;
static test_client one;

static void open_both(bool keep)
{
    site_open(&here, NULL);
    if (keep)
        CHECK(fw_keep_heads(here.worker) == 0);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static bool head_is(int64_t id, const char *text)
{
    const char *head = NULL;
    int64_t len = fw_request_head(here.worker, id, &head);
    return len == (int64_t)strlen(text) && memcmp(head, text, (size_t)len) == 0;
}

static const char first[] = "GET /1?q HTTP/1.1\r\nHost:  a \r\nX-tWo: \tb\r\nx_hidden: c\r\n\r\n";
static const char second[] = "HEAD /%32 HTTP/1.0\r\nhOST: a\r\n\r\n";
static const char posted[] = "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
static const char chunked[] = "POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(a_head_is_told_as_it_was_received_until_the_response)
{
    const char *head;
    open_both(true);
    client_say(&here, &one, first);
    int64_t id = site_request(&here)->id;
    CHECK(head_is(id, first));
    CHECK(begin(&here, id, "200 OK") == 0 && head_is(id, first));
    CHECK(send_piece(&here, id, "x") == 0 && head_is(id, first));
    CHECK(fw_end(here.worker, id) == 0);
    CHECK(fw_request_head(here.worker, id, &head) == FW_ESTATE);
    close_both();
}

TEST(pipelined_requests_have_each_their_own_head)
{
    char all[1024];
    open_both(true);
    (void)snprintf(all, sizeof all, "%s%shello%s%s", first, posted, first, second);
    client_say(&here, &one, all);
    static const char *const heads[] = {first, posted, first, second};
    for (size_t i = 0; i < 4; i++) {
        int64_t id = site_request(&here)->id;
        CHECK(head_is(id, heads[i]));
        CHECK(respond(&here, id, "200 OK", "x") == 0);
    }
    close_both();
}

/* Byte by byte: the head is used when its content is whole, long after it came. */
TEST(a_head_survives_its_content_however_it_is_cut)
{
    static const char *const heads[] = {posted, chunked};
    static const char *const contents[] = {"hello", "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: u\r\n\r\n"};
    open_both(true);
    for (size_t i = 0; i < 2; i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "%s%s", heads[i], contents[i]);
        for (size_t at = 0; at <= strlen(text); at++) {
            CHECK(client_push(&here, &one, text, at));
            site_poll(&here, 0);
            site_poll(&here, 0);
            CHECK(client_push(&here, &one, text + at, strlen(text) - at));
            const test_record *request = site_request(&here);
            CHECK(head_is(request->id, heads[i]));
            CHECK(request->content == 5 && strcmp(request->body, "hello") == 0);
            CHECK(respond(&here, request->id, "200 OK", "x") == 0);
        }
    }
    close_both();
}

TEST(a_spooled_content_leaves_the_head_alone)
{
    enum { SIZE = 200000 };
    static char content[SIZE];
    char head[128];
    memset(content, 'c', SIZE);
    open_both(true);
    (void)snprintf(head, sizeof head, "PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
                   SIZE);
    client_say(&here, &one, head);
    CHECK(client_push(&here, &one, content, SIZE));
    const test_record *request = site_request(&here);
    CHECK(request->content == FW_SPOOLED && head_is(request->id, head));
    int fd = fw_take_content(here.worker, request->id);
    CHECK(fd >= 0 && close(fd) == 0 && head_is(request->id, head));
    CHECK(respond(&here, request->id, "200 OK", "x") == 0);
    close_both();
}

TEST(who_did_not_ask_for_heads_has_none)
{
    const char *head;
    open_both(false);
    client_say(&here, &one, first);
    int64_t id = site_request(&here)->id;
    CHECK(fw_request_head(here.worker, id, &head) == FW_ESTATE);
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    close_both();
}

TEST(the_descriptor_is_the_one_of_the_client)
{
    struct sockaddr_in theirs = {0}, ours = {0};
    socklen_t len = sizeof theirs;
    open_both(false);
    client_say(&here, &one, first);
    int64_t id = site_request(&here)->id;
    int fd = fw_connection_fd(here.worker, id);
    CHECK(fd >= 0 && getpeername(fd, (struct sockaddr *)&theirs, &len) == 0);
    len = sizeof ours;
    CHECK(getsockname(one.fd, (struct sockaddr *)&ours, &len) == 0);
    CHECK(theirs.sin_port == ours.sin_port);
    CHECK(respond(&here, id, "200 OK", "x") == 0);
    CHECK(fw_connection_fd(here.worker, id) == FW_ESTATE);
    close_both();
}

TEST(a_client_that_left_is_told_as_gone)
{
    const char *head;
    open_both(true);
    client_say(&here, &one, first);
    int64_t id = site_request(&here)->id;
    CHECK(fw_abort(here.worker, id) == 0);
    CHECK(fw_connection_fd(here.worker, id) == FW_CLIENT_GONE);
    CHECK(fw_request_head(here.worker, id, &head) == FW_CLIENT_GONE);
    close_both();
}
