/* test_core_static.c -- descriptors of files that are kept: connections, and content on its way in, come first. */
#include "core_reply.h"
#include "frozen_clock.h"

#include <sys/resource.h>
#if defined(__linux__)
#include <sys/sendfile.h>
#endif
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#define LARGE 20000 /* bytes of a file that is kept with its descriptor */

static test_site here;
static test_client one, two;
static char top[32];

static void make_file(const char *name)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", top, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && ftruncate(fd, LARGE) == 0 && close(fd) == 0);
}

static void (*afterwards)(
    void); /* called when bytes of a file have been taken; NULL: nobody writes to it */

/* The ones that the core calls, this or that by the system. */
ssize_t pread(int fd, void *to, size_t size, off_t at)
{
    struct iovec piece = {to, size};
    ssize_t got = preadv(fd, &piece, 1, at);
    if (afterwards)
        afterwards();
    return got;
}

#if defined(__linux__)
ssize_t sendfile(int to, int from, off_t *at, size_t size)
{
    char bytes[LARGE];
    ssize_t got = pread(from, bytes, size < sizeof bytes ? size : sizeof bytes, *at);
    ssize_t sent = got > 0 ? send(to, bytes, (size_t)got, MSG_NOSIGNAL) : got;
    if (sent > 0)
        *at += sent;
    return sent;
}
#endif

/* Files are kept from three seconds after their last change on: these have passed, by the clock that stamps files. */
static void let_it_settle(void)
{
    char path[64];
    struct stat known;
    (void)snprintf(path, sizeof path, "%s/large", top);
    CHECK(stat(path, &known) == 0);
    frozen = known.st_mtim;
    frozen.tv_sec += 3;
}

static void open_site(fw_settings *settings, uint64_t budget)
{
    (void)snprintf(top, sizeof top, "/tmp/fapws-static-XXXXXX");
    CHECK(mkdtemp(top) != NULL);
    make_file("large");
    settings->static_cache = budget;
    site_open(&here, settings);
    int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fw_folder_rules rules = {.cache_control = "", .immutable = "", .types = ""};
    CHECK(fw_serve_folder(here.worker, "/f", 2, fd, &rules) == 0);
    client_open(&here, &one);
    let_it_settle();
    client_ask(&here, &one, "GET /f/large HTTP/1.1", "");
    test_reply reply = {0};
    CHECK(client_reply(&here, &one, &reply) && reply.status == 200);
    reply_free(&reply);
}

static void close_site(void)
{
    char path[64];
    client_close(&one);
    client_close(&two);
    site_close(&here);
    (void)snprintf(path, sizeof path, "%s/large", top);
    CHECK(unlink(path) == 0 && rmdir(top) == 0);
    frozen.tv_sec = 0;
}

static int taken[200];
static int taken_count;
static struct rlimit before;

static void take_descriptors(void)
{
    struct rlimit few;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = 100;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    while (taken_count < 200 && (taken[taken_count] = dup(0)) >= 0)
        taken_count++;
    CHECK(errno == EMFILE);
}

static void give_descriptors_back(void)
{
    while (taken_count)
        close(taken[--taken_count]);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

TEST(a_client_is_accepted_with_the_descriptor_of_a_kept_file)
{
    fw_settings settings = settings_usual();
    open_site(&settings, 1 << 20);
    client_open(&here, &two);
    take_descriptors();
    client_ask(&here, &two, "GET / HTTP/1.1", "");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &two, 200, "x"));
    give_descriptors_back();
    close_site();
}

TEST(content_is_received_with_the_descriptor_of_a_kept_file)
{
    static char content[50000];
    fw_settings settings = settings_usual();
    settings.memory_body = 1000;
    open_site(&settings, 1 << 20);
    client_open(&here, &two);
    client_ask(&here, &two, "GET / HTTP/1.1", "");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &two, 200, "x"));
    take_descriptors();
    client_announce(&here, &two, sizeof content);
    memset(content, 'c', sizeof content);
    CHECK(client_push(&here, &two, content, sizeof content));
    const test_record *request = site_request(&here);
    CHECK(request->content == FW_SPOOLED);
    CHECK(respond(&here, request->id, "200 OK", "y") == 0);
    CHECK(client_reply_is(&here, &two, 200, "y"));
    give_descriptors_back();
    close_site();
}

