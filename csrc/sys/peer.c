/* sys/peer.c -- whose process is at the other end of a unix socket, as the kernel noted it at connect():
 * SO_PEERCRED of Linux, getpeereid(3) of the BSDs and macOS. Elsewhere nobody tells. */
#include "error.h"
#include "fapws.h"

#if !defined(FW_PORTABLE) && defined(__linux__)

#include <sys/socket.h>

int fw_peer_ids(int fd, uint32_t *user, uint32_t *group)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) || size != sizeof peer)
        return FW_ESYSTEM;
    *user = peer.uid;
    *group = peer.gid;
    return 1;
}

#elif !defined(FW_PORTABLE) &&                                                                     \
    (defined(__OpenBSD__) || defined(__FreeBSD__) || defined(__NetBSD__) ||                        \
     defined(__DragonFly__) || defined(__APPLE__))

#include <sys/types.h>
#include <sys/socket.h> /* OpenBSD declares it here, the others in unistd.h */
#include <unistd.h>

int fw_peer_ids(int fd, uint32_t *user, uint32_t *group)
{
    uid_t uid;
    gid_t gid;
    if (getpeereid(fd, &uid, &gid))
        return FW_ESYSTEM;
    *user = uid;
    *group = gid;
    return 1;
}

#else

int fw_peer_ids(int fd, uint32_t *user, uint32_t *group)
{
    (void)fd;
    (void)user;
    (void)group;
    return 0;
}

#endif
