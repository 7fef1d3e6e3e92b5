/* sys/open_at.h -- opens one name in a directory that is open, or looks at it, and follows no link. Whoever includes this has
 * defined _GNU_SOURCE on Linux before, for O_PATH. */
#ifndef FAPWS_SYS_OPEN_AT_H
#define FAPWS_SYS_OPEN_AT_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/beneath.h"

/* A descriptor may stand for a file that is not opened, and be opened later by its name in /proc. */
#if defined(__linux__) && defined(O_PATH) && !defined(FW_PORTABLE)
#define FW_OPENED_LATER 1
#endif

/* A directory that may be passed through need not be readable, where the system can tell the two apart. */
#if defined(O_PATH)
#define FW_OPEN_PASS (O_PATH | O_DIRECTORY)
#elif defined(O_SEARCH)
#define FW_OPEN_PASS (O_SEARCH | O_DIRECTORY)
#else
#define FW_OPEN_PASS (O_RDONLY | O_DIRECTORY)
#endif
#define FW_OPEN_READ                                                                               \
    (O_RDONLY | O_NONBLOCK |                                                                       \
     O_NOCTTY) /* never waits, whatever it has become since it was looked at */

static inline int fw__open_at(int directory, const char *name, int flags) /* -errno on failure */
{
    int fd;
    do {
        fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* 0, or why it is not found: -ELOOP is a link. */
static inline int fw__judge_found(const struct stat *is)
{
    if (S_ISLNK(is->st_mode))
        return -ELOOP;
    return S_ISREG(is->st_mode) || S_ISDIR(is->st_mode) ? 0 : -ENXIO;
}

/* Takes fd, which was opened or stands for a file. */
static inline int fw__take_found(int fd, bool readable, fw_found *found)
{
    int code = fstat(fd, &found->is) ? -errno : fw__judge_found(&found->is);
    if (code)
        close(fd);
    found->fd = code ? -1 : fd;
    found->readable = readable;
    return code;
}

static inline bool fw__same_place(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* Looks at it before it is opened, and whether that was it. */
static inline int fw__open_judged(int directory, const char *name, fw_found *found)
{
    struct stat before;
    if (fstatat(directory, name, &before, AT_SYMLINK_NOFOLLOW))
        return -errno;
    int code = fw__judge_found(&before);
    int fd = code ? code : fw__open_at(directory, name, FW_OPEN_READ);
    if (fd < 0)
        return fd;
    code = fw__take_found(fd, true, found);
    if (code == 0 && !fw__same_place(&before, &found->is)) {
        close(found->fd);
        code = -ESTALE;
    }
    return code;
}

/* found->readable: whether it must be, now. */
static inline int fw__find_at(int directory, const char *name, fw_found *found)
{
#ifdef FW_OPENED_LATER
    if (!found->readable) {
        int fd = fw__open_at(directory, name, O_PATH);
        return fd < 0 ? fd : fw__take_found(fd, false, found);
    }
#endif
    return fw__open_judged(directory, name, found);
}

#endif
