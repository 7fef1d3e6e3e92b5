/* sys/low_water.c -- how much of what a client sends waits in the kernel, and when the kernel tells of it.
 * Never:  keeps state. Elsewhere than on Linux, and with FW_PORTABLE, a socket has no mark: there the kernel
 *         holds no more than a fixed buffer, and a mark above it would never be reached. */
#include "sys/sockets.h"

#include <netinet/in.h>
#include <sys/ioctl.h>

int64_t fw__receivable(int fd)
{
    int bytes;
    return ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : -1;
}

#if defined(__linux__) && !defined(FW_PORTABLE)

/* Linux makes a TCP socket's buffer as large as the mark asks for, but no larger than half of net.ipv4.tcp_rmem
 * allows, and tells of what is there when the window is nearly full. It ignores marks of unix sockets. */
bool fw__low_water(int fd, size_t bytes)
{
    int mark = (int)bytes, protocol = 0;
    socklen_t len = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) || protocol != IPPROTO_TCP)
        return false;
    return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0;
}

#else

bool fw__low_water(int fd, size_t bytes)
{
    (void)fd;
    (void)bytes;
    return false;
}

#endif
