/* test_core_large.c -- files and contents beyond what 32 bits can count. The files are sparse; what is read
 * of them is little. */
#include "core_reply.h"

#define GIB ((int64_t)1 << 30)

static test_site here;
static test_client one;

static int sparse_file(int64_t size)
{
    char path[] = "/tmp/fapws-test-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0 && unlink(path) == 0 && ftruncate(file, size) == 0);
    CHECK(pwrite(file, "begin", 5, 0) == 5 && pwrite(file, "beyond", 6, 4 * GIB) == 6);
    return file;
}

static int64_t begin_sized(int64_t id, int64_t size)
{
    const char head[] = "200 OK";
    return fw_begin_sized(here.worker, id, head, strlen(head), 1, (uint64_t)size);
}

/* Gives the file until the client's socket takes no more; what is left to be given. */
static int64_t give_until_full(int64_t id, int file, int64_t size)
{
    int64_t left = size;
    const test_record *record;
    do {
        left = fw_send_file(here.worker, id, file, size - left, (uint64_t)left);
        record = left > 0 ? site_take(&here, 0) : NULL;
        CHECK(!record || record->kind == FW_WRITABLE);
        site_forget(&here);
    } while (record);
    return left;
}

TEST(a_file_beyond_4_gib_is_counted_whole)
{
    const int64_t size = 5 * GIB;
    char length[64];
    int file = sparse_file(size);
    site_open(&here, NULL);
    client_open(&here, &one);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin_sized(id, size) == 0);
    int64_t left = give_until_full(id, file, size);
    NOTE("%lld bytes left", (long long)left);
    CHECK(left > 4 * GIB && left < size);
    CHECK(here.score.bytes_out > (uint64_t)(size - left));
    client_read(&one, 4096);
    (void)snprintf(length, sizeof length, "Content-Length: %lld\r\n", (long long)size);
    CHECK(one.len == 4096 && count_text(one.data, length) == 1);
    CHECK(fw_abort(here.worker, id) == 0);
    client_close(&one);
    site_close(&here);
    close(file);
}

TEST(a_file_is_read_beyond_4_gib)
{
    test_reply got = {0};
    int file = sparse_file(5 * GIB);
    site_open(&here, NULL);
    client_open(&here, &one);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    CHECK(begin_sized(id, 11) == 0);
    CHECK(fw_send_file(here.worker, id, file, 4 * GIB, 6) == 0);
    CHECK(fw_send_file(here.worker, id, file, 0, 5) == 0 && fw_end(here.worker, id) == 0);
    CHECK(client_reply(&here, &one, &got) && got.content_len == 11);
    CHECK(memcmp(got.content, "beyondbegin", 11) == 0);
    reply_free(&got);
    client_close(&one);
    site_close(&here);
    close(file);
}

/* The system refuses to write beyond 2 GiB by a descriptor that was opened for small files. */
TEST(spooled_content_may_grow_beyond_4_gib)
{
    struct stat about;
    fw_settings settings = settings_usual();
    settings.memory_body = 0;
    site_open(&here, &settings);
    client_open(&here, &one);
    client_ask(&here, &one, "POST / HTTP/1.1", "Content-Length: 1\r\n");
    client_say(&here, &one, "x");
    const test_record *request = site_request(&here);
    CHECK(request->content == FW_SPOOLED);
    int fd = fw_take_content(here.worker, request->id);
    CHECK(fd >= 0 && pwrite(fd, "y", 1, 5 * GIB) == 1);
    CHECK(fstat(fd, &about) == 0 && about.st_size == 5 * GIB + 1);
    CHECK(respond(&here, request->id, "200 OK", "") == 0);
    close(fd);
    client_close(&one);
    site_close(&here);
}
