/* test_static_cache.c -- which files are kept, for how long, and what is told of those that change. */
#include "check.h"
#include "frozen_clock.h"
#include "static/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LARGE (FW_SMALL_FILE + 1)

static char top[32];
static int root;
static uint32_t opened;
static fw_static_cache cache;
static fw_cache_time now;

/* Called before each piece of a file is read, in place of somebody else who writes at that moment. NULL: nobody. */
static void (*meanwhile)(void);
static size_t piece_size; /* bytes that are read at a time; 0: all */

/* The one that the core calls. */
ssize_t pread(int fd, void *to, size_t size, off_t at)
{
    struct iovec piece = {to, piece_size && piece_size < size ? piece_size : size};
    if (meanwhile)
        meanwhile();
    return preadv(fd, &piece, 1, at);
}

#define LATER 86400 /* s; no test takes that long */

/* Files are made now, so to the cache it is a day later: their times can be trusted. */
static void set_up(uint64_t budget)
{
    CHECK(clock_gettime(CLOCK_REALTIME, &frozen) == 0);
    frozen.tv_sec += LATER;
    (void)snprintf(top, sizeof top, "/tmp/fapws-cache-XXXXXX");
    CHECK(mkdtemp(top) != NULL);
    root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
    opened = 0;
    now.ms = 5000;
    now.second = (int64_t)frozen.tv_sec;
    fw__cache_new(&cache, budget, &opened);
}

static void make(const char *name, const char *text, size_t size)
{
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK((size == 0 || ftruncate(fd, (off_t)size) == 0) && close(fd) == 0);
}

static void replace(const char *name, const char *text)
{
    make("new", text, 0);
    CHECK(renameat(root, "new", root, name) == 0);
}

static void tear_down(void)
{
    char command[64];
    fw__cache_clear(&cache);
    CHECK(opened == 0 && cache.weight == 0 && cache.count == 0 && cache.described == 0);
    CHECK(close(root) == 0);
    frozen.tv_sec = 0;
    (void)snprintf(command, sizeof command, "rm -r %s", top);
    CHECK(system(command) == 0);
}

static fw_static_file *get(const char *name, int *status)
{
    fw_static_path path = {.len = strlen(name) + 1};
    (void)snprintf(path.text, sizeof path.text, "/%s", name);
    fw_place place = {.fd = root, .cache_control = {"no-cache", 8}};
    return fw__cache_get(&cache, &path, &place, name, now, status);
}

/* What a request would hear: the status, and for a small file whether that is its text. */
static int ask(const char *name, const char *text)
{
    int status;
    fw_static_file *file = get(name, &status);
    if (!file)
        return status;
    bool good = !text || (file->content && file->stamp.size == strlen(text) &&
                          memcmp(file->content, text, strlen(text)) == 0);
    fw__file_release(file);
    return good ? status : -1;
}

TEST(a_file_is_compared_with_the_folder_once_a_second)
{
    set_up(1 << 20);
    make("a", "one", 0);
    CHECK(ask("a", "one") == 200 && cache.count == 1);
    replace("a", "two, and longer");
    now.ms += FW_CACHE_CHECK_MS - 1;
    CHECK(ask("a", "one") == 200);
    now.ms += 1;
    CHECK(ask("a", "two, and longer") == 200 && cache.count == 1);
    CHECK(unlinkat(root, "a", 0) == 0);
    CHECK(ask("a", NULL) == 200);
    now.ms += FW_CACHE_CHECK_MS;
    CHECK(ask("a", NULL) == 404 && cache.count == 0);
    tear_down();
}

TEST(a_file_that_has_not_changed_stays_what_it_is)
{
    int status;
    set_up(1 << 20);
    make("a", "one", 0);
    make("large", "", LARGE);
    fw_static_file *small = get("a", &status), *large = get("large", &status);
    for (int i = 0; i < 3; i++) {
        now.ms += FW_CACHE_CHECK_MS;
        fw_static_file *again = get("a", &status), *also = get("large", &status);
        CHECK(again == small && also == large && opened == 1);
        fw__file_release(again);
        fw__file_release(also);
    }
    fw__file_release(small);
    fw__file_release(large);
    tear_down();
}

TEST(a_file_written_to_in_place_is_another_although_it_is_as_long)
{
    static const struct timespec times[2] = {{1000, 0}, {1000, 5}};
    set_up(1 << 20);
    make("a", "one", 0);
    CHECK(ask("a", "one") == 200);
    make("a", "two", 0);
    CHECK(utimensat(root, "a", times, 0) == 0);
    now.ms += FW_CACHE_CHECK_MS;
    CHECK(ask("a", "two") == 200);
    tear_down();
}

