/* test_core_response.c -- the head and the framing of a response, and when the connection stays. */
#include "core_reply.h"

static test_site here;
static test_client one;
static test_reply got;

static void open_both(void)
{
    site_open(&here, NULL);
    client_open(&here, &one);
}

static void close_both(void)
{
    reply_free(&got);
    client_close(&one);
    site_close(&here);
}

/* One response in one piece on a fresh connection; got is what the client sees. */
static int64_t respond_once(const char *line, const char *fields, const char *head,
                            const char *content)
{
    int64_t id = client_request(&here, &one, line, fields);
    int64_t notes = respond(&here, id, head, content);
    CHECK(client_reply_to(&here, &one, line[0] == 'H', &got));
    return notes;
}

static bool still_open(void)
{
    CHECK(site_quiet(&here));
    client_read(&one, SIZE_MAX);
    return !one.ended && fw_open_connections(here.worker) == 1;
}

TEST(a_response_has_status_date_server_and_length)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "404 Not here\nX-A\nb\nx-a\n", "hello") == 0);
    CHECK(strncmp(got.head, "HTTP/1.1 404 Not here\r\nX-A: b\r\nx-a: \r\n", 38) == 0);
    CHECK(reply_says(&got, "Server", "fapws"));
    const char *date = reply_field(&got, "Date");
    CHECK(date && strlen(date) == 29 && strcmp(date + 25, " GMT") == 0);
    CHECK(reply_says(&got, "Content-Length", "5") && strcmp(got.content, "hello") == 0);
    CHECK(!reply_field(&got, "Connection"));
    CHECK(still_open());
    close_both();
}

TEST(a_status_without_reason_keeps_its_space)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "299", "") == 0);
    CHECK(strncmp(got.head, "HTTP/1.1 299 \r\n", 15) == 0);
    close_both();
}

TEST(the_applications_own_date_and_server_stand_alone)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "200 OK\ndate\nnow\nSERVER\nme", "") == 0);
    CHECK(reply_says(&got, "Date", "now") && reply_says(&got, "Server", "me"));
    CHECK(count_text(got.head, "\r\n") == 5);
    close_both();
}

TEST(no_server_field_when_none_is_set)
{
    fw_settings settings = settings_usual();
    settings.server = NULL;
    site_open(&here, &settings);
    client_open(&here, &one);
    CHECK(respond_once("GET / HTTP/1.1", "", "200 OK", "") == 0);
    CHECK(!reply_field(&got, "Server") && reply_field(&got, "Date"));
    close_both();
}

TEST(hop_by_hop_fields_are_left_out_and_noted)
{
    static const char *const names[] = {"Connection", "keep-alive", "TRANSFER-ENCODING", "Upgrade",
                                        "TE",         "Trailer",    "Proxy-Connection"};
    open_both();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char head[100];
        (void)snprintf(head, sizeof head, "200 OK\n%s\nkeep\nX\ny", names[i]);
        NOTE("%s", names[i]);
        CHECK(respond_once("GET / HTTP/1.1", "", head, "a") == FW_NOTE_HOP);
        CHECK(!reply_field(&got, names[i]) && reply_says(&got, "X", "y"));
    }
    CHECK(still_open());
    close_both();
}

TEST(a_status_keeps_the_field_that_it_demands)
{
    open_both();
    const char *upgrade = "426 Upgrade Required\nUpgrade\nHTTP/3.0",
               *proxy = "407 x\nProxy-Authenticate\nBasic";
    CHECK(respond_once("GET / HTTP/1.1", "", upgrade, "a") == 0);
    CHECK(reply_says(&got, "Upgrade", "HTTP/3.0") && reply_says(&got, "Connection", "upgrade"));
    CHECK(respond_once("GET / HTTP/1.1", "", proxy, "a") == 0);
    CHECK(reply_says(&got, "Proxy-Authenticate", "Basic"));
    CHECK(respond_once("GET / HTTP/1.1", "", "401 x\nProxy-Authenticate\nBasic", "a") ==
          FW_NOTE_HOP);
    CHECK(!reply_field(&got, "Proxy-Authenticate") && still_open());
    close_both();
}

TEST(the_application_may_close_the_connection)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "200 OK\nConnection\n Close\t", "a") == 0);
    CHECK(reply_says(&got, "Connection", "close") && client_sees_end(&here, &one));
    close_both();
}

TEST(reset_content_has_none_and_says_so)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "205 Reset Content", "") == 0);
    CHECK(reply_says(&got, "Content-Length", "0"));
    CHECK(respond_once("GET / HTTP/1.1", "", "205 x\nContent-Length\n3", "abc") == FW_NOTE_EXCESS);
    CHECK(reply_says(&got, "Content-Length", "0") && still_open());
    close_both();
}

