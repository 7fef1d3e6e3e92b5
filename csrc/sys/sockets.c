/* sys/sockets.c -- what differs between operating systems, and nothing else.
 * FW_PORTABLE forces the fallbacks, so that tests reach them everywhere.
 * Never:  keeps state, retries for longer than EINTR. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* accept4 */
#endif
#include "sys/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h> /* TCP_NOTSENT_LOWAT: Linux, macOS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"
#include "fapws.h"

#if defined(__linux__)
#include <linux/sockios.h> /* SIOCOUTQ */
#elif defined(__FreeBSD__) || defined(__NetBSD__)
#include <sys/filio.h> /* FIONWRITE */
#endif

/* With the flag from the start: a thread of the application may fork and exec at any time. */
#if !defined(FW_PORTABLE) &&                                                                       \
    (defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) ||  \
     defined(__DragonFly__) || defined(__APPLE__))
#define HAVE_MKOSTEMP
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: the process ignores SIGPIPE */
#endif

#if defined(FW_PORTABLE) || !defined(MSG_MORE)
#undef MSG_MORE
#define MSG_MORE 0 /* Linux: something follows, do not send a small segment yet */
#endif

#if !defined(FW_PORTABLE) &&                                                                       \
    (defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__))
#define HAVE_ACCEPT4 1
#endif

int fw__set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return FW_ESYSTEM;
    return 0;
}

bool fw__join_pieces(int fd, bool join)
{
    int at_once = !join;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once) == 0;
}

static int prepare_accepted(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fw__set_nonblocking(fd) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

/* An application that has closed 0, 1 or 2 must not find a client's connection or content there: what it or a
 * library of C prints would go into it. */
static int off_the_standard_streams(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(fd);
    errno = error;
    return higher;
}

static int accept_one(int listener, struct sockaddr *address, socklen_t *len)
{
    int fd;
#ifdef HAVE_ACCEPT4
    do {
        fd = accept4(listener, address, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return fd;
    if (errno != ENOSYS && errno != EPERM) /* else a sandbox that knows only older calls */
        return -errno;
#endif
    do {
        fd = accept(listener, address, len);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : prepare_accepted(fd);
}

int fw__accept(int listener, struct sockaddr *address, socklen_t *len)
{
    int fd = accept_one(listener, address, len);
    if (fd < 0)
        return fd;
    fd = off_the_standard_streams(fd);
    return fd < 0 ? -errno : fd;
}

int fw_accept(int listener)
{
    return fw__accept(listener, NULL, NULL);
}

ssize_t fw__send(int fd, const struct iovec *pieces, int count, bool more)
{
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    ssize_t sent;
    do {
        if (count == 1) {
            sent = send(fd, pieces->iov_base, pieces->iov_len, flags);
        } else {
            struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces};
            message.msg_iovlen =
                (__typeof__(message.msg_iovlen))count; /* int, unsigned or size_t */
            sent = sendmsg(fd, &message, flags);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    /* ENOBUFS: the BSDs say so when the interface's queue is full; it passes. */
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        return FW_MORE;
    return FW_EGONE;
}

ssize_t fw__recv(int fd, void *room, size_t len)
{
    ssize_t got;
    do {
        got = recv(fd, room, len, 0);
    } while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    return errno == EAGAIN || errno == EWOULDBLOCK ? FW_MORE : FW_EGONE;
}

bool fw__pending(int fd)
{
    char byte;
    ssize_t got;
    do {
        got = recv(fd, &byte, 1, MSG_PEEK);
    } while (got < 0 && errno == EINTR);
    return got > 0;
}

int64_t fw__unsent(int fd)
{
#if defined(FW_PORTABLE)
    (void)fd;
#elif defined(SIOCOUTQ)  /* Linux */
    int bytes;
    if (ioctl(fd, SIOCOUTQ, &bytes) == 0)
        return bytes;
#elif defined(FIONWRITE) /* FreeBSD, NetBSD */
    int bytes;
    if (ioctl(fd, FIONWRITE, &bytes) == 0)
        return bytes;
#elif defined(SO_NWRITE) /* macOS */
    int bytes;
    socklen_t len = sizeof bytes;
    if (getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &len) == 0)
        return bytes;
#else
    (void)fd;
#endif
    return -1;
}

void fw__bound_unsent(int fd)
{
#if defined(TCP_NOTSENT_LOWAT)
    int bytes = FW_UNSENT_MAX;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes); /* not on unix */
#else
    (void)fd;
#endif
}

void fw__reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger); /* best effort */
}

bool fw__resets_on_close(int fd)
{
    struct linger linger = {.l_onoff = 0};
    socklen_t len = sizeof linger;
    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 && linger.l_onoff;
}

int fw__temporary_file(const char *directory)
{
    char path[1024];
    int written = snprintf(path, sizeof path, "%s/fapws-XXXXXX", directory);
    if (written < 0 || (size_t)written >= sizeof path)
        return -1;
#ifdef HAVE_MKOSTEMP
    int fd = mkostemp(path, O_CLOEXEC);
#else
    int fd = mkstemp(path);
#endif
    if (fd < 0)
        return -1;
    (void)unlink(path);
#ifndef HAVE_MKOSTEMP
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    return off_the_standard_streams(fd);
}

static size_t format_number(unsigned number, char *text)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    for (size_t i = 0; i < count; i++)
        text[i] = digits[count - 1 - i];
    return count;
}

static size_t format_ipv4(const unsigned char *bytes, char *text)
{
    size_t len = 0;
    for (int i = 0; i < 4; i++) {
        if (i)
            text[len++] = '.';
        len += format_number(bytes[i], text + len);
    }
    return len;
}

static size_t format_ipv6(const struct in6_addr *address, char *text)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(address->s6_addr, mapped, sizeof mapped) == 0)
        return format_ipv4(address->s6_addr + 12, text);
    if (!inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN))
        return 0;
    return strlen(text);
}

size_t fw__format_peer(const struct sockaddr *address, char *text)
{
    size_t len = 0;
    unsigned port = 0;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        len = format_ipv4((const unsigned char *)&in.sin_addr, text);
        port = ntohs(in.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        len = format_ipv6(&in6.sin6_addr, text);
        port = ntohs(in6.sin6_port);
    }
    text[len++] = '\n';
    if (len > 1)
        len += format_number(port, text + len);
    return len;
}
