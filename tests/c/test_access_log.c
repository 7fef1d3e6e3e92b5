/* test_access_log.c -- what the access log says of each response, and that nobody waits for it. */
#include "core_reply.h"

#include <poll.h>
#include <time.h>

#include "access/access.h"
#include "worker.h"

static test_site here;
static test_client one;
static char path[64];
static char logged[1 << 21]; /* what log_read() found */

/* ---- A format: parts one after the other --------------------------------------------------------- */

static char program[1 << 17];
static size_t program_len;

static void part(char what, char how, const char *text)
{
    size_t len = strlen(text);
    char *at = program + program_len;
    at[0] = what;
    at[1] = how;
    at[2] = (char)(len >> 8);
    at[3] = (char)len;
    memcpy(at + 4, text, len);
    program_len += len + 4;
}

/* Letters with a space between them; the quoted ones within quotes. */
static void format(const char *letters, char how)
{
    program_len = 0;
    for (; *letters; letters++) {
        part(*letters, how, "");
        if (letters[1])
            part('L', 'q', " ");
    }
}

static void log_to(int fd)
{
    CHECK(fw_set_access_format(here.worker, program, program_len) == 0);
    CHECK(fw_set_access_log(here.worker, fd) == 0);
}

static int new_file(void)
{
    strcpy(path, "/tmp/fapws-log-XXXXXX");
    return mkstemp(path);
}

static void open_logged(const char *letters, char how)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    if (letters)
        format(letters, how);
    log_to(new_file());
}

static const char *log_read(void)
{
    CHECK(fw_flush_access_log(here.worker) == 0);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(logged, 1, sizeof logged - 1, file) : 0;
    logged[len] = '\0';
    if (file)
        (void)fclose(file);
    return logged;
}

static bool log_is(const char *expected)
{
    bool same = strcmp(log_read(), expected) == 0;
    if (!same)
        printf("expected %s     got %s\n", expected, logged);
    return same;
}

static void close_logged(void)
{
    client_close(&one);
    site_close(&here);
    (void)unlink(path);
}

static void exchange(const char *line, const char *fields, const char *head, const char *content)
{
    test_reply got = {0};
    int64_t id = client_request(&here, &one, line, fields);
    CHECK(respond(&here, id, head, content) >= 0);
    CHECK(client_reply_to(&here, &one, line[0] == 'H', &got));
    reply_free(&got);
}

/* ---- What is said ---------------------------------------------------------------------------------- */

TEST(a_whole_response_is_told_with_request_status_and_size)
{
    open_logged("amuvsbc", 'q');
    exchange("GET /a?b HTTP/1.1", "", "200 OK", "hello");
    exchange("HEAD / HTTP/1.1", "", "404 No", "hello");
    exchange("GET /0 HTTP/1.0", "Connection: keep-alive\r\n", "204 None", "");
    CHECK(log_is("127.0.0.1 GET /a?b HTTP/1.1 200 5 whole\n"
                 "127.0.0.1 HEAD / HTTP/1.1 404 0 whole\n"
                 "127.0.0.1 GET /0 HTTP/1.0 204 0 whole\n"));
    close_logged();
}

TEST(fields_are_found_without_regard_to_case_and_joined)
{
    program_len = 0;
    part('F', 'q', "x-a");
    part('L', 'q', "|");
    part('F', 'q', "x-none");
    part('L', 'q', "|");
    part('h', 'q', "");
    open_logged(NULL, 0);
    exchange("GET / HTTP/1.1", "X-A: one\r\nOther: x\r\nx-a: two\r\n", "200 OK", "");
    exchange("GET http://b/ HTTP/1.1", "X-A: \r\n", "200 OK", "");
    CHECK(log_is("one, two|-|a\n-|-|b\n"));
    close_logged();
}

