/* test_core_content.c -- the content of requests: in memory, spooled, too large, expected, cut short. */
#include "core_reply.h"
#include "worker.h"

static test_site here;
static test_client one;
static char large[1 << 20];

static void open_both(uint64_t max_body, uint32_t memory)
{
    fw_settings settings = settings_usual();
    settings.max_body_size = max_body;
    settings.memory_body = memory;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 23);
    site_open(&here, &settings);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static void say_post(const char *framing)
{
    client_ask(&here, &one, "POST / HTTP/1.1", framing);
}

static void say_sized(size_t size)
{
    char field[64];
    (void)snprintf(field, sizeof field, "Content-Length: %zu\r\n", size);
    say_post(field);
    CHECK(client_push(&here, &one, large, size));
}

static void say_chunked(size_t size, size_t chunk)
{
    say_post("Transfer-Encoding: chunked\r\n");
    for (size_t at = 0; at < size; at += chunk) {
        char line[32];
        size_t len = size - at < chunk ? size - at : chunk;
        (void)snprintf(line, sizeof line, "%zX\r\n", len);
        client_say(&here, &one, line);
        CHECK(client_push(&here, &one, large + at, len));
        client_say(&here, &one, "\r\n");
    }
    client_say(&here, &one, "0\r\n\r\n");
}

static void respond_post(const test_record *request)
{
    CHECK(respond(&here, request->id, "200 OK", "thanks") == 0);
    CHECK(client_reply_is(&here, &one, 200, "thanks"));
}

static void check_in_memory(size_t size)
{
    const test_record *request = site_request(&here);
    NOTE("size %zu", size);
    CHECK(request->content == (int64_t)size && memcmp(request->body, large, size) == 0);
    CHECK(fw_take_content(here.worker, request->id) == FW_ESTATE);
    respond_post(request);
}

static void check_spooled(size_t size)
{
    static char stored[sizeof large + 1];
    struct stat about;
    const test_record *request = site_request(&here);
    NOTE("size %zu", size);
    CHECK(request->content == FW_SPOOLED);
    int fd = fw_take_content(here.worker, request->id);
    CHECK(fd >= 0 && fw_take_content(here.worker, request->id) == FW_ESTATE);
    CHECK(lseek(fd, 0, SEEK_CUR) == 0);
    CHECK(fstat(fd, &about) == 0 && about.st_nlink == 0 && about.st_size == (off_t)size);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(pread(fd, stored, sizeof stored, 0) == (ssize_t)size && memcmp(stored, large, size) == 0);
    respond_post(request);
    close(fd);
}

TEST(content_up_to_the_limit_is_in_memory_and_above_it_spooled)
{
    open_both(1 << 20, 10000);
    say_sized(1);
    check_in_memory(1);
    say_sized(10000);
    check_in_memory(10000);
    say_sized(10001);
    check_spooled(10001);
    say_sized(sizeof large);
    check_spooled(sizeof large);
    CHECK(here.score.accepted == 1 && here.score.requests == 4);
    close_both();
}

TEST(chunked_content_is_stored_in_the_same_way)
{
    open_both(1 << 20, 10000);
    say_chunked(10000, 777);
    check_in_memory(10000);
    say_chunked(10001, 777);
    check_spooled(10001);
    say_chunked(sizeof large, 100000);
    check_spooled(sizeof large);
    say_chunked(0, 1);
    CHECK(site_request(&here)->content == 0);
    close_both();
}

TEST(no_memory_at_all_for_content_spools_all_of_it)
{
    open_both(100, 0);
    say_sized(1);
    check_spooled(1);
    say_chunked(100, 10);
    check_spooled(100);
    close_both();
}

TEST(spooled_content_that_nobody_takes_is_let_go)
{
    open_both(1 << 20, 10);
    int before = dup(0);
    close(before);
    for (int i = 0; i < 3; i++) {
        say_sized(100);
        const test_record *request = site_request(&here);
        CHECK(request->content == FW_SPOOLED);
        respond_post(request);
        CHECK(fw_take_content(here.worker, request->id) == FW_ESTATE);
    }
    say_sized(100);
    CHECK(fw_abort(here.worker, site_request(&here)->id) == 0);
    close_both();
    int after = dup(0);
    close(after);
    CHECK(after <= before);
}

static void post_part(test_client *client, size_t size)
{
    static char part[5000];
    client_ask(&here, client, "POST / HTTP/1.1", "Content-Length: 10000\r\n");
    CHECK(site_quiet(&here));
    CHECK(client_push(&here, client, part, size));
}

