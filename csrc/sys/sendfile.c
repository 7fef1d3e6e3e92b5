/* sys/sendfile.c -- a file's bytes to a socket, without a copy where the system has a way.
 * FW_PORTABLE forces the fallback, so that tests reach it everywhere; it also serves files that the
 * system's way refuses (some file systems).
 * Never:  blocks on the socket, moves the file's own offset. */
#include "sys/sockets.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

#if !defined(FW_PORTABLE) && defined(__linux__)
#include <sys/sendfile.h>
#define HAVE_LINUX_SENDFILE 1
#elif !defined(FW_PORTABLE) && defined(__FreeBSD__)
#define HAVE_FREEBSD_SENDFILE 1
#elif !defined(FW_PORTABLE) && defined(__APPLE__)
#define HAVE_APPLE_SENDFILE 1
#endif

/* Read where it lies and send: what the socket leaves is read again next time. */
static int64_t copy_file(int socket, int file, int64_t offset, size_t count, char *buffer,
                         size_t size)
{
    ssize_t got;
    if (count > size)
        count = size;
    do {
        got = pread(file, buffer, count, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return FW_ESYSTEM;
    if (got == 0)
        return 0;
    struct iovec piece = {buffer, (size_t)got};
    return fw__send(socket, &piece, 1, false);
}

#if defined(HAVE_LINUX_SENDFILE) || defined(HAVE_FREEBSD_SENDFILE) || defined(HAVE_APPLE_SENDFILE)

#define UNSUITABLE (-1000) /* this file or socket cannot be sent that way */

#ifdef __APPLE__ /* has no sigtimedwait(); one that is pending is taken at once */
#define TAKE_SIGNAL(set, at_once) (void)(at_once), (void)sigwait((set), &(int){0})
#else
#define TAKE_SIGNAL(set, at_once) (void)sigtimedwait((set), NULL, (at_once))
#endif

static int64_t outcome(int error)
{
    if (error == EAGAIN || error == EWOULDBLOCK || error == EBUSY)
        return FW_MORE;
    if (error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == ENOTSOCK ||
        error == ESPIPE || error == EBADF || error == EISDIR)
        return UNSUITABLE; /* reading it tells what is wrong */
    return error == EIO || error == EOVERFLOW ? FW_ESYSTEM : FW_EGONE;
}

/* There is no MSG_NOSIGNAL for it, and the application may have set SIGPIPE to its default. A signal that is
 * held back is still pending: it is taken off before it can end the process. */
static int64_t system_sendfile(int socket, int file, int64_t offset, size_t count)
{
    for (;;) {
#if defined(HAVE_LINUX_SENDFILE)
        off_t at = (off_t)offset;
        ssize_t sent = sendfile(socket, file, &at, count);
        if (sent >= 0)
            return sent;
#elif defined(HAVE_FREEBSD_SENDFILE)
        off_t sent = 0;
        if (sendfile(file, socket, (off_t)offset, count, NULL, &sent, 0) == 0 || sent > 0)
            return sent;
#else
        off_t sent = (off_t)count;
        if (sendfile(file, socket, (off_t)offset, &sent, NULL, 0) == 0 || sent > 0)
            return sent;
#endif
        if (errno != EINTR)
            return outcome(errno);
    }
}

static int64_t unsignalled_sendfile(int socket, int file, int64_t offset, size_t count)
{
    static const struct timespec at_once = {0, 0};
    sigset_t pipe, former, pending;
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, &former);
    int64_t sent = system_sendfile(socket, file, offset, count);
    /* Also when bytes went: the client may have left behind the first of them. */
    bool whole = sent >= 0 && (size_t)sent == count;
    if (!whole && !sigismember(&former, SIGPIPE) && sigpending(&pending) == 0 &&
        sigismember(&pending, SIGPIPE))
        TAKE_SIGNAL(&pipe, &at_once);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    return sent;
}

int64_t fw__sendfile(int socket, int file, int64_t offset, size_t count, char *buffer, size_t size)
{
    int64_t sent = unsignalled_sendfile(socket, file, offset, count);
    return sent == UNSUITABLE ? copy_file(socket, file, offset, count, buffer, size) : sent;
}

#else

int64_t fw__sendfile(int socket, int file, int64_t offset, size_t count, char *buffer, size_t size)
{
    return copy_file(socket, file, offset, count, buffer, size);
}

#endif