TEST(user_of_basic_credentials_is_told_and_the_password_is_not)
{
    static const struct {
        const char *field, *user;
    } cases[] = {
        {"", "-"},
        {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", "Aladdin"},
        {"authorization: bAsIc  YTpi\r\n", "a"},
        {"Authorization: Basic YTo6Og==\r\n", "a"},
        {"Authorization: Basic\r\n", "-"},
        {"Authorization: Basic OnNlY3JldA==\r\n", "-"}, /* no name */
        {"Authorization: Basic c2VjcmV0\r\n", "-"},     /* no colon */
        {"Authorization: Basic c2Vj*mV0OnNl\r\n", "-"}, /* not base64 */
        {"Authorization: Bearer YTpi\r\n", "-"},
        {"Authorization: Basic YSBiIgo6Og==\r\n", "a\\x20b\\x22\\x0a"},
    };
    char expected[1024] = "", fields[1024], digits[700];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)strcat(expected, cases[i].user);
        (void)strcat(expected, "\n");
    }
    program_len = 0;
    part('U', 'n', "authorization");
    open_logged(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        exchange("GET / HTTP/1.1", cases[i].field, "200 OK", "");
    CHECK(log_is(expected));
    close_logged();

    program_len = 0;
    part('U', 'q', "authorization");
    open_logged(NULL, 0);
    memset(digits, 0, sizeof digits);
    for (size_t i = 0; i + 4 < sizeof digits; i += 4)
        memcpy(digits + i, "eHh4", 4);
    (void)snprintf(fields, sizeof fields, "Authorization: Basic %s\r\n", digits);
    exchange("GET / HTTP/1.1", fields, "200 OK", "");
    memset(expected, 'x', 256);
    (void)strcpy(expected + 256, "\\...\n");
    CHECK(log_is(expected));
    close_logged();
}

/* ---- Bounds ------------------------------------------------------------------------------------------ */

static const char *repeat(const char *text, size_t count)
{
    static char room[60000];
    size_t len = strlen(text);
    for (size_t i = 0; i < count; i++)
        memcpy(room + i * len, text, len);
    room[count * len] = '\0';
    return room;
}

TEST(a_field_that_is_repeated_is_kept_once)
{
    program_len = 0;
    part('F', 'q', "referer");
    part('L', 'q', "|");
    part('F', 'q', "x");
    open_logged(NULL, 0);
    char fields[10000], value[86];
    (void)snprintf(value, sizeof value, "%085d", 0);
    size_t len = 0;
    for (int i = 0; i < 97; i++)
        len += (size_t)snprintf(fields + len, sizeof fields - len, "Referer: %s\r\n%s", value,
                                i == 50 ? "X: y\r\n" : "");
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", fields);
    const fw_access *kept = fw__table_find(&here.worker->table, id)->request.access;
    NOTE("%zu bytes of %zu", kept->text.size, len);
    CHECK(kept->text.size <= 16384 && fw_buffer_len(&kept->text) <= len);
    CHECK(respond(&here, id, "200 OK", "") >= 0);
    test_reply got = {0};
    CHECK(client_reply(&here, &one, &got));
    reply_free(&got);
    const char *line = log_read();
    CHECK(memcmp(line, value, 85) == 0 && memcmp(line + 85, ", 0", 3) == 0);
    CHECK(strlen(line) == 8192 + strlen("\\...|y\n") && strcmp(line + 8192, "\\...|y\n") == 0);
    close_logged();
}

TEST(a_long_line_is_cut_with_a_mark_and_never_left_out)
{
    const char ways[] = {'q', 'n', 'j'};
    const char *marks[] = {"\\...", "\\...", "\\u2026"};
    const char *quotes[] = {"\\x22", "\\x22", "\\\""};
    for (int i = 0; i < 3; i++) {
        format("uru", ways[i]);
        part('F', ways[i], "x");
        part('L', 'q', "|");
        part('s', 'q', "");
        open_logged(NULL, 0);
        char line[9000], fields[9000];
        (void)snprintf(line, sizeof line, "GET /%s HTTP/1.1", repeat("\"", 8000));
        (void)snprintf(fields, sizeof fields, "X: %s\r\n", repeat("\"", 8000));
        for (int n = 0; n < 20; n++)
            exchange(line, fields, "200 OK", "");
        const char *at = log_read();
        char end[64];
        (void)snprintf(end, sizeof end, "%s%s|200\n", quotes[i], marks[i]);
        size_t lines = 0;
        for (const char *next; (next = strchr(at, '\n')) != NULL; at = next + 1) {
            size_t size = (size_t)(next + 1 - at);
            CHECK(size <= FW_LOG_BLOCK && size > strlen(end));
            CHECK(memcmp(next + 1 - strlen(end), end, strlen(end)) == 0);
            lines++;
        }
        NOTE("%zu lines", lines);
        CHECK(lines == 20);
        close_logged();
    }
}