TEST(white_space_around_a_length_is_no_part_of_it)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "200 OK\nContent-Length\n 3\t", "abc") == 0);
    CHECK(reply_says(&got, "Content-Length", "3") && still_open());
    close_both();
}

/* ---- Heads that must not go out ---------------------------------------------------------------- */

TEST(a_bad_head_is_refused_and_the_request_still_waits)
{
    static const struct {
        const char *head;
        size_t count;
        int code;
    } rows[] = {
        {"200 OK\nX\na\nEvil\nb", 3, FW_ECOUNT}, /* "a\nEvil\nb" was one value */
        {"200 OK\nX", 2, FW_ECOUNT},
        {"200 OK\nX\na", 5, FW_ECOUNT},
        {"200 OK\nX: Y\na", 3, FW_ENAME},
        {"200 OK\n\na", 3, FW_ENAME},
        {"200 OK\nX y\na", 3, FW_ENAME},
        {"200 OK\nX\na\rb", 3, FW_EVALUE},
        {"200 OK\nX\n\x01", 3, FW_EVALUE},
        {"200 OK\nX\n\x7f", 3, FW_EVALUE},
        {"200 OK\r", 1, FW_ESTATUS},
        {"OK", 1, FW_ESTATUS},
        {"", 1, FW_ESTATUS},
        {"20 OK", 1, FW_ESTATUS},
        {"100 Continue", 1, FW_ESTATUS},
        {"2000 OK", 1, FW_ESTATUS},
        {"200OK", 1, FW_ESTATUS},
        {"200 OK\nContent-Length\n1\nContent-length\n1", 5, FW_ELENGTH},
        {"200 OK\nContent-Length\n-1", 3, FW_ELENGTH},
        {"200 OK\nContent-Length\n", 3, FW_ELENGTH},
        {"200 OK\nContent-Length\n1, 1", 3, FW_ELENGTH},
        {"200 OK\nContent-Length\n99999999999999999999", 3, FW_ELENGTH},
        {"200 OK\nTransfer-Encoding\na\rb", 3, FW_EVALUE},
    };
    open_both();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *head = rows[i].head;
        NOTE("row %zu: %s", i, head);
        CHECK(fw_respond(here.worker, id, head, strlen(head), rows[i].count, "", 0) ==
              rows[i].code);
        CHECK(fw_begin(here.worker, id, head, strlen(head), rows[i].count) == rows[i].code);
    }
    CHECK(fw_respond(here.worker, id, "200 OK\nX\na\0b", 12, 3, "", 0) == FW_EVALUE);
    CHECK(site_quiet(&here) && client_read(&one, SIZE_MAX) == 0 && here.score.in_flight == 1);
    CHECK(respond(&here, id, "500 Oh", "sorry") == 0);
    CHECK(client_reply_is(&here, &one, 500, "sorry") && still_open());
    close_both();
}

/* ---- Content-Length and no content ------------------------------------------------------------- */

TEST(a_given_length_is_kept)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "200 OK\nContent-Length\n5", "hello") == 0);
    CHECK(count_text(got.head, "ontent-") == 1 && got.length == 5);
    CHECK(still_open());
    close_both();
}

TEST(content_beyond_its_length_is_cut_and_noted)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "200 OK\nContent-Length\n4", "hello") ==
          FW_NOTE_EXCESS);
    CHECK(got.length == 4 && strcmp(got.content, "hell") == 0 && still_open());
    close_both();
}

TEST(content_that_falls_short_ends_the_connection)
{
    open_both();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK\nContent-Length\n6", "hello") == FW_NOTE_SHORT);
    CHECK(client_sees_end(&here, &one));
    CHECK(strstr(one.data, "Connection: close\r\n") && strstr(one.data, "\r\n\r\nhello"));
    CHECK(fw_open_connections(here.worker) == 0);
    close_both();
}

TEST(a_response_to_head_has_no_content_but_its_length)
{
    open_both();
    CHECK(respond_once("HEAD / HTTP/1.1", "", "200 OK", "hello") == 0);
    CHECK(got.length == 5);
    CHECK(respond_once("HEAD / HTTP/1.1", "", "200 OK\nContent-Length\n77", "") == 0);
    CHECK(got.length == 77);
    int64_t id = client_request(&here, &one, "HEAD / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n9") == FW_NOTE_NO_CONTENT);
    CHECK(send_piece(&here, id, "nothing") == FW_NOTE_NO_CONTENT);
    CHECK(fw_end(here.worker, id) == 0);
    CHECK(client_reply_to(&here, &one, true, &got) && got.length == 9);
    CHECK(still_open() && one.used == one.len);
    close_both();
}