#if defined(__linux__) || defined(FW_PORTABLE)

static void change_large(void)
{
    char path[64];
    const struct timespec times[2] = {{1000, 0}, {1000, 5}};
    (void)snprintf(path, sizeof path, "%s/large", top);
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

/* All bytes are with the kernel: only RST keeps the client from taking them for the file. */
TEST(a_file_that_changed_while_its_last_piece_was_taken_is_reset)
{
    fw_settings settings = settings_usual();
    open_site(&settings, 1 << 20);
    client_open(&here, &two);
    client_ask(&here, &two, "GET /f/large HTTP/1.1", "");
    afterwards = change_large;
    uint64_t end = clock_ms() + SOON_MS;
    while (!two.ended && clock_ms() < end)
        pump(&here, &two);
    afterwards = NULL;
    CHECK(two.reset);
    close_site();
}

#endif

TEST(a_file_without_a_descriptor_left_is_503_and_later_is_there_again)
{
    fw_settings settings = settings_usual();
    test_reply reply = {0};
    open_site(&settings, 0); /* nothing is kept, so nothing can be given back */
    client_open(&here, &two);
    client_ask(&here, &two, "GET / HTTP/1.1", "");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &two, 200, "x"));
    take_descriptors();
    client_ask(&here, &one, "GET /f/large HTTP/1.1", "");
    CHECK(client_reply_is(&here, &one, 503, "503 Service Unavailable\n"));
    give_descriptors_back();
    client_ask(&here, &two, "GET /f/large HTTP/1.1", "");
    CHECK(client_reply(&here, &two, &reply) && reply.status == 200);
    reply_free(&reply);
    close_site();
}

/* What is written within one tick of the clock leaves a file its time. */
static void write_within_the_tick(const struct timespec *time)
{
    char path[64], bytes[LARGE];
    const struct timespec times[2] = {*time, *time};
    (void)snprintf(path, sizeof path, "%s/large", top);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    memset(bytes, 'n', sizeof bytes);
    CHECK(fd >= 0 && write(fd, bytes, sizeof bytes) == LARGE);
    CHECK(futimens(fd, times) == 0 && close(fd) == 0);
}

TEST(a_file_that_changed_within_the_tick_is_sent_when_that_is_over)
{
    fw_settings settings = settings_usual();
    struct stat known;
    test_reply reply = {0};
    open_site(&settings, 1 << 20);
    CHECK(stat(top, &known) == 0);
    frozen = known.st_mtim;
    frozen.tv_sec++; /* another time than it had */
    write_within_the_tick(&frozen);
    client_open(&here, &two);
    client_ask(&here, &two, "GET /f/large HTTP/1.1", "");
    client_ask(&here, &one, "GET /f/large HTTP/1.1", "");
    for (int i = 0; i < 10; i++)
        (void)site_poll(&here, 2);
    CHECK(client_read(&two, 100000) > 0 && strstr(two.data, "\r\nETag: W/\""));
    CHECK(memcmp(two.data + two.len - 4, "\r\n\r\n", 4) == 0); /* nothing behind the head */
    client_close(&one);                                        /* one that waits, too, may go */
    write_within_the_tick(&frozen);
    frozen.tv_sec = 0;
    CHECK(client_reply(&here, &two, &reply) && reply.status == 200 && reply.content_len == LARGE);
    CHECK(reply.content[0] == 'n' && memcmp(reply.content, reply.content + 1, LARGE - 1) == 0);
    reply_free(&reply);
    close_site();
}

TEST(kept_files_do_not_count_against_the_connections_that_there_may_be)
{
    fw_settings settings = settings_usual();
    settings.max_descriptors = 2; /* one client and the file */
    open_site(&settings, 1 << 20);
    client_open(&here, &two);
    client_ask(&here, &two, "GET / HTTP/1.1", "");
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, &two, 200, "x"));
    close_site();
}