TEST(a_name_that_leads_to_a_link_or_nowhere_is_told_within_a_second)
{
    set_up(1 << 20);
    make("a", "one", 0);
    CHECK(ask("a", "one") == 200);
    CHECK(renameat(root, "a", root, "b") == 0 && symlinkat("b", root, "a") == 0);
    now.ms += FW_CACHE_CHECK_MS;
    CHECK(ask("a", NULL) == 404);
    CHECK(mkdirat(root, "folder", 0755) == 0 && ask("folder", NULL) == 308);
    tear_down();
}

TEST(small_files_need_no_descriptor_and_large_ones_one)
{
    set_up(1 << 20);
    make("empty", "", 0);
    make("small", "x", FW_SMALL_FILE);
    make("large", "x", LARGE);
    CHECK(ask("empty", "") == 200 && ask("small", NULL) == 200 && opened == 0);
    CHECK(ask("large", NULL) == 200 && opened == 1 && cache.count == 3);
    CHECK(cache.weight > FW_SMALL_FILE && cache.weight < 2 * FW_SMALL_FILE);
    tear_down();
}

TEST(a_file_that_changed_a_moment_ago_is_not_kept)
{
    set_up(1 << 20);
    make("a", "one", 0);
    now.second -= LATER; /* the true time */
    CHECK(ask("a", "one") == 200 && cache.count == 0);
    make("a", "two", 0);
    CHECK(ask("a", "two") == 200 && cache.count == 0);
    now.second += LATER;
    CHECK(ask("a", "two") == 200 && cache.count == 1);
    tear_down();
}

TEST(the_budget_holds_and_those_asked_for_last_stay)
{
    char name[16];
    set_up(100000);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        make(name, name, FW_SMALL_FILE);
        CHECK(ask(name, NULL) == 200 && ask("0", NULL) == 200 && cache.weight <= 100000);
    }
    CHECK(cache.count == 5);
    replace("0", "new");
    replace("1", "new");
    replace("19", "new");
    CHECK(ask("0", NULL) == 200 && ask("0", "new") == -1 && ask("19", "new") == -1);
    CHECK(ask("1", "new") == 200);
    tear_down();
}

TEST(without_a_budget_nothing_is_kept)
{
    set_up(0);
    make("a", "one", 0);
    make("large", "", LARGE);
    CHECK(ask("a", "one") == 200 && ask("large", NULL) == 200);
    CHECK(cache.count == 0 && opened == 0);
    tear_down();
    set_up(10); /* less than any file takes */
    make("a", "one", 0);
    CHECK(ask("a", "one") == 200 && cache.count == 0);
    tear_down();
}

TEST(count_and_descriptors_have_bounds)
{
    char name[16];
    set_up(1 << 30);
    for (unsigned i = 0; i < FW_CACHE_FILES + 100; i++) {
        (void)snprintf(name, sizeof name, "%u", i);
        make(name, "", i < FW_CACHE_OPEN + 50 ? LARGE : 1);
        CHECK(ask(name, NULL) == 200 && opened == cache.described);
        CHECK(cache.count <= FW_CACHE_FILES && cache.described <= FW_CACHE_OPEN);
    }
    CHECK(cache.count == FW_CACHE_FILES);
    tear_down();
}

TEST(what_nobody_asks_for_is_forgotten)
{
    set_up(1 << 20);
    make("a", "", LARGE);
    make("b", "", LARGE);
    CHECK(ask("a", NULL) == 200);
    now.ms += FW_CACHE_AGE_MS - 1;
    CHECK(ask("b", NULL) == 200);
    fw__cache_sweep(&cache, now.ms);
    CHECK(cache.count == 2);
    now.ms += 1;
    fw__cache_sweep(&cache, now.ms);
    CHECK(cache.count == 1 && opened == 1);
    now.ms += FW_CACHE_AGE_MS;
    fw__cache_sweep(&cache, now.ms);
    CHECK(cache.count == 0 && opened == 0);
    tear_down();
}

