/* sys/beneath.c -- see beneath.h.
 * Linux has one call for it, openat2(); elsewhere, with FW_PORTABLE, and where a kernel or a sandbox does not
 * know that call, each directory on the way is opened from the one before.
 * Never:  looks at a name before it opens it: what was looked at could be replaced meanwhile. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* O_PATH, syscall */
#endif
#include "sys/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sys/links.h"
#include "sys/open_at.h"

#if defined(__linux__) && !defined(FW_PORTABLE) && defined(__has_include)
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#include <sys/syscall.h>
#ifdef SYS_openat2
#define HAVE_OPENAT2 1
#endif
#endif
#endif

#define SEGMENT_MAX 256 /* bytes with the NUL; file systems have names of up to 255 */

static int walk(int root, const char *path)
{
    char name[SEGMENT_MAX];
    int at = root;
    for (;;) {
        const char *slash = strchr(path, '/');
        size_t len = slash ? (size_t)(slash - path) : strlen(path);
        int next = -ENAMETOOLONG;
        if (len < sizeof name) {
            memcpy(name, path, len);
            name[len] = '\0';
            next = fw__open_at(at, name, slash ? FW_OPEN_PASS : FW_OPEN_READ);
        }
        if (at != root)
            close(at);
        if (next < 0 || !slash)
            return next;
        at = next;
        path = slash + 1;
    }
}

static int walk_as_told(int root, const char *path, fw_links links)
{
    return links == FW_LINKS_NO ? walk(root, path)
                                : fw__open_by_links(root, path, links == FW_LINKS_OWNER);
}

#ifdef HAVE_OPENAT2

int fw__open_beneath(int root, const char *path, fw_links links)
{
    struct open_how how = {.flags = FW_OPEN_READ | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd;
    if (links == FW_LINKS_OWNER) /* the call knows nothing of owners */
        return walk_as_told(root, path, links);
    if (links == FW_LINKS_NO)
        how.resolve |= RESOLVE_NO_SYMLINKS;
    do {
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    } while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return (int)fd;
    /* EPERM: a sandbox that was made before there was this call. EAGAIN: something was renamed meanwhile. */
    return errno == ENOSYS || errno == EPERM || errno == EAGAIN ? walk_as_told(root, path, links)
                                                                : -errno;
}

#else

int fw__open_beneath(int root, const char *path, fw_links links)
{
    return walk_as_told(root, path, links);
}

#endif
