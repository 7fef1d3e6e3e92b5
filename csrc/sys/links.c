/* sys/links.c -- see links.h.
 * Links are followed here and not by the system: every folder on the way was opened from the one before and stays
 * open, so that ".." of a link goes back to it and never further than the root, whatever is renamed meanwhile.
 * Never:  believes a look at a name: what was looked at could be replaced. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* O_PATH */
#endif
#include "sys/links.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file_times.h"
#include "sys/open_at.h"

#define FOLDERS_MAX 64 /* that are open at once */
#define LINKS_MAX 16   /* in one path; Linux follows 40, OpenBSD 32 */
#define PATH_SIZE 4096 /* bytes of what is still to be walked, with the NUL */
#define NAME_SIZE 256  /* bytes of a name with the NUL */

typedef struct {
    uid_t owner; /* of a link */
    size_t
        rest; /* bytes of the path behind it: when no more are left, what it leads to has been reached */
} followed;

typedef struct {
    int folders[FOLDERS_MAX]; /* the first is the root, which stays open */
    size_t depth;             /* of them that are open, but the root */
    bool same_owner;
    followed links[LINKS_MAX];
    size_t pending; /* of links: those whose end has not been reached */
    size_t count;   /* of all links so far */
    char path[PATH_SIZE];
    const char *at; /* of path */
} way_in;

static int here(const way_in *way)
{
    return way->folders[way->depth];
}

static int open_here(const way_in *way, const char *name, int flags)
{
    return fw__open_at(here(way), name, flags);
}

/* ---- Links --------------------------------------------------------------------------------------------- */

#if defined(__linux__) && !defined(FW_PORTABLE)

/* Its text and owner, both of one and the same link. */
static ssize_t read_link(const way_in *way, const char *name, char *text, size_t size, uid_t *owner)
{
    struct stat known;
    ssize_t len = -EINVAL;
    int fd = open_here(way, name, O_PATH);
    if (fd < 0)
        return fd;
    if (fstat(fd, &known) == 0 && S_ISLNK(known.st_mode)) {
        len = readlinkat(fd, "", text, size);
        len = len < 0 ? -errno : len;
        *owner = known.st_uid;
    }
    close(fd);
    return len;
}

#else

/* A link cannot be opened: one that is another one afterwards is not believed. */
static ssize_t read_link(const way_in *way, const char *name, char *text, size_t size, uid_t *owner)
{
    struct stat before, after;
    if (fstatat(here(way), name, &before, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (!S_ISLNK(before.st_mode))
        return -EINVAL;
    ssize_t len = readlinkat(here(way), name, text, size);
    if (len < 0)
        return -errno;
    if (fstatat(here(way), name, &after, AT_SYMLINK_NOFOLLOW) || after.st_ino != before.st_ino ||
        after.st_dev != before.st_dev || FW_CTIME(&after).tv_sec != FW_CTIME(&before).tv_sec ||
        FW_CTIME(&after).tv_nsec != FW_CTIME(&before).tv_nsec)
        return -ELOOP;
    *owner = before.st_uid;
    return len;
}

#endif

/* name is no folder or file that could be opened: perhaps a link. It takes its place in the path. */
static int follow(way_in *way, const char *name, int error)
{
    char text[PATH_SIZE];
    size_t rest = strlen(way->at);
    uid_t owner = 0;
    ssize_t len = read_link(way, name, text, sizeof text, &owner);
    if (len == -EINVAL)
        return error;
    if (len < 0)
        return (int)len;
    if (len > 0 && text[0] == '/')
        return -EXDEV;
    if (way->count == LINKS_MAX)
        return -ELOOP;
    if ((size_t)len + rest >= sizeof way->path)
        return -ENAMETOOLONG;
    way->count++;
    way->links[way->pending++] = (followed){owner, rest};
    memmove(way->path + len, way->at, rest + 1);
    memcpy(way->path, text, (size_t)len);
    way->at = way->path;
    return 0;
}

/* 0, or -EACCES: a link has been followed to its end, and another one owns that. */
static int check_owners(way_in *way, int reached)
{
    struct stat known;
    size_t rest = strlen(way->at);
    for (; way->pending && rest <= way->links[way->pending - 1].rest; way->pending--) {
        if (!way->same_owner)
            continue;
        if (fstat(reached, &known))
            return -errno;
        if (known.st_uid != way->links[way->pending - 1].owner)
            return -EACCES;
    }
    return 0;
}

/* ---- Names --------------------------------------------------------------------------------------------- */

static int take_name(way_in *way, char *name)
{
    size_t len = strcspn(way->at, "/");
    if (len >= NAME_SIZE)
        return -ENAMETOOLONG;
    memcpy(name, way->at, len);
    name[len] = '\0';
    way->at += len;
    return 0;
}

static int go_up(way_in *way)
{
    if (way->depth == 0)
        return -EXDEV;
    close(way->folders[way->depth--]);
    return 0;
}

static bool may_be_link(int error)
{
#ifdef EFTYPE /* NetBSD */
    if (error == -EFTYPE)
        return true;
#endif
    return error == -ELOOP || error == -EMLINK || error == -ENOTDIR;
}

static int enter(way_in *way, const char *name)
{
    int fd = open_here(way, name, FW_OPEN_PASS);
    if (fd < 0)
        return may_be_link(fd) ? follow(way, name, fd) : fd;
    if (way->depth + 1 == FOLDERS_MAX) {
        close(fd);
        return -ENAMETOOLONG;
    }
    way->folders[++way->depth] = fd;
    return 0;
}

/* The last name of the path. 0: it was a link, or *done. */
static int open_last(way_in *way, const char *name, fw_found *found, bool *done)
{
    int code = fw__find_at(here(way), name, found);
    if (code)
        return may_be_link(code) ? follow(way, name, code) : code;
    code = check_owners(way, found->fd);
    if (code == 0)
        *done = true;
    else
        close(found->fd);
    return code;
}

/* The path ends at a folder. */
static int take_here(const way_in *way, fw_found *found, bool *done)
{
    int fd = fcntl(here(way), F_DUPFD_CLOEXEC, 0);
    int code = fd < 0 ? -errno : fw__take_found(fd, found->readable, found);
    *done = code == 0;
    return code;
}

static int step(way_in *way, fw_found *found, bool *done)
{
    char name[NAME_SIZE];
    int code = take_name(way, name);
    if (code || strcmp(name, ".") == 0)
        return code;
    if (strcmp(name, "..") == 0)
        return go_up(way);
    return *way->at ? enter(way, name) : open_last(way, name, found, done);
}

int fw__find_by_links(int root, const char *path, bool same_owner, fw_found *found)
{
    way_in way;
    bool done = false;
    int code = 0;
    way.folders[0] = root;
    way.depth = way.pending = way.count = 0;
    way.same_owner = same_owner;
    way.at = way.path;
    if (strlen(path) >= sizeof way.path)
        return -ENAMETOOLONG;
    memcpy(way.path, path, strlen(path) + 1);
    while (code == 0 && !done) {
        way.at += strspn(way.at, "/");
        code = check_owners(&way, here(&way));
        if (code == 0)
            code = *way.at ? step(&way, found, &done) : take_here(&way, found, &done);
    }
    while (way.depth)
        (void)go_up(&way);
    return code;
}
