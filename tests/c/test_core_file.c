/* test_core_file.c -- content that comes out of a file. */
#include <signal.h>
#include <sys/wait.h>

#include "core_reply.h"

#define SIZE (5u << 20) /* more than a socket takes at once, and more than one turn */

static test_site here;
static test_client one;
static test_reply got;
static char bytes[SIZE + 1];
static int file;

static void open_with(void (*open)(test_site *, test_client *))
{
    char path[] = "/tmp/fapws-test-XXXXXX";
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + i % 23);
    file = mkstemp(path);
    CHECK(file >= 0 && unlink(path) == 0 && write(file, bytes, SIZE) == SIZE);
    site_open(&here, NULL);
    open(&here, &one);
}

static void close_both(void)
{
    reply_free(&got);
    client_close(&one);
    site_close(&here);
    close(file);
}

static int64_t begin_sized(int64_t id, const char *head, uint64_t size)
{
    return fw_begin_sized(here.worker, id, head, strlen(head), count_fields(head), size);
}

/* Gives count bytes from offset on as the core takes them, while the client reads step at a time.
 * Returns what the last call said. */
static int64_t send_file(int64_t id, size_t offset, size_t count, size_t step)
{
    uint64_t end = clock_ms() + SOON_MS; /* of standing still */
    int64_t rest = fw_send_file(here.worker, id, file, (int64_t)offset, count);
    while (rest > 0 && rest <= (int64_t)count && clock_ms() < end) {
        if (client_read(&one, step))
            end = clock_ms() + SOON_MS;
        const test_record *record = site_take(&here, 1);
        if (!record)
            continue;
        CHECK(record->kind == FW_WRITABLE && record->id == id);
        rest = fw_send_file(here.worker, id, file, (int64_t)(offset + count) - rest, (size_t)rest);
        site_forget(&here);
    }
    return rest;
}

static void check_content(size_t offset, size_t size)
{
    CHECK(client_reply(&here, &one, &got) && got.content_len == size);
    CHECK(memcmp(got.content, bytes + offset, size) == 0);
}

TEST(a_file_is_sent_whole_to_any_reader)
{
    void (*const opens[])(test_site *, test_client *) = {client_open, client_open_slow,
                                                         client_open_unix};
    for (size_t i = 0; i < 3; i++) {
        open_with(opens[i]);
        int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
        CHECK(begin_sized(id, "200 OK", SIZE) == 0);
        CHECK(send_file(id, 0, SIZE, 100000) == 0 && fw_end(here.worker, id) == 0);
        check_content(0, SIZE);
        CHECK(got.length == SIZE && lseek(file, 0, SEEK_CUR) == SIZE);
        CHECK(here.score.responses == 1 && here.score.bytes_out == one.len);
        id = client_request(&here, &one, "GET / HTTP/1.1", "");
        CHECK(respond(&here, id, "200 OK", "after") == 0);
        CHECK(client_reply_is(&here, &one, 200, "after"));
        close_both();
    }
}

TEST(a_part_of_a_file_may_stand_between_other_pieces)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin_sized(id, "200 OK", 12) == 0 && send_piece(&here, id, "<") == 0);
    CHECK(send_file(id, 1000000, 10, SIZE_MAX) == 0 && send_piece(&here, id, ">") == 0);
    CHECK(send_file(id, 0, 0, SIZE_MAX) == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply(&here, &one, &got) && got.content_len == 12);
    CHECK(got.content[0] == '<' && memcmp(got.content + 1, bytes + 1000000, 10) == 0);
    CHECK(got.content[11] == '>');
    close_both();
}

TEST(a_file_ends_at_the_length_of_the_response)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK\nContent-Length\n1000") == 0);
    CHECK(send_file(id, 5, SIZE - 5, SIZE_MAX) == 0 && fw_end(here.worker, id) == 0);
    check_content(5, 1000);
    id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin_sized(id, "200 OK\nContent-Length\n3", 1000) == 0);
    CHECK(send_file(id, 7, 1000, SIZE_MAX) == 0 && fw_end(here.worker, id) == 0);
    check_content(7, 3);
    close_both();
}

TEST(no_file_follows_a_head_without_content)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "HEAD / HTTP/1.1", "");
    CHECK(begin_sized(id, "200 OK", SIZE) == FW_NOTE_NO_CONTENT);
    CHECK(send_file(id, 0, SIZE, SIZE_MAX) == FW_NOTE_NO_CONTENT && fw_end(here.worker, id) == 0);
    CHECK(client_reply_to(&here, &one, true, &got) && got.length == SIZE);
    CHECK(site_quiet(&here) && client_read(&one, SIZE_MAX) == 0);
    close_both();
}

