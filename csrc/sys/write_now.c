/* sys/write_now.c -- what a log is written with: takes what there is room for, and never waits.
 * Never:  changes the descriptor. It may be another process's too (standard error is our caller's and our
 *         children's), and few programs can do with a descriptor that does not wait.
 * A socket takes a flag for this one call, and so does a pipe on a newer Linux. Elsewhere poll() is asked
 * first: a pipe that says yes has room for PIPE_BUF bytes, unless another process writes in between. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* pwritev2 */
#endif
#include "fapws.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIPE_BUF
#define PIPE_BUF _POSIX_PIPE_BUF /* where it depends on the file, this much is certain */
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS; SIGPIPE is ignored here anyway */
#endif

static bool has_room(int fd)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};
    return poll(&out, 1, 0) > 0;
}

static ssize_t to_pipe(int fd, const void *data, size_t len)
{
    if (len > PIPE_BUF)
        len = PIPE_BUF;
#if defined(RWF_NOWAIT) && defined(__GLIBC__) && !defined(FW_PORTABLE)
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    ssize_t sent = pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
    if (sent >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
        return sent;
#endif
    return has_room(fd) ? write(fd, data, len) : 0;
}

/* A terminal with tostop stops whoever writes in the background, the whole job with it, unless the signal is
 * blocked: then it takes the line. */
static ssize_t to_device(int fd, const void *data, size_t len)
{
    sigset_t stop, former;
    if (!has_room(fd))
        return 0;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    if (pthread_sigmask(SIG_BLOCK, &stop, &former))
        return 0;
    ssize_t sent = write(fd, data, len);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return sent;
}

int64_t fw_write_now(int fd, const void *data, size_t len)
{
    struct stat status;
    ssize_t sent;
    if (fstat(fd, &status))
        return -1;
    if (S_ISSOCK(status.st_mode))
        sent = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (S_ISFIFO(status.st_mode))
        sent = to_pipe(fd, data, len);
    else if (S_ISCHR(status.st_mode))
        sent = to_device(fd, data, len);
    else
        sent = write(fd, data, len);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return sent;
}