TEST(descriptors_that_nobody_uses_are_given_back)
{
    int status;
    set_up(1 << 20);
    make("idle", "", LARGE);
    make("used", "", LARGE);
    make("small", "s", 0);
    CHECK(ask("idle", NULL) == 200 && ask("small", "s") == 200);
    fw_static_file *used = get("used", &status);
    CHECK(opened == 2 && fw__cache_give_back(&cache) && opened == 1);
    CHECK(!fw__cache_give_back(&cache) && cache.count == 1);
    CHECK(used && used->fd >= 0 && !fw__file_rewritten(used));
    fw__file_release(used);
    tear_down();
}

TEST(a_file_is_opened_with_a_descriptor_that_was_given_back)
{
    static int fds[256];
    struct rlimit before, few;
    int count = 0;
    set_up(1 << 20);
    make("kept", "", LARGE);
    make("other", "", LARGE);
    CHECK(ask("kept", NULL) == 200 && opened == 1);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = 128;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    while (count < 256 && (fds[count] = dup(root)) >= 0)
        count++;
    CHECK(errno == EMFILE && ask("other", NULL) == 200 && opened == 1);
    fw__cache_clear(&cache);
    fds[count++] = dup(root);
    CHECK(ask("other", NULL) == 503);
    while (count)
        close(fds[--count]);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    tear_down();
}

static int writings; /* that are still to come */

static void write_meanwhile(void)
{
    char text[16];
    if (writings == 0)
        return;
    (void)snprintf(text, sizeof text, "%.*s", writings, "wwwwwwww"); /* another size each time */
    writings--;
    make("busy", text, 0);
}

TEST(a_small_file_that_is_being_written_is_read_again_and_is_503_if_that_never_ends)
{
    set_up(1 << 20);
    make("busy", "as it was", 0);
    make("calm", "as it was", 0);
    meanwhile = write_meanwhile;
    writings = 2;
    CHECK(ask("busy", "w") == 200 && writings == 0 && cache.count == 1);
    fw__cache_clear(&cache);
    make("busy", "as it was", 0);
    writings = 8;
    CHECK(ask("busy", NULL) == 503 && writings < 8);
    CHECK(opened == 0 && cache.count == 0);
    writings = 0;
    CHECK(ask("busy", NULL) == 200 && ask("calm", "as it was") == 200);
    meanwhile = NULL;
    tear_down();
}

static struct timespec
    kept[2]; /* that a file has before and after a change: it lies within one tick */

static void keep_times(const char *name)
{
    struct stat known;
    CHECK(fstatat(root, name, &known, 0) == 0);
    frozen = kept[0] = kept[1] = known.st_mtim;
}

static void write_within_the_tick(void)
{
    if (writings == 0 || --writings > 0)
        return;
    make("busy", "bbbbbbbb", 0);
    CHECK(utimensat(root, "busy", kept, 0) == 0);
}

/* The first half is of the one state, the other of the next; its time and its size are the same. */
TEST(a_small_file_that_is_written_to_within_one_tick_is_never_torn)
{
    set_up(1 << 20);
    make("busy", "aaaaaaaa", 0);
    keep_times("busy");
    now.second -= LATER; /* the true time */
    meanwhile = write_within_the_tick;
    piece_size = 4;
    writings = 2;
    CHECK(ask("busy", "bbbbbbbb") == 200 && writings == 0 && cache.count == 0);
    meanwhile = NULL;
    piece_size = 0;
    tear_down();
}

TEST(the_tag_of_a_file_that_changed_within_the_tick_is_weak_and_never_given_again)
{
    int status;
    char tag[100];
    set_up(1 << 20);
    make("a", "one", 0);
    keep_times("a");
    now.second -= LATER; /* the true time */
    fw_static_file *first = get("a", &status), *second = get("a", &status);
    CHECK(first && second && first != second && cache.count == 0 && !fw__file_tells(first));
    CHECK(memcmp(first->etag.at, "W/\"", 3) == 0 && first->etag.at[first->etag.len - 1] == '"');
    CHECK(!fw_slice_equals(first->etag, second->etag.at, second->etag.len));
    frozen.tv_sec += 3; /* an emulator may tell whole seconds, which are settled after two */
    fw_static_file *later = get("a", &status);
    CHECK(later && later->etag.at[0] == '"' && fw__file_tells(later) && fw__file_tells(first));
    (void)snprintf(tag, sizeof tag, "%.*s", (int)later->etag.len - 1, later->etag.at);
    CHECK(memcmp(first->etag.at + 2, tag, strlen(tag)) == 0 &&
          first->etag.at[2 + strlen(tag)] == '-');
    fw__file_release(first);
    fw__file_release(second);
    fw__file_release(later);
    tear_down();
}

