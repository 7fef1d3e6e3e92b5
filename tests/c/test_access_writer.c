/* test_access_writer.c -- how the access log is written: late, in part or not at all, and nobody waits for it. */
#include "access_site.h"

#include <poll.h>

/* ---- How it is written ------------------------------------------------------------------------------ */

TEST(a_line_is_written_within_a_second_whatever_the_caller_does)
{
    open_logged("u", 'q');
    exchange("GET /soon HTTP/1.1", "", "200 OK", "");
    struct stat status = {.st_size = 0};
    uint64_t end = clock_ms() + SOON_MS, start = awake_ms(0);
    while (stat(path, &status) == 0 && status.st_size == 0 && clock_ms() < end) {
        (void)poll(NULL, 0, 10); /* the worker's thread is away */
        (void)awake_ms(10);
    }
    CHECK(status.st_size == 6 && awake_ms(0) - start < 2 * FW_LOG_WAIT_MS);
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
    CHECK(log_flush() == 2);
    CHECK(fw_set_access_log(here.worker, new_file()) == 0);
    exchange("GET /3 HTTP/1.1", "", "200 OK", "");
    CHECK(log_is("/3\n"));
    CHECK(!site_quiet(&here)); /* the next poll tells; nothing happens that would end its wait */
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
    CHECK(log_flush() == 0);
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
    for (uint64_t end = clock_ms() + SOON_MS; fw_log_writer_flush(writer) > 0 && clock_ms() < end;)
        continue; /* each waits for FW_LOG_FINAL_MS */
    ssize_t len = recv(ends[0], got, sizeof got, 0);
    NOTE("%zd bytes", len);
    CHECK(len > 1000 && memcmp(got + len - 5, "x\\...", 5) == 0);
    CHECK(recv(ends[0], got, sizeof got, 0) == 12 && memcmp(got, "no line feed", 12) == 0);
    CHECK(fw_log_writer_flush(writer) == 0);
    fw_log_writer_free(writer);
    close(ends[0]);
}
