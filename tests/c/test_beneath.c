/* test_beneath.c -- what is opened below a folder, and that nothing else is. */
#include "sys/beneath.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char top[] = "/tmp/fapws-beneath-XXXXXX";
static int root;
static fw_links links; /* FW_LINKS_NO until a test says otherwise */

static void make(const char *path)
{
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, path, strlen(path)) == (ssize_t)strlen(path) && close(fd) == 0);
}

static void set_up(void)
{
    memcpy(top + sizeof top - 7, "XXXXXX", 6);
    CHECK(mkdtemp(top) != NULL);
    root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0 && mkdirat(root, "a", 0755) == 0 && mkdirat(root, "a/b", 0755) == 0);
    make("file");
    make("a/b/deep");
    CHECK(symlinkat("file", root, "link") == 0 && symlinkat("a", root, "to-a") == 0);
    CHECK(symlinkat("/", root, "out") == 0 && mkfifoat(root, "pipe", 0600) == 0);
}

static void tear_down(void)
{
    static const char *const files[] = {"file", "a/b/deep", "link", "to-a", "out", "pipe"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        CHECK(unlinkat(root, files[i], 0) == 0);
    CHECK(unlinkat(root, "a/b", AT_REMOVEDIR) == 0 && unlinkat(root, "a", AT_REMOVEDIR) == 0);
    CHECK(close(root) == 0 && rmdir(top) == 0);
}

static bool opens(const char *path)
{
    char text[64] = "";
    int fd = fw__open_beneath(root, path, links);
    bool good = fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strcmp(text, path) == 0 &&
                (fcntl(fd, F_GETFD) & FD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return good;
}

TEST(files_below_are_opened)
{
    set_up();
    CHECK(opens("file") && opens("a/b/deep"));
    tear_down();
}

TEST(links_are_not_followed_anywhere)
{
    set_up();
    CHECK(fw__open_beneath(root, "link", links) < 0 &&
          fw__open_beneath(root, "to-a/b/deep", links) < 0);
    CHECK(fw__open_beneath(root, "out/etc/passwd", links) < 0 &&
          fw__open_beneath(root, "out", links) < 0);
    tear_down();
}

TEST(what_is_missing_or_no_folder_is_told)
{
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    set_up();
    CHECK(fw__open_beneath(root, "none", links) == -ENOENT &&
          fw__open_beneath(root, "a/none", links) == -ENOENT);
    CHECK(fw__open_beneath(root, "file/x", links) == -ENOTDIR);
    CHECK(fw__open_beneath(root, longest, links) == -ENAMETOOLONG);
    tear_down();
}

TEST(what_is_neither_file_nor_folder_is_not_found)
{
    fw_found found;
    set_up();
    CHECK(symlinkat("pipe", root, "to-pipe") == 0);
    for (links = FW_LINKS_NO; links <= FW_LINKS_OWNER; links++)
        CHECK(fw__open_beneath(root, "pipe", links) == -ENXIO);
    for (links = FW_LINKS_YES; links <= FW_LINKS_OWNER; links++)
        CHECK(fw__open_beneath(root, "to-pipe", links) == -ENXIO);
    links = FW_LINKS_NO;
    CHECK(fw__find_beneath(root, "a", links, &found) == 0 && S_ISDIR(found.is.st_mode));
    CHECK(close(found.fd) == 0 && unlinkat(root, "to-pipe", 0) == 0);
    tear_down();
}

static atomic_bool opened;

static void *write_to_pipe(void *unused)
{
    (void)unused;
    char path[64];
    (void)snprintf(path, sizeof path, "%s/pipe", top);
    int fd = open(path, O_WRONLY | O_CLOEXEC); /* waits for a reader */
    opened = true;
    CHECK(fd >= 0 && write(fd, "told", 4) == 4 && close(fd) == 0);
    return NULL;
}

/* open() of a FIFO wakes who waits at its other end; what its driver does with a device is for it to say. */
TEST(what_is_not_found_is_not_opened)
{
    pthread_t writer;
    struct timespec pause = {0, 20000000}; /* too short a one lets a fault pass, and makes none */
    char text[8] = "";
    set_up();
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK(pthread_create(&writer, NULL, write_to_pipe, NULL) == 0 && nanosleep(&pause, NULL) == 0);
    for (links = FW_LINKS_NO; links <= FW_LINKS_OWNER; links++)
        CHECK(fw__open_beneath(root, "pipe", links) == -ENXIO);
    links = FW_LINKS_NO;
    CHECK(nanosleep(&pause, NULL) == 0 && !opened);
    int fd = openat(root, "pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(fd >= 0 && pthread_join(writer, NULL) == 0);
    CHECK(read(fd, text, sizeof text) == 4 && strcmp(text, "told") == 0 && close(fd) == 0);
    tear_down();
}

TEST(what_was_found_is_what_is_opened)
{
    fw_found found;
    set_up();
    CHECK(fw__find_beneath(root, "file", links, &found) == 0);
    bool later = !found.readable;
    CHECK(renameat(root, "a/b/deep", root, "file") == 0);
    if (later) { /* by its descriptor, and not by its name */
        char text[8] = "";
        CHECK(fw__open_found(root, "file", links, &found) == 0 && found.readable);
        CHECK(read(found.fd, text, sizeof text) == 4 && strcmp(text, "file") == 0);
    }
    CHECK(close(found.fd) == 0 && renameat(root, "file", root, "a/b/deep") == 0);
    make("file");
    tear_down();
}

TEST(a_folder_that_is_passed_through_leaves_no_descriptor)
{
    set_up();
    int before = dup(root);
    CHECK(before >= 0 && close(before) == 0);
    for (int i = 0; i < 50; i++)
        CHECK(opens("a/b/deep") && fw__open_beneath(root, "a/b/none", links) < 0);
    int after = dup(root);
    CHECK(after == before && close(after) == 0);
    tear_down();
}

/* ---- Links that are followed --------------------------------------------------------------------------- */

/* What the path leads to is told by its content. */
static bool leads_to(const char *path, const char *content)
{
    char text[64] = "";
    int fd = fw__open_beneath(root, path, links);
    bool good = fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strcmp(text, content) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static const char *const made[][2] = {{"a/b/../../file", "round"},
                                      {"link", "twice"},
                                      {"a/b/", "slash"},
                                      {".", "here"},
                                      {"../file", "a/up"},
                                      {"..", "a/b/up"},
                                      {"self", "self"},
                                      {"a/../../x", "beyond"},
                                      {"..", "over"},
                                      {"none", "nowhere"}};

#define MADE (sizeof made / sizeof *made)

static void set_up_links(void)
{
    set_up();
    for (size_t i = 0; i < MADE; i++)
        CHECK(symlinkat(made[i][0], root, made[i][1]) == 0);
}

static void tear_down_links(void)
{
    for (size_t i = 0; i < MADE; i++)
        CHECK(unlinkat(root, made[i][1], 0) == 0);
    links = FW_LINKS_NO;
    tear_down();
}

static void check_links(void)
{
    CHECK(leads_to("link", "file") && leads_to("twice", "file") && leads_to("round", "file"));
    CHECK(leads_to("to-a/b/deep", "a/b/deep") && leads_to("slash/deep", "a/b/deep"));
    CHECK(leads_to("here/here/a/up", "file") && leads_to("a/b/up/b/deep", "a/b/deep"));
    CHECK(leads_to("file", "file") && leads_to("a/b/deep", "a/b/deep"));
    CHECK(fw__open_beneath(root, "out", links) == -EXDEV);
    CHECK(fw__open_beneath(root, "out/etc/passwd", links) == -EXDEV);
    CHECK(fw__open_beneath(root, "over", links) == -EXDEV);
    CHECK(fw__open_beneath(root, "over/etc", links) == -EXDEV);
    CHECK(fw__open_beneath(root, "beyond", links) == -EXDEV);
    CHECK(fw__open_beneath(root, "self", links) == -ELOOP);
    CHECK(fw__open_beneath(root, "nowhere", links) == -ENOENT);
    CHECK(fw__open_beneath(root, "link/x", links) == -ENOTDIR);
    CHECK(symlinkat(top, root, "absolute") == 0); /* even if it leads back inside */
    CHECK(fw__open_beneath(root, "absolute/file", links) == -EXDEV);
    CHECK(unlinkat(root, "absolute", 0) == 0);
}

TEST(links_that_stay_inside_are_followed)
{
    set_up_links();
    links = FW_LINKS_YES;
    check_links();
    links = FW_LINKS_OWNER; /* all of them are one owner's */
    check_links();
    tear_down_links();
}

TEST(a_folder_behind_a_link_is_told_as_a_folder)
{
    struct stat known;
    set_up_links();
    for (links = FW_LINKS_YES; links <= FW_LINKS_OWNER; links++) {
        static const char *const paths[] = {"to-a", "slash", "here", "a/b/up"};
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            int fd = fw__open_beneath(root, paths[i], links);
            CHECK(fd >= 0 && fstat(fd, &known) == 0 && S_ISDIR(known.st_mode) && close(fd) == 0);
        }
    }
    tear_down_links();
}

/* Needs root, who alone can give a file away; others see that their own are followed. */
TEST(links_of_another_owner_are_not_followed)
{
    set_up_links();
    links = FW_LINKS_OWNER;
    if (geteuid() == 0) {
        CHECK(fchownat(root, "link", 12345, 12345, AT_SYMLINK_NOFOLLOW) == 0);
        CHECK(fchownat(root, "to-a", 12345, 12345, AT_SYMLINK_NOFOLLOW) == 0);
        CHECK(fw__open_beneath(root, "link", links) == -EACCES);
        CHECK(fw__open_beneath(root, "twice", links) == -EACCES);
        CHECK(fw__open_beneath(root, "to-a", links) == -EACCES);
        CHECK(fw__open_beneath(root, "to-a/b/deep", links) == -EACCES);
        links = FW_LINKS_YES;
        CHECK(leads_to("link", "file") && leads_to("to-a/b/deep", "a/b/deep"));
        links = FW_LINKS_OWNER;
        CHECK(fchownat(root, "file", 12345, 12345, 0) == 0 && leads_to("link", "file"));
        CHECK(fw__open_beneath(root, "twice", links) ==
              -EACCES); /* the first of the two is still root's */
    }
    CHECK(leads_to("slash/deep", "a/b/deep"));
    tear_down_links();
}

TEST(many_links_are_given_up)
{
    char name[16], target[16];
    set_up();
    links = FW_LINKS_OWNER;
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "l%d", i);
        (void)snprintf(target, sizeof target, "l%d", i + 1);
        CHECK(symlinkat(i == 39 ? "file" : target, root, name) == 0);
    }
    CHECK(leads_to("l30", "file") && fw__open_beneath(root, "l0", links) == -ELOOP);
    links = FW_LINKS_NO;
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "l%d", i);
        CHECK(unlinkat(root, name, 0) == 0);
    }
    tear_down();
}

TEST(links_leave_no_descriptor)
{
    set_up_links();
    int before = dup(root);
    CHECK(before >= 0 && close(before) == 0);
    for (links = FW_LINKS_YES; links <= FW_LINKS_OWNER; links++) {
        check_links();
        (void)fw__open_beneath(root, "to-a/b/none", links);
    }
    int after = dup(root);
    CHECK(after == before && close(after) == 0);
    tear_down_links();
}