TEST(a_value_of_the_full_length_has_no_mark)
{
    open_logged("u", 'q');
    char line[9000], expected[9000];
    (void)snprintf(line, sizeof line, "GET /%s HTTP/1.1", repeat("a", 8191));
    (void)snprintf(expected, sizeof expected, "/%s\n", repeat("a", 8191));
    exchange(line, "", "200 OK", "");
    CHECK(log_is(expected));
    close_logged();
}

TEST(a_format_beyond_every_measure_still_leaves_a_line)
{
    static char text[60000];
    memset(text, '-', sizeof text - 1);
    program_len = 0;
    part('L', 'q', text);
    for (int i = 0; i < 120; i++)
        part('u', 'q', "");
    part('L', 'q', text);
    open_logged(NULL, 0);
    exchange("GET / HTTP/1.1", "", "200 OK", "");
    const char *line = log_read();
    CHECK(strlen(line) == FW_LOG_BLOCK);
    CHECK(strcmp(line + FW_LOG_BLOCK - 5, "\\...\n") == 0);
    close_logged();
}

TEST(what_a_crowd_of_requests_took_is_given_back)
{
    enum { COUNT = 200 };
    static test_client crowd[COUNT];
    open_logged("u", 'q');
    for (int i = 0; i < COUNT; i++) {
        client_open(&here, &crowd[i]);
        client_ask(&here, &crowd[i], "POST / HTTP/1.1", "Content-Length: 5\r\n");
    }
    uint64_t end = clock_ms() + SOON_MS;
    while (here.score.bytes_in < COUNT * 40 && clock_ms() < end)
        CHECK(site_take(&here, 5) == NULL);
    for (int i = 0; i < COUNT; i++)
        client_close(&crowd[i]);
    while (here.score.connections > 1 && clock_ms() < end)
        CHECK(site_take(&here, 5) == NULL);
    NOTE("%u records wait", here.worker->access_log->free_count);
    CHECK(here.worker->access_log->free_count == 64);
    close_logged();
}

TEST(no_byte_of_a_client_ends_a_line_or_a_field)
{
    const char *fields = "X: a\"b\\c\td \xe9,;|\r\n";
    const char ways[] = {'q', 'n', 'j'};
    const char *expected[] = {"a\\x22b\\x5cc\\x09d \\xe9,;|\n",
                              "a\\x22b\\x5cc\\x09d\\x20\\xe9\\x2c\\x3b\\x7c\n",
                              "a\\\"b\\\\c\\u0009d \\u00e9,;|\n"};
    for (int i = 0; i < 3; i++) {
        program_len = 0;
        part('F', ways[i], "x");
        open_logged(NULL, 0);
        exchange("GET / HTTP/1.1", fields, "200 OK", "");
        CHECK(log_is(expected[i]));
        close_logged();
    }
}

TEST(what_is_missing_is_a_dash_but_nothing_in_json)
{
    program_len = 0;
    part('F', 'n', "x");
    part('L', 'q', "=");
    part('F', 'j', "x");
    part('L', 'q', "=");
    part('r', 'n', "");
    open_logged(NULL, 0);
    exchange("GET / HTTP/1.1", "", "200 OK", "");
    CHECK(log_is("-==GET\\x20/\\x20HTTP/1.1\n"));
    close_logged();
}

TEST(a_client_that_a_proxy_tells_of_is_told_instead_of_the_peer)
{
    static const char named[] = "192.0.2.7\n ";
    open_logged("Ca", 'n');
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(fw_name_client(here.worker, id, named, sizeof named - 1) == 0);
    CHECK(fw_name_client(here.worker, id, "6.6.6.6", 7) == 0); /* the first counts */
    CHECK(respond(&here, id, "200 OK", "") >= 0);
    test_reply got = {0};
    CHECK(client_reply_to(&here, &one, false, &got));
    reply_free(&got);
    CHECK(fw_name_client(here.worker, id, named, sizeof named - 1) == FW_ESTATE);
    CHECK(fw_name_client(NULL, id, named, sizeof named - 1) == FW_ETHREAD);
    exchange("GET / HTTP/1.1", "", "200 OK", ""); /* the next one on the connection is nobody's */
    CHECK(log_is("192.0.2.7\\x0a\\x20 127.0.0.1\n127.0.0.1 127.0.0.1\n"));
    close_logged();
}