TEST(a_chunked_response_takes_no_file)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin(&here, id, "200 OK") == 0);
    CHECK(fw_send_file(here.worker, id, file, 0, 10) == FW_ESTATE);
    CHECK(send_piece(&here, id, "ok") == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply_is(&here, &one, 200, "ok"));
    CHECK(fw_send_file(here.worker, id, file, 0, 10) == FW_ESTATE);
    CHECK(fw_send_file(here.worker, 999, file, 0, 10) == FW_EGONE);
    close_both();
}

TEST(an_old_client_gets_a_file_until_the_connection_ends)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.0", "");
    CHECK(begin(&here, id, "200 OK") == 0 && send_file(id, 0, SIZE, SIZE_MAX) == 0);
    CHECK(fw_end(here.worker, id) == 0);
    check_content(0, SIZE);
    CHECK(one.ended && !one.reset);
    close_both();
}

TEST(a_file_that_is_shorter_than_said_is_told_and_what_went_out_is_counted)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin_sized(id, "200 OK", SIZE + 10) == 0);
    CHECK(send_file(id, 10, SIZE + 10, SIZE_MAX) == FW_ETRUNCATED);
    CHECK(fw_send_file(here.worker, id, file, SIZE + 5, 20) == FW_ETRUNCATED);
    CHECK(fw_abort(here.worker, id) == 0);
    CHECK(client_sees_end(&here, &one) && here.score.bytes_out == one.len);
    close_both();
}

/* "Negative: nothing was sent": a caller may fill up what the file lacks, if the rest is right. */
TEST(a_file_that_ends_within_a_turn_gives_its_bytes_first)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin_sized(id, "200 OK", 15) == 0);
    CHECK(fw_send_file(here.worker, id, file, SIZE - 10, 15) == 5);
    CHECK(fw_send_file(here.worker, id, file, SIZE, 5) == FW_ETRUNCATED);
    CHECK(send_piece(&here, id, "12345") == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply(&here, &one, &got) && got.content_len == 15);
    CHECK(memcmp(got.content, bytes + SIZE - 10, 10) == 0);
    CHECK(strcmp(got.content + 10, "12345") == 0);
    close_both();
}

TEST(what_is_no_file_is_told)
{
    open_with(client_open);
    int ends[2];
    CHECK(pipe(ends) == 0);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin_sized(id, "200 OK", 10) == 0);
    int64_t code = fw_send_file(here.worker, id, ends[0], 0, 10);
    NOTE("code %d", (int)code);
    CHECK(code == FW_ESYSTEM);
    code = fw_send_file(here.worker, id, -1, 0, 10);
    NOTE("code %d", (int)code);
    CHECK(code == FW_ESYSTEM && fw_open_connections(here.worker) == 1);
    CHECK(fw_abort(here.worker, id) == 0);
    close(ends[0]);
    close(ends[1]);
    close_both();
}

/* sendfile() cannot be told to keep SIGPIPE to itself: the process ignores it, as Python does. */
TEST(a_client_that_leaves_a_file_is_gone_and_nothing_else_happens)
{
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    for (int reset = 0; reset < 2; reset++) {
        open_with(client_open);
        int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
        CHECK(begin_sized(id, "200 OK", SIZE) == 0);
        if (reset) {
            client_reset(&one);
        } else {
            close(one.fd);
            one.fd = -1;
        }
        int64_t code = 0;
        for (int i = 0; i < 100 && code >= 0; i++)
            code = fw_send_file(here.worker, id, file, 0, SIZE);
        CHECK(code == FW_EGONE && fw_open_connections(here.worker) == 0);
        close_both();
    }
}

TEST(a_file_goes_out_after_the_responses_held_before_it)
{
    open_with(client_open);
    client_say(&here, &one,
               "GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "/0") == 0);
    int64_t id = site_request(&here)->id;
    CHECK(begin_sized(id, "200 OK", SIZE) == 0 && send_file(id, 0, SIZE, SIZE_MAX) == 0);
    CHECK(fw_end(here.worker, id) == 0);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "/2") == 0);
    CHECK(client_reply_is(&here, &one, 200, "/0"));
    check_content(0, SIZE);
    CHECK(client_reply_is(&here, &one, 200, "/2"));
    close_both();
}

