/* sys/beneath.h -- opens what lies below a directory, and nothing else. */
#ifndef FAPWS_SYS_BENEATH_H
#define FAPWS_SYS_BENEATH_H

/* path: relative, segments between single slashes, none of them "." or "..". No symbolic link is followed on
 * the way nor at its end. For reading; never waits for the other end of a FIFO. -errno on failure: ELOOP or
 * ENOTDIR for a link. */
int fw__open_beneath(int root, const char *path);

#endif