TEST(a_refused_head_is_told_by_its_first_line)
{
    test_reply got = {0};
    open_logged("rsbc", 'q');
    client_say(&here, &one, "GET / HTTP/1.1\r\nHost: a\r\nBad\x01: x\r\n\r\n");
    CHECK(client_reply(&here, &one, &got) && got.status == 400);
    char expected[128];
    (void)snprintf(expected, sizeof expected, "GET / HTTP/1.1 400 %zu whole\n", got.content_len);
    CHECK(client_sees_end(&here, &one) && log_is(expected));
    reply_free(&got);
    close_logged();
}

TEST(a_refused_content_is_told_with_its_request)
{
    open_logged("muvsc", 'q');
    client_ask(&here, &one, "POST /up HTTP/1.1", "Content-Length: 99999999\r\n");
    CHECK(client_gets(&here, &one, " 413 "));
    CHECK(log_is("POST /up HTTP/1.1 413 whole\n"));
    close_logged();
}

TEST(a_client_that_leaves_before_its_response_is_499)
{
    open_logged("usc", 'q');
    client_ask(&here, &one, "POST /up HTTP/1.1", "Content-Length: 10\r\n");
    CHECK(site_quiet(&here));
    client_reset(&one);
    for (int i = 0; i < 100 && fw_open_connections(here.worker); i++)
        site_poll(&here, 10);
    CHECK(log_is("/up 499 cut\n"));
    close_logged();
}

TEST(a_response_that_nobody_was_there_for_is_499)
{
    open_logged("usbc", 'q');
    int64_t id = client_request(&here, &one, "GET /slow HTTP/1.1", "");
    client_reset(&one);
    (void)respond(&here, id, "200 OK", "hello");
    for (int i = 0; i < 100 && fw_open_connections(here.worker); i++)
        site_poll(&here, 10);
    CHECK(log_is("/slow 499 0 cut\n"));
    close_logged();
}

TEST(a_response_that_is_cut_keeps_its_status)
{
    open_logged("usbc", 'q');
    int64_t id = client_request(&here, &one, "GET /s HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n10") == 0);
    CHECK(send_piece(&here, id, "hello") == 0);
    CHECK(fw_abort(here.worker, id) == 0);
    client_close(&one);
    client_open(&here, &one);
    id = client_request(&here, &one, "GET /e HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n10") == 0);
    CHECK(send_piece(&here, id, "hello") == 0 && fw_end(here.worker, id) == FW_NOTE_SHORT);
    client_close(&one);
    client_open(&here, &one);
    id = client_request(&here, &one, "GET /f HTTP/1.1", "");
    CHECK(fw_abort(here.worker, id) == 0);
    CHECK(log_is("/s 200 5 cut\n/e 200 5 cut\n/f 500 0 cut\n"));
    close_logged();
}

TEST(interim_responses_and_heads_are_no_content)
{
    open_logged("ub", 'q');
    client_ask(&here, &one, "PUT /p HTTP/1.1", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    CHECK(client_gets(&here, &one, "100 Continue\r\n\r\n"));
    client_say(&here, &one, "abc");
    int64_t id = site_request(&here)->id;
    CHECK(fw_inform(here.worker, id, "103 Early Hints\nLink\n</a>", 25, 3) == 0);
    CHECK(respond(&here, id, "200 OK", "four") == 0);
    CHECK(client_gets(&here, &one, "four"));
    CHECK(log_is("/p 4\n"));
    close_logged();
}

TEST(responses_held_back_for_one_write_count_their_own_bytes)
{
    open_logged("ub", 'q');
    client_say(&here, &one, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "1") == 0);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "two") == 0);
    CHECK(client_gets(&here, &one, "two"));
    CHECK(log_is("/1 1\n/2 3\n"));
    close_logged();
}

