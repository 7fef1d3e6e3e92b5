/* sys/sockets.h -- the socket calls of the core, which differ between operating systems (sockets.c,
 * sendfile.c). errno is not passed on: the calls return FW_MORE, FW_EGONE or FW_ESYSTEM of error.h, and
 * those that accept return -errno. */
#ifndef FAPWS_SYS_SOCKET_H
#define FAPWS_SYS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define FW_PEER_SIZE 56 /* "address\nport" of a client; the longest IPv6 text has 45 bytes */
#define FW_UNSENT_MAX                                                                              \
    16384 /* bytes in the kernel beyond the client's window, see fw__bound_unsent() */

int fw__accept(int listener, struct sockaddr *address,
               socklen_t *len); /* non-blocking, CLOEXEC; or -errno */
/* Bytes sent, FW_EGONE, or FW_MORE: would block. more: something else follows at once. */
ssize_t fw__send(int fd, const struct iovec *pieces, int count, bool more);
/* Bytes, 0: end, FW_EGONE, or FW_MORE: nothing there. */
ssize_t fw__recv(int fd, void *room, size_t len);
int64_t
fw__receivable(int fd); /* low_water.c: bytes that have come and were not read; -1: not known */
/* low_water.c: the set tells of bytes that came only when there are so many, or the kernel has room for no more,
 * or the client sends no more. False: it cannot, and tells at once. 1: as usual. */
bool fw__low_water(int fd, size_t bytes);
bool fw__pending(int fd);                /* whether bytes have come that were not read */
bool fw__join_pieces(int fd, bool join); /* TCP_NODELAY off or on; false: not a TCP socket */
int fw__set_nonblocking(int fd);
/* Bytes the kernel holds that the client has not taken; -1: not known. */
int64_t fw__unsent(int fd);
void fw__bound_unsent(int fd); /* the kernel takes no more than FW_UNSENT_MAX ahead of the client */
void fw__reset_on_close(int fd); /* the next close() sends RST, so a response cut short looks cut */
bool fw__resets_on_close(int fd);
int fw__temporary_file(const char *directory); /* unlinked, CLOEXEC; -1 on failure */
/* Bytes of a file to a socket: how many, 0 at the file's end, FW_MORE, FW_EGONE or FW_ESYSTEM. buffer is
 * for systems that have to copy; it may be overwritten. */
int64_t fw__sendfile(int socket, int file, int64_t offset, size_t count, char *buffer, size_t size);
/* "address\nport" into FW_PEER_SIZE bytes; how many they are. */
size_t fw__format_peer(const struct sockaddr *address, char *text);

#endif