TEST(temporary_files_of_all_requests_together_are_bounded)
{
    static const char full[] = "too much request content is being stored\n";
    static char rest[10000];
    test_client first, second, third;
    fw_settings settings = settings_usual();
    settings.memory_body = 1000;
    settings.max_spool = 12000;
    site_open(&here, &settings);
    client_open(&here, &first);
    client_open(&here, &second);
    client_open(&here, &third);
    post_part(&first, 5000);
    post_part(&second, 5000);
    CHECK(site_quiet(&here));
    post_part(&third, 5000);
    site_expect(&here, FW_SPOOL_FULL, 0);
    CHECK(client_reply_is(&here, &third, 503, full) && client_sees_end(&here, &third));
    client_close(&second);
    while (here.score.connections > 2)
        CHECK(site_quiet(&here));
    CHECK(client_push(&here, &first, rest, 5000)); /* there is room again */
    int64_t id = site_request(&here)->id;
    int fd = fw_take_content(here.worker, id);
    CHECK(fd >= 0);
    /* The application has the file: it counts until the request is answered. */
    client_close(&third);
    client_open(&here, &third);
    post_part(&third, 5000);
    CHECK(client_reply_is(&here, &third, 503, full));
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &first, 200, "x"));
    close(fd);
    client_close(&third);
    client_open(&here, &third);
    post_part(&third, 5000);
    CHECK(client_push(&here, &third, rest, 5000));
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &third, 200, "x"));
    client_close(&first);
    client_close(&third);
    site_close(&here);
}

TEST(a_spool_directory_that_is_not_there_is_a_503)
{
    fw_settings settings = settings_usual();
    settings.memory_body = 10;
    settings.spool_directory = "/nonexistent/directory";
    site_open(&here, &settings);
    client_open(&here, &one);
    say_sized(100);
    CHECK(client_reply_is(&here, &one, 503, "the request content could not be stored\n"));
    CHECK(client_sees_end(&here, &one) && here.score.refused == 1);
    close_both();
}

/* ---- Too large --------------------------------------------------------------------------------- */

TEST(content_that_is_said_to_be_too_large_is_refused_before_it_comes)
{
    open_both(100, 10);
    say_sized(100);
    check_spooled(100);
    say_post("Content-Length: 101\r\nExpect: 100-continue\r\n");
    CHECK(client_reply_is(&here, &one, 413, "input body too big\n"));
    CHECK(client_sees_end(&here, &one) && here.score.refused == 1);
    CHECK(!strstr(one.data, "100 Continue"));
    close_both();
}

TEST(chunked_content_is_refused_when_it_passes_the_limit)
{
    open_both(100, 10);
    say_chunked(100, 30);
    check_spooled(100);
    say_post("Transfer-Encoding: chunked\r\n");
    client_say(&here, &one, "64\r\n");
    CHECK(client_push(&here, &one, large, 100));
    CHECK(site_quiet(&here) && here.score.refused == 0);
    client_say(&here, &one, "\r\n1\r\nx");
    CHECK(client_reply_is(&here, &one, 413, "input body too big\n"));
    CHECK(client_sees_end(&here, &one) && site_quiet(&here));
    close_both();
}

/* A client that only sends must not lose the refusal to a reset. */
TEST(a_client_that_goes_on_sending_still_sees_the_refusal)
{
    open_both(100, 10);
    here.worker->deadlines.waits[FW_DEADLINE_LINGER] = FAR_MS;
    say_sized(sizeof large);
    CHECK(client_reply_is(&here, &one, 413, "input body too big\n"));
    CHECK(client_sees_end(&here, &one) && !one.reset);
    CHECK(fw_open_connections(here.worker) == 1); /* lingering */
    shutdown(one.fd, SHUT_WR);
    for (int i = 0; i < 100 && fw_open_connections(here.worker); i++)
        CHECK(site_quiet(&here));
    CHECK(fw_open_connections(here.worker) == 0);
    close_both();
}

TEST(lingering_ends_when_the_client_does_not)
{
    open_both(100, 10);
    uint64_t start = clock_ms(), awake = awake_ms(0);
    say_post("Content-Length: 1000000\r\n");
    CHECK(client_reply_is(&here, &one, 413, "input body too big\n"));
    while (fw_open_connections(here.worker) && clock_ms() - start < SOON_MS) {
        (void)send(one.fd, "more", 4, MSG_NOSIGNAL);
        site_poll(&here, 10);
    }
    NOTE("%d ms, %d of them awake", (int)(clock_ms() - start), (int)(awake_ms(0) - awake));
    CHECK(clock_ms() - start > FW_LINGER_MS - 500 && awake_ms(0) - awake < FW_LINGER_MS + 1000);
    CHECK(fw_open_connections(here.worker) == 0);
    close_both();
}

/* ---- Expect ------------------------------------------------------------------------------------ */

TEST(a_waiting_client_is_told_to_continue)
{
    open_both(100, 10);
    say_post("Content-Length: 5\r\nExpect: 100-Continue\r\n");
    CHECK(client_gets(&here, &one, "HTTP/1.1 100 Continue\r\n\r\n"));
    CHECK(site_quiet(&here) && client_read(&one, SIZE_MAX) == 0);
    one.used = one.len;
    CHECK(client_push(&here, &one, large, 5));
    check_in_memory(5);
    say_post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n");
    CHECK(client_reply_is(&here, &one, 100, ""));
    client_say(&here, &one, "1\r\na\r\n0\r\n\r\n");
    check_in_memory(1);
    close_both();
}

