/* test_core_renew.c -- connections that are open at one moment end with their next response, later ones are kept. */
#include "core_reply.h"

#include <sys/stat.h>

static test_site here;
static test_client one, two;

static bool asks(test_client *client, const char *content)
{
    int64_t id = client_request(&here, client, "GET / HTTP/1.1", "");
    return respond(&here, id, "200 OK", content) == 0 &&
           client_reply_is(&here, client, 200, content);
}

static void open_with(const char *ready_path)
{
    fw_settings settings = settings_usual();
    settings.ready_path = ready_path;
    site_open(&here, &settings);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    client_close(&two);
    site_close(&here);
}

TEST(a_connection_that_is_open_ends_with_its_next_response_and_a_later_one_is_kept)
{
    open_with(NULL);
    CHECK(asks(&one, "a") && fw_renew_connections(here.worker) == 1);
    CHECK(site_take(&here, 250) == NULL && fw_open_connections(here.worker) == 1);
    client_open(&here, &two);
    for (int i = 0; i < 3; i++)
        CHECK(asks(&two, "new"));
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond(&here, id, "200 OK", "b") == 0);
    CHECK(client_gets(&here, &one, "Connection: close\r\n"));
    CHECK(client_reply_is(&here, &one, 200, "b") && client_sees_end(&here, &one) && !one.reset);
    CHECK(asks(&two, "kept") && fw_open_connections(here.worker) == 1);
    close_both();
}

TEST(a_request_in_hand_is_the_next_response)
{
    open_with(NULL);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(fw_renew_connections(here.worker) == 1);
    CHECK(respond(&here, id, "200 OK", "a") == 0 && client_reply_is(&here, &one, 200, "a"));
    CHECK(client_sees_end(&here, &one) && !one.reset);
    CHECK(fw_renew_connections(here.worker) == 0);
    close_both();
}

TEST(pipelined_requests_that_were_read_are_answered_first)
{
    open_with(NULL);
    client_say(&here, &one,
               "GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    const test_record *request = site_request(&here);
    CHECK(fw_renew_connections(here.worker) == 1);
    CHECK(respond(&here, request->id, "200 OK", "/0") == 0);
    for (int i = 1; i < 3; i++) {
        request = site_request(&here);
        CHECK(respond(&here, request->id, "200 OK", request->path) == 0);
    }
    CHECK(client_reply_is(&here, &one, 200, "/0") && client_reply_is(&here, &one, 200, "/1"));
    CHECK(client_reply_is(&here, &one, 200, "/2") && client_sees_end(&here, &one) && !one.reset);
    CHECK(count_text(one.data, "Connection: close") == 1);
    close_both();
}

TEST(readiness_stays_and_is_told_with_the_end_of_the_connection)
{
    open_with("/healthz");
    CHECK(asks(&one, "a") && fw_renew_connections(here.worker) == 1);
    client_ask(&here, &one, "GET /healthz HTTP/1.1", "");
    CHECK(client_gets(&here, &one, "Connection: close\r\n"));
    CHECK(client_reply_is(&here, &one, 200, "ready\n") && client_sees_end(&here, &one));
    client_open(&here, &two);
    CHECK(fw_set_ready(here.worker, 0) == 0 && fw_set_ready(here.worker, 1) == 0);
    client_ask(&here, &two, "GET /healthz HTTP/1.1", "");
    CHECK(client_reply_is(&here, &two, 200, "ready\n") && asks(&two, "kept"));
    close_both();
}

TEST(being_ready_again_takes_nothing_back)
{
    open_with(NULL);
    CHECK(asks(&one, "a") && fw_renew_connections(here.worker) == 1);
    CHECK(fw_set_ready(here.worker, 0) == 0 && fw_set_ready(here.worker, 1) == 0);
    CHECK(asks(&one, "b") && client_sees_end(&here, &one));
    close_both();
}

/* The file of which two requests come at once is sent twice, whether the worker ends some connections or all. */
TEST(files_end_a_connection_too_and_pipelined_ones_are_sent_first)
{
    for (int drains = 0; drains <= 1; drains++) {
        char top[] = "/tmp/fapws-renew-XXXXXX", path[64];
        CHECK(mkdtemp(top) != NULL);
        (void)snprintf(path, sizeof path, "%s/f", top);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        CHECK(fd >= 0 && write(fd, "file", 4) == 4 && close(fd) == 0);
        open_with(NULL);
        fw_folder_rules rules = {.cache_control = "", .immutable = "", .types = ""};
        fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(fw_serve_folder(here.worker, "/f", 2, fd, &rules) == 0);
        CHECK(asks(&one, "a"));
        CHECK((drains ? fw_drain(here.worker, 0, 1000) : fw_renew_connections(here.worker)) >= 0);
        client_say(&here, &one,
                   "GET /f/f HTTP/1.1\r\nHost: a\r\n\r\nGET /f/f HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(client_reply_is(&here, &one, 200, "file"));
        CHECK(client_reply_is(&here, &one, 200, "file") && client_sees_end(&here, &one));
        CHECK(count_text(one.data, "Connection: close") == 1);
        close_both();
        CHECK(unlink(path) == 0 && rmdir(top) == 0);
    }
}
