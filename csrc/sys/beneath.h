/* sys/beneath.h -- opens what lies below a directory, and nothing else. */
#ifndef FAPWS_SYS_BENEATH_H
#define FAPWS_SYS_BENEATH_H

/* Which symbolic links are followed: none; those that do not leave the directory; of these, those whose owner has
 * what they lead to, too. */
typedef enum { FW_LINKS_NO, FW_LINKS_YES, FW_LINKS_OWNER } fw_links;

/* path: relative, segments between single slashes, none of them "." or "..". For reading; never waits for the other
 * end of a FIFO. -errno on failure: ELOOP, ENOTDIR, EXDEV or EACCES for a link that is not followed. */
int fw__open_beneath(int root, const char *path, fw_links links);

#endif
