/* sys/open_at.h -- opens one name in a directory that is open, and follows no link. Whoever includes this has
 * defined _GNU_SOURCE on Linux before, for O_PATH. */
#ifndef FAPWS_SYS_OPEN_AT_H
#define FAPWS_SYS_OPEN_AT_H

#include <errno.h>
#include <fcntl.h>

/* A directory that may be passed through need not be readable, where the system can tell the two apart. */
#if defined(O_PATH)
#define FW_OPEN_PASS (O_PATH | O_DIRECTORY)
#elif defined(O_SEARCH)
#define FW_OPEN_PASS (O_SEARCH | O_DIRECTORY)
#else
#define FW_OPEN_PASS (O_RDONLY | O_DIRECTORY)
#endif
#define FW_OPEN_READ                                                                               \
    (O_RDONLY | O_NONBLOCK | O_NOCTTY) /* never waits for the other end of a FIFO */

static inline int fw__open_at(int directory, const char *name, int flags) /* -errno on failure */
{
    int fd;
    do {
        fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

#endif