TEST(file_systems_of_whole_seconds_tell_after_two_of_them)
{
    int status;
    set_up(1 << 20);
    make("a", "one", 0);
    keep_times("a");
    fw_static_file *file = get("a", &status);
    file->stamp.modified_ns = file->stamp.changed_ns = 0;
    frozen.tv_sec = file->stamp.modified + 2;
    frozen.tv_nsec = 0;
    CHECK(!fw__file_tells(file));
    frozen.tv_sec++;
    CHECK(fw__file_tells(file));
    file->stamp.modified += 3600; /* of a far future, as good as an old one */
    CHECK(fw__file_tells(file));
    fw__file_release(file);
    tear_down();
}

TEST(what_was_written_to_since_it_was_opened_is_noticed)
{
    static const struct timespec times[2] = {{1000, 0}, {1000, 5}};
    int status;
    set_up(1 << 20);
    make("grows", "", LARGE);
    make("same", "", LARGE);
    make("gone", "", LARGE);
    fw_static_file *grows = get("grows", &status), *same = get("same", &status),
                   *gone = get("gone", &status);
    CHECK(!fw__file_rewritten(grows) && !fw__file_rewritten(same) && !fw__file_rewritten(gone));
    make("grows", "", LARGE + 1);
    CHECK(utimensat(root, "same", times, 0) == 0 && unlinkat(root, "gone", 0) == 0);
    CHECK(fw__file_rewritten(grows) && fw__file_rewritten(same));
    CHECK(!fw__file_rewritten(gone)); /* its name is not what its bytes are */
    fw__file_release(grows);
    fw__file_release(same);
    fw__file_release(gone);
    tear_down();
}

TEST(fields_tell_what_the_file_is)
{
    int status;
    static const char same[] = "Cache-Control: no-cache\r\n";
    set_up(1 << 20);
    make("a.css", "p {}", 0);
    fw_static_file *file = get("a.css", &status);
    CHECK(file && file->etag.len > 2 && file->etag.at[0] == '"');
    CHECK(file->etag.at[file->etag.len - 1] == '"');
    CHECK(memcmp(file->common.at, "ETag: \"", 7) == 0);
    CHECK(memcmp(file->common.at + file->common.len - sizeof same + 1, same, sizeof same - 1) == 0);
    CHECK(memcmp(file->content_fields.at, "Last-Modified: ", 15) == 0);
    CHECK(fw_slice_equals(file->length, "Content-Length: 4\r\n", 19));
    if (file)
        fw__file_release(file);
    tear_down();
}

TEST(siblings_belong_to_their_file)
{
    int status;
    set_up(1 << 20);
    make("a", "plain", LARGE);
    make("a.br", "br", LARGE);
    make("a.gz", "gz", 0);
    fw_static_file *file = get("a", &status);
    CHECK(file && file->there == (1u << FW_BROTLI | 1u << FW_GZIP) && opened == 2);
    CHECK(file->coded[FW_BROTLI]->fd >= 0 && !file->coded[FW_ZSTD]);
    CHECK(memcmp(file->coded[FW_GZIP]->content, "gz", 2) == 0);
    CHECK(cache.described == 2 && cache.count == 1);
    fw__file_release(file);
    make("a.zst", "zst", 0);
    now.ms += FW_CACHE_CHECK_MS;
    file = get("a", &status);
    CHECK(file && file->there == (1u << FW_ENCODINGS) - 1 && opened == 2);
    fw_static_file *coded = file->coded[FW_BROTLI];
    coded->users++; /* a response that is being sent */
    fw__file_release(file);
    CHECK(fw__cache_give_back(&cache) && opened == 1 && cache.count == 0);
    CHECK(!fw__file_rewritten(coded));
    fw__file_release(coded);
    CHECK(ask("a.br", NULL) == 200 && ask("a.gz", "gz") == 200);
    tear_down();
}

TEST(a_sibling_that_changed_a_moment_ago_is_not_kept_nor_its_file)
{
    int status;
    set_up(1 << 20);
    make("a", "plain", 0);
    make("a.gz", "gz", 0);
    fw_static_file *file = get("a", &status);
    CHECK(file && cache.count == 1 && fw__file_settled(file, now.second));
    file->coded[FW_GZIP]->stamp.changed = now.second;
    CHECK(!fw__file_settled(file, now.second));
    fw__file_release(file);
    tear_down();
}
