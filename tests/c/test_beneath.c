/* test_beneath.c -- what is opened below a folder, and that nothing else is. */
#include "sys/beneath.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/fapws-beneath-XXXXXX";
static int root;

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
    int fd = fw__open_beneath(root, path);
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
    CHECK(fw__open_beneath(root, "link") < 0 && fw__open_beneath(root, "to-a/b/deep") < 0);
    CHECK(fw__open_beneath(root, "out/etc/passwd") < 0 && fw__open_beneath(root, "out") < 0);
    tear_down();
}

TEST(what_is_missing_or_no_folder_is_told)
{
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    set_up();
    CHECK(fw__open_beneath(root, "none") == -ENOENT && fw__open_beneath(root, "a/none") == -ENOENT);
    CHECK(fw__open_beneath(root, "file/x") == -ENOTDIR);
    CHECK(fw__open_beneath(root, longest) == -ENAMETOOLONG);
    tear_down();
}

TEST(a_fifo_without_a_writer_is_not_waited_for)
{
    set_up();
    int fd = fw__open_beneath(root, "pipe");
    CHECK(fd >= 0 && close(fd) == 0);
    tear_down();
}

TEST(a_folder_that_is_passed_through_leaves_no_descriptor)
{
    set_up();
    int before = dup(root);
    CHECK(before >= 0 && close(before) == 0);
    for (int i = 0; i < 50; i++)
        CHECK(opens("a/b/deep") && fw__open_beneath(root, "a/b/none") < 0);
    int after = dup(root);
    CHECK(after == before && close(after) == 0);
    tear_down();
}