TEST(no_content_follows_204_and_304)
{
    open_both();
    CHECK(respond_once("GET / HTTP/1.1", "", "204 None\nContent-Length\n5", "hello") == 0);
    CHECK(!got.sized && !got.chunked);
    CHECK(respond_once("GET / HTTP/1.1", "", "304 Same\nContent-Length\n5\nETag\nx", "hello") == 0);
    CHECK(got.length == 5);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "304 Same") == FW_NOTE_NO_CONTENT);
    CHECK(send_piece(&here, id, "x") == FW_NOTE_NO_CONTENT && fw_end(here.worker, id) == 0);
    CHECK(client_reply(&here, &one, &got) && got.status == 304 && !got.chunked);
    CHECK(still_open() && one.used == one.len);
    close_both();
}

/* ---- Keep-alive -------------------------------------------------------------------------------- */

static void check_persistence(const char *line, const char *fields, bool stays, const char *says)
{
    open_both();
    NOTE("%s %s", line, fields);
    CHECK(respond_once(line, fields, "200 OK", "x") == 0);
    const char *connection = reply_field(&got, "Connection");
    CHECK(says ? connection && strcmp(connection, says) == 0 : !connection);
    CHECK(still_open() == stays);
    CHECK(stays || (client_sees_end(&here, &one) && !one.reset));
    close_both();
}

TEST(connections_stay_as_version_and_client_ask)
{
    check_persistence("GET / HTTP/1.1", "", true, NULL);
    check_persistence("GET / HTTP/1.1", "Connection: x, CLOSE\r\n", false, "close");
    check_persistence("GET / HTTP/1.0", "", false, "close");
    check_persistence("GET / HTTP/1.0", "Connection: Keep-Alive\r\n", true, "keep-alive");
}

/* ---- Streams ----------------------------------------------------------------------------------- */

TEST(a_stream_of_unknown_length_is_chunked)
{
    open_both();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0);
    CHECK(site_quiet(&here) && client_read(&one, SIZE_MAX) == 0);
    CHECK(send_piece(&here, id, "hello") == 0 && send_piece(&here, id, "") == 0);
    CHECK(client_gets(&here, &one, "\r\n\r\n5\r\nhello\r\n"));
    CHECK(send_piece(&here, id, " and a long goodbye") == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply(&here, &one, &got));
    CHECK(got.chunked && strcmp(got.content, "hello and a long goodbye") == 0 && still_open());
    CHECK(here.score.responses == 1);
    close_both();
}

TEST(a_stream_of_known_length_is_counted)
{
    open_both();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n8") == 0);
    CHECK(send_piece(&here, id, "hello") == 0);
    CHECK(send_piece(&here, id, "world") == FW_NOTE_EXCESS);
    CHECK(send_piece(&here, id, "more") == FW_NOTE_EXCESS);
    CHECK(fw_end(here.worker, id) == 0);
    CHECK(client_reply_is(&here, &one, 200, "hellowor") && still_open());
    close_both();
}

TEST(a_stream_that_falls_short_ends_the_connection)
{
    open_both();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n8") == 0);
    CHECK(send_piece(&here, id, "hello") == 0);
    CHECK(fw_end(here.worker, id) == FW_NOTE_SHORT);
    CHECK(client_sees_end(&here, &one) && strstr(one.data, "\r\n\r\nhello"));
    close_both();
}

TEST(a_stream_to_an_old_client_ends_with_the_connection)
{
    open_both();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.0", "Connection: keep-alive\r\n");
    CHECK(begin(&here, id, "200 OK") == 0);
    CHECK(send_piece(&here, id, "hel") == 0 && send_piece(&here, id, "lo") == 0);
    CHECK(fw_end(here.worker, id) == 0);
    CHECK(client_reply_is(&here, &one, 200, "hello"));
    CHECK(one.ended && !one.reset && strstr(one.data, "Connection: close\r\n"));
    close_both();
}

TEST(a_stream_without_pieces_is_a_whole_response)
{
    open_both();
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply_is(&here, &one, 200, "") && still_open());
    close_both();
}

TEST(calls_out_of_turn_are_told_and_change_nothing)
{
    open_both();
    CHECK(respond(&here, 12345, "200 OK", "") == FW_EGONE);
    CHECK(respond(&here, -1, "200 OK", "") == FW_EGONE);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(send_piece(&here, id, "x") == FW_ESTATE && fw_end(here.worker, id) == FW_ESTATE);
    CHECK(fw_take_content(here.worker, id) == FW_ESTATE);
    CHECK(begin(&here, id, "200 OK") == 0);
    CHECK(begin(&here, id, "200 OK") == FW_ESTATE && respond(&here, id, "200 OK", "") == FW_ESTATE);
    CHECK(fw_end(here.worker, id) == 0);
    CHECK(fw_end(here.worker, id) == FW_ESTATE && respond(&here, id, "200 OK", "") == FW_ESTATE);
    CHECK(client_reply_is(&here, &one, 200, "") && still_open());
    close_both();
}