TEST(a_large_response_that_is_left_unread_tells_what_was_sent)
{
    static char large[8 << 20];
    memset(large, 'x', sizeof large);
    open_logged("usbc", 'q');
    int64_t id = client_request(&here, &one, "GET /l HTTP/1.1", "");
    int64_t rest = respond_n(&here, id, "200 OK", large, sizeof large);
    CHECK(rest > 0);
    CHECK(fw_abort(here.worker, id) == 0);
    char expected[64];
    (void)snprintf(expected, sizeof expected, "/l 200 %lld cut\n",
                   (long long)((int64_t)sizeof large - rest));
    CHECK(log_is(expected));
    close_logged();
}

TEST(time_and_process_are_told)
{
    open_logged("tiedP", 'q');
    exchange("GET / HTTP/1.1", "", "200 OK", "");
    int day, year, hour, minute, second, pid;
    unsigned long long wall, wall_ms, took, took_ms;
    char month[8], zone[8], iso[40];
    CHECK(sscanf(log_read(), "%d/%3s/%d:%d:%d:%d %5s %39s %llu.%3llu %llu.%3llu %d", &day, month,
                 &year, &hour, &minute, &second, zone, iso, &wall, &wall_ms, &took, &took_ms,
                 &pid) == 13);
    CHECK(pid == (int)getpid() && took == 0 && year > 2000 && strlen(zone) == 5);
    CHECK(strlen(iso) == 25 && iso[10] == 'T' && iso[22] == ':');
    CHECK(wall <= (unsigned long long)time(NULL) && wall + 100 > (unsigned long long)time(NULL));
    close_logged();
}

/* ---- How it is written ------------------------------------------------------------------------------ */

TEST(a_line_is_written_within_a_second_whatever_the_caller_does)
{
    open_logged("u", 'q');
    exchange("GET /soon HTTP/1.1", "", "200 OK", "");
    struct stat status = {.st_size = 0};
    uint64_t end = clock_ms() + SOON_MS;
    while (stat(path, &status) == 0 && status.st_size == 0 && clock_ms() < end)
        (void)poll(NULL, 0, 10); /* the worker's thread is away */
    CHECK(status.st_size == 6 && clock_ms() < end - SOON_MS + 2 * FW_LOG_WAIT_MS);
    close_logged();
}

TEST(a_log_opened_anew_takes_the_lines_that_follow)
{
    open_logged("u", 'q');
    exchange("GET /1 HTTP/1.1", "", "200 OK", "");
    CHECK(log_is("/1\n"));
    (void)unlink(path);
    CHECK(fw_set_access_log(here.worker, new_file()) == 0);
    exchange("GET /2 HTTP/1.1", "", "200 OK", "");
    CHECK(log_is("/2\n"));
    close_logged();
}

static size_t lines_in(int fd)
{
    static char room[1 << 16];
    size_t lines = 0;
    for (ssize_t len; (len = read(fd, room, sizeof room)) > 0;)
        for (ssize_t i = 0; i < len; i++)
            lines += room[i] == '\n';
    return lines;
}

/* One response; how many lost lines were told before it. */
static uint64_t respond_and_hear(const char *line)
{
    uint64_t lost = 0;
    client_ask(&here, &one, line, "");
    const test_record *record = site_take(&here, SOON_MS);
    while (record && record->kind == FW_LOG_LOST) {
        lost += (uint64_t)record->id;
        record = site_take(&here, SOON_MS);
    }
    if (CHECK(record && is_request(record)))
        CHECK(respond(&here, record->id, "200 OK", "") == 0);
    return lost;
}

