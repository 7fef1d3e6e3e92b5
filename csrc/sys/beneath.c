/* sys/beneath.c -- see beneath.h.
 * Linux has one call for it, openat2(); elsewhere, with FW_PORTABLE, and where a kernel or a sandbox does not
 * know that call, each directory on the way is opened from the one before.
 * What is found is opened by its descriptor's name in /proc: nothing can be put in its place. Where there is no
 * /proc, as in most folders for chroot, and elsewhere it is opened by its own name once it has been looked at: what
 * is put there in between is opened, without waiting for anything, and closed again.
 * Never:  believes a look at a name: what was looked at could be replaced meanwhile. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* O_PATH, syscall */
#endif
#include "sys/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static int walk(int root, const char *path, fw_found *found)
{
    char name[SEGMENT_MAX];
    int at = root;
    for (;;) {
        const char *slash = strchr(path, '/');
        size_t len = slash ? (size_t)(slash - path) : strlen(path);
        int code = -ENAMETOOLONG, next = -1;
        if (len < sizeof name) {
            memcpy(name, path, len);
            name[len] = '\0';
            code = slash ? fw__open_at(at, name, FW_OPEN_PASS) : fw__find_at(at, name, found);
            next = code;
        }
        if (at != root)
            close(at);
        if (code < 0 || !slash)
            return code;
        at = next;
        path = slash + 1;
    }
}

static int walk_as_told(int root, const char *path, fw_links links, fw_found *found)
{
    return links == FW_LINKS_NO ? walk(root, path, found)
                                : fw__find_by_links(root, path, links == FW_LINKS_OWNER, found);
}

#ifdef HAVE_OPENAT2

static int find(int root, const char *path, fw_links links, fw_found *found)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd;
    if (links == FW_LINKS_OWNER) /* the call knows nothing of owners */
        return walk_as_told(root, path, links, found);
    if (links == FW_LINKS_NO)
        how.resolve |= RESOLVE_NO_SYMLINKS;
    do {
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    } while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return fw__take_found((int)fd, false, found);
    /* EPERM: a sandbox that was made before there was this call. EAGAIN: something was renamed meanwhile. */
    return errno == ENOSYS || errno == EPERM || errno == EAGAIN
               ? walk_as_told(root, path, links, found)
               : -errno;
}

#else

static int find(int root, const char *path, fw_links links, fw_found *found)
{
    return walk_as_told(root, path, links, found);
}

#endif

int fw__find_beneath(int root, const char *path, fw_links links, fw_found *found)
{
    found->readable = false;
    return find(root, path, links, found);
}

#ifdef FW_OPENED_LATER

/* -errno where there is no /proc. */
static int open_by_descriptor(int fd)
{
    char name[32];
    int opened;
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    do {
        opened = open(name, FW_OPEN_READ | O_CLOEXEC);
    } while (opened < 0 && errno == EINTR);
    return opened < 0 ? -errno : opened;
}

#else

static int open_by_descriptor(int fd)
{
    (void)fd;
    return -ENOENT;
}

#endif

int fw__open_found(int root, const char *path, fw_links links, fw_found *found)
{
    fw_found now = {.readable = true};
    if (found->readable)
        return 0;
    int fd = open_by_descriptor(found->fd);
    close(found->fd); /* descriptors may be so short that its own is needed */
    found->fd = -1;
    int code = fd < 0 ? walk_as_told(root, path, links, &now) : fw__take_found(fd, true, &now);
    if (code)
        return code;
    if (!fw__same_place(&now.is, &found->is)) {
        close(now.fd);
        return -ESTALE;
    }
    *found = now;
    return 0;
}

int fw__open_beneath(int root, const char *path, fw_links links)
{
    fw_found found;
    int code = fw__find_beneath(root, path, links, &found);
    if (code)
        return code;
    code = fw__open_found(root, path, links, &found);
    return code ? code : found.fd;
}
