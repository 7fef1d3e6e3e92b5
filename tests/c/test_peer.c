/* test_peer.c -- who is at the other end of a unix socket: the way of the BSDs, with their call played, that of
 * this system, and that of systems which do not tell. */
#include "error.h"
#include "fapws.h"
#include "check.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static int answer;

static int played_getpeereid(int fd, uid_t *user, gid_t *group)
{
    *user = (uid_t)fd + 1;
    *group = (gid_t)fd + 2;
    return answer;
}

int fw_played_peer_ids(int fd, uint32_t *user, uint32_t *group);
int fw_untold_peer_ids(int fd, uint32_t *user, uint32_t *group);
#define FW_PORTABLE
#define fw_peer_ids fw_untold_peer_ids
#include "sys/peer.c"
#undef FW_PORTABLE
#undef fw_peer_ids

#pragma push_macro("__linux__")
#undef __linux__
#ifndef __OpenBSD__
#define __OpenBSD__ 1
#endif
#define getpeereid played_getpeereid
#define fw_peer_ids fw_played_peer_ids
#include "sys/peer.c"
#undef fw_peer_ids
#undef getpeereid
#pragma pop_macro("__linux__")

TEST(getpeereid_is_asked_and_its_error_is_one)
{
    uint32_t user = 0, group = 0;
    CHECK(fw_played_peer_ids(40, &user, &group) == 1 && user == 41 && group == 42);
    answer = -1;
    CHECK(fw_played_peer_ids(40, &user, &group) == FW_ESYSTEM);
    answer = 0;
}

TEST(elsewhere_nobody_tells)
{
    uint32_t user = 7, group = 8;
    CHECK(fw_untold_peer_ids(0, &user, &group) == 0 && user == 7 && group == 8);
}

TEST(this_system_tells_of_ourselves)
{
    int ends[2];
    uint32_t user = 0, group = 0;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(fw_peer_ids(ends[0], &user, &group) == 1 && user == geteuid() && group == getegid());
    close(ends[0]);
    close(ends[1]);
    CHECK(fw_peer_ids(-1, &user, &group) == FW_ESYSTEM);
}