#define TURN 1048576 /* response_file.c */

/* In a process of its own, so that the kernel finds a reader whenever it likes. */
static pid_t fork_reader(const struct sockaddr_in *address)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    pid_t child = fork();
    if (child)
        return child;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) ||
        send(fd, request, sizeof request - 1, 0) < 0)
        _exit(1);
    size_t all = 0;
    for (ssize_t len = 1; len > 0; all += (size_t)len)
        if ((len = recv(fd, bytes, sizeof bytes, 0)) < 0)
            _exit(2);
    _exit(all > 64 * (size_t)TURN ? 0 : 3);
}

/* Without a wait for the socket, but others come first, as ever. */
TEST(a_file_that_the_kernel_takes_goes_on_in_the_next_poll_with_others_between)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int listener = socket(AF_INET, SOCK_STREAM, 0); /* with the system's own buffers, which grow */
    CHECK(bind(listener, (struct sockaddr *)&any, sizeof any) == 0 && listen(listener, 8) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&any, &len) == 0);
    open_with(client_open);
    CHECK(ftruncate(file, 64 * TURN) == 0 && fw_listen(here.worker, listener) == 2);
    pid_t child = fork_reader(&any);
    int64_t id = site_request(&here)->id;
    CHECK(begin_sized(id, "200 OK", 64 * TURN) == 0);
    int64_t rest = 64 * TURN;
    for (uint64_t end = clock_ms() + SOON_MS; rest > 0 && clock_ms() < end;) {
        int64_t before = rest;
        rest = fw_send_file(here.worker, id, file, 64 * TURN - rest, (size_t)rest);
        CHECK(rest >= 0);
        if (rest < before)
            end = clock_ms() + SOON_MS;
        if (rest <= 0 || before - rest < TURN) {
            while (rest > 0 && clock_ms() < end && site_poll(&here, 10) == 0)
                continue;
        } else {
            client_ask(&here, &one, "GET /between HTTP/1.1", "");
            site_poll(&here, 0);
        }
        bool writable = rest <= 0;
        while (here.first) {
            const test_record *record = site_take(&here, 0);
            writable |= record->kind == FW_WRITABLE && record->id == id;
            if (is_request(record))
                CHECK(respond(&here, record->id, "200 OK", "") == 0);
        }
        CHECK(writable);
        site_forget(&here);
    }
    CHECK(rest == 0 && fw_end(here.worker, id) == 0);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    client_read(&one, SIZE_MAX);
    CHECK(here.score.responses == count_text(one.data, "HTTP/1.1 200 OK") + 1);
    close_both();
}

static int64_t respond_file(int64_t id, const char *head, int64_t offset, size_t size)
{
    return fw_respond_file(here.worker, id, head, strlen(head), count_fields(head), file, offset,
                           size);
}

TEST(a_small_file_and_its_head_are_one_response)
{
    static const size_t sizes[] = {0, 1, 4096, 65536};
    void (*const opens[])(test_site *, test_client *) = {client_open, client_open_slow};
    for (size_t i = 0; i < 2; i++) {
        open_with(opens[i]);
        for (size_t one_size = 0; one_size < 4; one_size++) {
            int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
            CHECK(respond_file(id, "200 OK", 100, sizes[one_size]) == 0);
            CHECK(respond_file(id, "200 OK", 100, 1) == FW_ESTATE);
            check_content(100, sizes[one_size]);
        }
        CHECK(lseek(file, 0, SEEK_CUR) == SIZE && here.score.responses == 4);
        close_both();
    }
}

TEST(a_small_file_that_cannot_be_read_leaves_the_request_as_it_was)
{
    open_with(client_open);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(respond_file(id, "200 OK", 0, FW_FILE_WHOLE + 1) == FW_ESTATE);
    CHECK(respond_file(id, "200 OK\nA\nb\x01", 0, 10) == FW_EVALUE);
    int readable = file;
    file = -1;
    CHECK(respond_file(id, "200 OK", 0, 10) == FW_ESYSTEM);
    CHECK(respond_file(id + 1, "200 OK", 0, 10) == FW_EGONE);
    file = readable;
    CHECK(respond_file(id, "200 OK\nContent-Length\n10", SIZE - 3, 10) == FW_NOTE_SHORT);
    CHECK(client_sees_end(&here, &one) && memcmp(one.data + one.len - 3, bytes + SIZE - 3, 3) == 0);
    close_both();
}
