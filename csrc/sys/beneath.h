/* sys/beneath.h -- opens what lies below a directory, and nothing else. */
#ifndef FAPWS_SYS_BENEATH_H
#define FAPWS_SYS_BENEATH_H

#include <stdbool.h>
#include <sys/stat.h>

/* Which symbolic links are followed: none; those that do not leave the directory; of these, those whose owner has
 * what they lead to, too. */
typedef enum { FW_LINKS_NO, FW_LINKS_YES, FW_LINKS_OWNER } fw_links;

/* What a path leads to: a regular file or a folder. */
typedef struct {
    int fd;
    bool readable; /* false: fd stands for it, and nothing can be read from it yet */
    struct stat is;
} fw_found;

/* Finds without opening, where the system can do that: no driver of a device and no other end of a FIFO hears of it.
 * -errno on failure; -ENXIO: it is neither file nor folder. The others: see fw__open_beneath(). */
int fw__find_beneath(int root, const char *path, fw_links links, fw_found *found);
/* Makes what was found by these words readable: 0, or -errno, and found is closed; -ESTALE: it cannot be reached
 * any more. */
int fw__open_found(int root, const char *path, fw_links links, fw_found *found);

/* Both at once. path: relative, segments between single slashes, none of them "." or "..". -errno on failure: ELOOP, ENOTDIR, EXDEV or EACCES for a link that is not followed. */
int fw__open_beneath(int root, const char *path, fw_links links);

#endif
