/* test_stacks.c -- a text that a signal's handler writes, on a socket that carries messages too. */
#include "fapws.h"
#include "check.h"
#include "error.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int target; /* what the handler that is wrapped writes to */

static void dump(int signum)
{
    (void)signum;
    CHECK(write(target, "one\n", 4) == 4);
    CHECK(write(target, "two\n", 4) == 4);
}

static void dump_by_three(int signum, siginfo_t *info, void *context)
{
    CHECK(info && context);
    dump(signum);
}

static void handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK(sigemptyset(&action.sa_mask) == 0);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
}

/* What has come by now. */
static size_t take(int fd, char *room, size_t size)
{
    ssize_t got = recv(fd, room, size, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

TEST(stacks_stand_between_their_marks)
{
    int ends[2];
    char room[64];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    target = ends[0];
    handle(dump);
    CHECK(fw_wrap_stacks(SIGUSR2, ends[0]) == 0);
    CHECK(fw_wrap_stacks(SIGUSR2, ends[0]) == 0); /* once is enough */
    CHECK(raise(SIGUSR2) == 0);
    CHECK(take(ends[1], room, sizeof room) == 10 && memcmp(room, "Sone\ntwo\n\0", 10) == 0);
    CHECK(fw_unwrap_stacks(SIGUSR2) == 1);
    CHECK(raise(SIGUSR2) == 0);
    CHECK(take(ends[1], room, sizeof room) == 8); /* the handler alone */
    CHECK(fw_unwrap_stacks(SIGUSR2) == 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_handler_of_three_arguments_gets_them)
{
    int ends[2];
    char room[64];
    struct sigaction action = {.sa_sigaction = dump_by_three, .sa_flags = SA_SIGINFO};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    target = ends[0];
    CHECK(sigemptyset(&action.sa_mask) == 0);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(fw_wrap_stacks(SIGUSR2, ends[0]) == 0);
    CHECK(raise(SIGUSR2) == 0);
    CHECK(take(ends[1], room, sizeof room) == 10 && memcmp(room, "Sone\ntwo\n\0", 10) == 0);
    CHECK(fw_unwrap_stacks(SIGUSR2) == 1);
    close(ends[0]);
    close(ends[1]);
}

TEST(another_file_that_gets_the_number_gets_no_stack)
{
    int ends[2], others[2];
    char room[64];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, others) == 0);
    target = ends[0];
    handle(dump);
    CHECK(fw_wrap_stacks(SIGUSR2, ends[0]) == 0);
    CHECK(dup2(others[0], ends[0]) == ends[0]);
    CHECK(raise(SIGUSR2) == 0);
    CHECK(take(others[1], room, sizeof room) == 0);
    CHECK(fw_unwrap_stacks(SIGUSR2) == 1);
    close(ends[0]);
    close(ends[1]);
    close(others[0]);
    close(others[1]);
}

TEST(what_is_not_handled_is_not_wrapped)
{
    handle(SIG_DFL);
    CHECK(fw_wrap_stacks(SIGUSR2, 0) == FW_ESTATE);
    handle(SIG_IGN);
    CHECK(fw_wrap_stacks(SIGUSR2, 0) == FW_ESTATE);
    handle(dump);
    CHECK(fw_wrap_stacks(SIGUSR2, -1) == FW_ESYSTEM);
    CHECK(fw_unwrap_stacks(SIGUSR2) == 0);
    handle(SIG_DFL);
}

#define MESSAGE                                                                                    \
    3000000 /* bytes: more than a socket holds, so that its sender waits in the middle */

static char message[MESSAGE];

static void *send_it(void *fd)
{
    CHECK(fw_send_message(*(int *)fd, message, sizeof message) == 0);
    return NULL;
}

TEST(a_stack_waits_for_the_end_of_a_message)
{
    int ends[2];
    char room[4096];
    pthread_t sender;
    size_t got = 0;
    memset(message, 'm', sizeof message);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    target = ends[0];
    handle(dump);
    CHECK(fw_wrap_stacks(SIGUSR2, ends[0]) == 0);
    CHECK(pthread_create(&sender, NULL, send_it, &ends[0]) == 0);
    CHECK(recv(ends[1], room, 1, 0) == 1 && room[0] == 'm'); /* it is in the middle of it */
    CHECK(raise(SIGUSR2) == 0);
    for (got = 1; got < MESSAGE;) {
        size_t rest = MESSAGE - got;
        ssize_t more = recv(ends[1], room, rest < sizeof room ? rest : sizeof room, 0);
        CHECK(more > 0 && memchr(room, 'S', (size_t)more) == NULL);
        got += (size_t)more;
    }
    CHECK(pthread_join(sender, NULL) == 0);
    CHECK(recv(ends[1], room, 10, MSG_WAITALL) == 10 && memcmp(room, "Sone\ntwo\n\0", 10) == 0);
    CHECK(fw_unwrap_stacks(SIGUSR2) == 1);
    close(ends[1]);
    CHECK(fw_send_message(ends[0], "x", 1) == FW_ESYSTEM);
    close(ends[0]);
}