TEST(a_pipe_that_nobody_reads_costs_lines_and_no_response)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    site_open(&here, NULL);
    client_open(&here, &one);
    format("u", 'q');
    log_to(ends[1]);
    char line[9000];
    (void)snprintf(line, sizeof line, "GET /%0*d HTTP/1.1", 8000, 0);
    uint64_t told = 0;
    for (int i = 0; i < 600; i++) /* 4.8 MB, above the pipe's 64 KB and twice 2 MB in memory */
        told += respond_and_hear(line);
    CHECK(here.score.responses == 600);
    size_t lines = 0;
    int flags = fcntl(ends[0], F_GETFL);
    CHECK(fcntl(ends[0], F_SETFL, flags | O_NONBLOCK) == 0);
    uint64_t end = clock_ms() + SOON_MS;
    while (lines + told < here.score.responses && clock_ms() < end) {
        const test_record *record = site_take(&here, 5);
        if (record && CHECK(record->kind == FW_LOG_LOST))
            told += (uint64_t)record->id;
        lines += lines_in(ends[0]);
    }
    NOTE("%zu lines, %llu told as lost", lines, (unsigned long long)told);
    CHECK(told > 0 && lines + told == here.score.responses);
    client_close(&one);
    site_close(&here);
    char room[8];
    CHECK(read(ends[0], room, sizeof room) == 0);
    close(ends[0]);
}

TEST(a_full_disk_is_told_once_it_is_over)
{
    int full = open("/dev/full", O_WRONLY);
    if (full < 0)
        return; /* Linux and NetBSD have it */
    site_open(&here, NULL);
    client_open(&here, &one);
    format("u", 'q');
    log_to(full);
    exchange("GET /1 HTTP/1.1", "", "200 OK", "");
    exchange("GET /2 HTTP/1.1", "", "200 OK", "");
    CHECK(fw_flush_access_log(here.worker) == 2);
    CHECK(fw_set_access_log(here.worker, new_file()) == 0);
    exchange("GET /3 HTTP/1.1", "", "200 OK", "");
    CHECK(log_is("/3\n"));
    site_expect(&here, FW_LOG_LOST, 2);
    close_logged();
}

TEST(to_a_datagram_socket_each_line_goes_by_itself)
{
    int ends[2];
    char room[64];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    site_open(&here, NULL);
    client_open(&here, &one);
    format("u", 'q');
    log_to(ends[1]);
    exchange("GET /1 HTTP/1.1", "", "200 OK", "");
    exchange("GET /22 HTTP/1.1", "", "200 OK", "");
    CHECK(fw_flush_access_log(here.worker) == 0);
    CHECK(recv(ends[0], room, sizeof room, 0) == 2 && memcmp(room, "/1", 2) == 0);
    CHECK(recv(ends[0], room, sizeof room, 0) == 3 && memcmp(room, "/22", 3) == 0);
    client_close(&one);
    site_close(&here);
    close(ends[0]);
}

TEST(a_datagram_that_is_too_long_is_cut)
{
    int ends[2], small = 4096;
    static char line[20000], got[20000];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    CHECK(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    fw_log_writer *writer = fw_log_writer_new(ends[1]);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    fw_log_writer_add(writer, line, sizeof line);
    fw_log_writer_add(writer, "no line feed", 12);
    CHECK(fw_log_writer_flush(writer) == 0);
    ssize_t len = recv(ends[0], got, sizeof got, 0);
    NOTE("%zd bytes", len);
    CHECK(len > 1000 && memcmp(got + len - 5, "x\\...", 5) == 0);
    CHECK(recv(ends[0], got, sizeof got, 0) == 12 && memcmp(got, "no line feed", 12) == 0);
    CHECK(fw_log_writer_flush(writer) == 0); /* on a slow machine the first may have given up */
    fw_log_writer_free(writer);
    close(ends[0]);
}

TEST(what_is_no_program_is_refused)
{
    site_open(&here, NULL);
    CHECK(fw_set_access_log(here.worker, 1) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "Xq\0\0", 4) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "ax\0\0", 4) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "aq\0", 3) == FW_ESTATE);
    CHECK(fw_set_access_format(here.worker, "Lq\0\5four", 8) == FW_ESTATE);
    char text[16];
    program_len = 0;
    for (int i = 0; i < 33; i++) {
        (void)snprintf(text, sizeof text, "x%d", i);
        part('F', 'q', text);
    }
    CHECK(fw_set_access_format(here.worker, program, program_len) == FW_EFULL);
    CHECK(fw_set_access_format(here.worker, "aq\0\0", 4) == 0);
    CHECK(fw_set_access_format(here.worker, "aq\0\0", 4) == FW_ESTATE);
    site_close(&here);
}
