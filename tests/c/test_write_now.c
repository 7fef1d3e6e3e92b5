/* test_write_now.c -- lines to a log whose reader is slow, gone or absent. */
#include "fapws.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char line[5000];

/* How many bytes went before there was no room for one more; a write that waits hits the alarm. */
static long fill(int fd)
{
    long sent = 0;
    int64_t count;
    alarm(120);
    while ((count = fw_write_now(fd, line, sizeof line)) > 0)
        sent += count;
    while ((count = fw_write_now(fd, line, 1)) > 0)
        sent += count;
    CHECK(count == 0);
    alarm(0);
    return sent;
}

static bool blocks(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

TEST(a_pipe_takes_what_there_is_room_for_and_stays_blocking)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(fill(ends[1]) > 4000);
    CHECK(blocks(ends[1]));
    char room[70000];
    CHECK(read(ends[0], room, sizeof room) > 0);
    CHECK(fw_write_now(ends[1], "again\n", 6) == 6);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_socket_takes_what_there_is_room_for_and_stays_blocking)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(fill(ends[0]) > 4000);
    CHECK(blocks(ends[0]));
    close(ends[0]);
    close(ends[1]);
}

TEST(what_nobody_will_ever_read_is_told)
{
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(ends) == 0);
    close(ends[0]);
    CHECK(fw_write_now(ends[1], line, 10) == -1);
    close(ends[1]);
    CHECK(fw_write_now(ends[1], line, 10) == -1);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    close(ends[1]);
    CHECK(fw_write_now(ends[0], line, 10) == -1);
    close(ends[0]);
    int full = open("/dev/full", O_WRONLY);
    CHECK(full < 0 || fw_write_now(full, line, 10) == -1);
    close(full);
}

TEST(a_file_gets_all_of_it)
{
    char name[] = "/tmp/fapws-write-now-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && unlink(name) == 0);
    CHECK(fw_write_now(fd, line, sizeof line) == sizeof line);
    close(fd);
}
