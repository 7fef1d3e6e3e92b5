/* test_sendfile.c -- SIGPIPE of a client that leaves while a file is sent, on a system's call that is played:
 * real ones raise it in the middle once in many runs. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#if defined(__linux__)
#include <sys/sendfile.h>
static ssize_t played_sendfile(int socket, int file, off_t *offset, size_t count);
#define sendfile played_sendfile
#define fw__sendfile fw_played_sendfile
#include "sys/sendfile.c"
#undef fw__sendfile
#undef sendfile

static ssize_t sends;
static bool breaks;
static volatile sig_atomic_t signals;

static ssize_t played_sendfile(int socket, int file, off_t *offset, size_t count)
{
    (void)socket, (void)file, (void)offset, (void)count;
    if (breaks)
        (void)pthread_kill(pthread_self(), SIGPIPE);
    errno = EPIPE;
    return sends;
}

static void on_pipe(int number)
{
    (void)number;
    signals++;
}

static int64_t play(ssize_t result, bool broken)
{
    char buffer[16];
    sends = result;
    breaks = broken;
    signals = 0;
    (void)signal(SIGPIPE, on_pipe);
    return fw_played_sendfile(1, 0, 0, 1000, buffer, sizeof buffer);
}

TEST(a_client_that_was_gone_raises_no_signal)
{
    CHECK(play(-1, true) == FW_EGONE && signals == 0);
}

TEST(a_client_that_leaves_in_the_middle_raises_no_signal)
{
    CHECK(play(600, true) == 600 && signals == 0);
}

TEST(what_is_sent_is_told_and_the_mask_is_as_before)
{
    sigset_t now;
    CHECK(play(1000, false) == 1000 && signals == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0 && !sigismember(&now, SIGPIPE));
}

TEST(a_signal_that_the_application_holds_back_stays_pending)
{
    sigset_t pipe, pending;
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    CHECK(pthread_sigmask(SIG_BLOCK, &pipe, NULL) == 0);
    CHECK(play(600, true) == 600 && signals == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE));
    CHECK(pthread_sigmask(SIG_UNBLOCK, &pipe, NULL) == 0);
    CHECK(signals == 1);
}
#endif
