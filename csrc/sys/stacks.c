/* sys/stacks.c -- the way of a worker's Python stacks to its master, whatever the worker is doing.
 * A handler of another's (faulthandler's) writes the text to a socket when a signal comes. It is wrapped here: a mark
 * stands before and behind the text, it never gets into the middle of a message on that socket, and never into another
 * file that has got the socket's number.
 * Owns:   what the handler needs. That belongs to no worker, because a signal hands nothing over; a process has one.
 * Never:  waits for a lock in the handler: what holds it may be the very code that the signal has interrupted. The
 *         signal is then sent again, by whoever gives the lock back. */
#include "error.h"
#include "fapws.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS; SIGPIPE is ignored here anyway */
#endif

#define BEGIN "S" /* before and behind the text, as fapws/messages.py reads it */
#define END "\0"

#define PAUSE_NS 1000000 /* between two looks whether the socket is free: a message takes less */

static struct sigaction wrapped; /* the other's */
static int channel = -1;
static int number; /* of the signal */
static struct stat known;
static atomic_bool busy;   /* somebody writes to the channel */
static atomic_bool missed; /* a signal came meanwhile */

static bool is_still_the_channel(void)
{
    struct stat found;
    return fstat(channel, &found) == 0 && found.st_dev == known.st_dev &&
           found.st_ino == known.st_ino;
}

static void mark(const char *byte)
{
    while (send(channel, byte, 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static void give_back(void)
{
    atomic_store(&busy, false);
    if (atomic_exchange(&missed, false))
        (void)kill(getpid(), number);
}

/* sa_flags has a sign in some C libraries, its bits in others. */
static bool takes_three(const struct sigaction *action)
{
    return ((unsigned)action->sa_flags & (unsigned)SA_SIGINFO) != 0;
}

/* CPython's handler takes one argument, PyPy's three. */
static void dump(int signum, siginfo_t *info, void *context)
{
    if (takes_three(&wrapped))
        wrapped.sa_sigaction(signum, info, context);
    else
        wrapped.sa_handler(signum);
}

static void on_signal(int signum, siginfo_t *info, void *context)
{
    int before = errno;
    if (atomic_exchange(&busy, true)) {
        atomic_store(&missed, true);
        if (!atomic_load(&busy) && atomic_exchange(&missed, false))
            (void)kill(getpid(), signum); /* given back since: whoever did has not seen the mark */
    } else {
        if (is_still_the_channel()) {
            mark(BEGIN);
            dump(signum, info, context);
            mark(END);
        }
        give_back();
    }
    errno = before;
}

static bool is_ours(int signum)
{
    struct sigaction now;
    return sigaction(signum, NULL, &now) == 0 && takes_three(&now) && now.sa_sigaction == on_signal;
}

int fw_wrap_stacks(int signum, int fd)
{
    struct sigaction now;
    struct stat found;
    if (is_ours(signum))
        return 0;
    if (sigaction(signum, NULL, &now) < 0 || fstat(fd, &found) < 0)
        return FW_ESYSTEM;
    if (!takes_three(&now) && (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN))
        return FW_ESTATE;
    wrapped = now;
    known = found;
    channel = fd;
    number = signum;
    now.sa_sigaction = on_signal;
    now.sa_flags |= SA_SIGINFO;
    return sigaction(signum, &now, NULL) < 0 ? FW_ESYSTEM : 0;
}

int fw_unwrap_stacks(int signum)
{
    if (!is_ours(signum))
        return 0;
    atomic_store(&busy, false); /* in a child, whoever wrote was another thread of the parent */
    return sigaction(signum, &wrapped, NULL) < 0 ? FW_ESYSTEM : 1;
}

int fw_send_message(int fd, const void *data, size_t len)
{
    const char *next = data;
    struct timespec pause = {.tv_nsec = PAUSE_NS};
    while (atomic_exchange(&busy, true))
        (void)nanosleep(&pause, NULL);
    while (len > 0) {
        ssize_t sent = send(fd, next, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            break;
        if (sent > 0) {
            next += sent;
            len -= (size_t)sent;
        }
    }
    give_back();
    return len == 0 ? 0 : FW_ESYSTEM;
}