TEST(a_client_that_does_not_wait_is_not_told)
{
    open_both(100, 10);
    client_say(&here, &one,
               "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
               "Expect: 100-continue\r\n\r\nab");
    check_in_memory(2);
    client_say(&here, &one,
               "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
               "Expect: 100-continue\r\n\r\na");
    CHECK(site_quiet(&here));
    client_say(&here, &one, "b");
    check_in_memory(2);
    say_post("Content-Length: 0\r\nExpect: 100-continue\r\n");
    respond_post(site_request(&here));
    CHECK(!strstr(one.data, "100 Continue"));
    close_both();
}

/* ---- Cut short --------------------------------------------------------------------------------- */

static void check_cut(const char *framing, const char *part, bool reset)
{
    open_both(1 << 20, 10);
    say_post(framing);
    client_say(&here, &one, part);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 1);
    if (reset)
        client_reset(&one);
    else
        shutdown(one.fd, SHUT_WR);
    CHECK(site_quiet(&here) && fw_open_connections(here.worker) == 0);
    CHECK(here.score.requests == 0);
    CHECK(reset || (client_sees_end(&here, &one) && one.len == 0));
    close_both();
}

TEST(content_that_is_cut_short_reaches_no_application)
{
    static const char sized[] = "Content-Length: 30\r\n";
    static const char chunked[] = "Transfer-Encoding: chunked\r\n";
    for (int reset = 0; reset < 2; reset++) {
        check_cut(sized, "in memory", reset);
        check_cut(sized, "in a temporary file", reset);
        check_cut(chunked, "", reset);
        check_cut(chunked, "5\r\nhello\r\n", reset);
        check_cut(chunked, "14\r\nin a temporary file.\r\n0\r\n", reset);
    }
}

TEST(bad_chunks_are_refused_wherever_they_come)
{
    open_both(1 << 20, 10);
    say_post("Transfer-Encoding: chunked\r\n");
    client_say(&here, &one, "5\r\nhello\r\n");
    CHECK(site_quiet(&here));
    client_say(&here, &one, "5\r\nworldX\r\n");
    CHECK(client_reply_is(&here, &one, 400, "the chunked coding is malformed\n"));
    CHECK(client_sees_end(&here, &one) && site_quiet(&here) && here.score.requests == 0);
    close_both();
}

/* How many bytes of a content that goes to a file one turn of the loop takes; the first of them have come. */
static uint64_t bytes_of_a_turn(const char *framing, const char *before, size_t size)
{
    client_close(&one);
    client_open_unix(&here, &one);
    say_post(framing);
    client_say(&here, &one, before);
    CHECK(client_push(&here, &one, large, 20));
    CHECK(site_quiet(&here));
    uint64_t then = here.score.bytes_in;
    CHECK(client_push(&here, &one, large + 20, size - 20));
    CHECK(site_poll(&here, 0) == 0);
    return here.score.bytes_in - then;
}

TEST(content_for_a_file_is_read_in_large_pieces)
{
    open_both(1 << 20, 10);
    CHECK(bytes_of_a_turn("Content-Length: 100001\r\n", "", 100000) == 100000 - 20);
    CHECK(client_push(&here, &one, large + 100000, 1));
    check_spooled(100001);
    CHECK(bytes_of_a_turn("Transfer-Encoding: chunked\r\n", "186a0\r\n", 100000) == 100000 - 20);
    client_say(&here, &one, "\r\n0\r\n\r\n");
    check_spooled(100000);
    uv_timer_t *timer = &here.worker->spool.pool.timer;
    CHECK(here.worker->spool.pool.room && uv_is_active((uv_handle_t *)timer));
    CHECK(uv_timer_start(timer, timer->timer_cb, 1, 0) == 0);
    uint64_t end = clock_ms() + SOON_MS;
    while (here.worker->spool.pool.room && clock_ms() < end)
        CHECK(site_poll(&here, 10) == 0);
    CHECK(!here.worker->spool.pool.room);
    close_both();
}

TEST(requests_behind_a_chunked_content_for_a_file_are_served)
{
    open_both(1 << 20, 10);
    client_close(&one);
    client_open_unix(&here, &one);
    say_post("Transfer-Encoding: chunked\r\n");
    client_say(&here, &one, "14\r\n01234567890123456789\r\n");
    CHECK(site_quiet(&here));
    client_say(&here, &one, "11170\r\n");
    CHECK(client_push(&here, &one, large, 0x11170));
    client_say(&here, &one, "\r\n0\r\n\r\nGET /behind HTTP/1.1\r\nHost: a\r\n\r\n");
    const test_record *request = site_request(&here);
    CHECK(request->content == FW_SPOOLED);
    CHECK(respond(&here, request->id, "200 OK", "thanks") == 0);
    request = site_request(&here);
    CHECK(request->content == 0);
    CHECK(respond(&here, request->id, "200 OK", "behind") == 0);
    CHECK(client_reply_is(&here, &one, 200, "thanks"));
    CHECK(client_reply_is(&here, &one, 200, "behind"));
    close_both();
}
