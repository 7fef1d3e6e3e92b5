/* sys/title.c -- the name under which ps shows this process.
 * The BSDs have setproctitle(). Linux shows the argument area of the process, so that is overwritten:
 * its own bytes only, never the environment behind it, which getenv() still reads.
 * Elsewhere, and where the area cannot be found, nothing happens. */
#include "error.h"
#include "fapws.h"

#if defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)

#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

int fw_set_title(const char *title)
{
#if defined(__FreeBSD__) || defined(__DragonFly__)
    setproctitle("-%s", title); /* "-": without the program's name in front */
#else
    setproctitle("%s", title);
#endif
    return 0;
}

#elif defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STATE_FIELD 3      /* of /proc/self/stat, proc(5): the first one behind the name */
#define ARG_START_FIELD 48 /* address of the first byte of the arguments; the next field: the end */
#define AREA_MAX 65536     /* what is longer was not read rightly */

static int find_area(char **area, size_t *length)
{
    char text[2048];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FW_ESYSTEM;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0)
        return FW_ESYSTEM;
    text[len] = '\0';
    char *at = strrchr(text, ')'); /* the name may hold blanks and parentheses */
    for (int field = STATE_FIELD; at && field <= ARG_START_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return FW_ESYSTEM;
    char *rest;
    unsigned long first = strtoul(at, &rest, 10);
    unsigned long end = strtoul(rest, NULL, 10);
    if (first == 0 || end <= first || end - first > AREA_MAX)
        return FW_ESYSTEM;
    *area = (char *)first; /* NOLINT(performance-no-int-to-ptr) */
    *length = end - first;
    return 0;
}

/* The C library keeps a pointer to argv[0]. Where that is not in the area, the area is another program's
 * that runs this one: valgrind's own arguments, from which it still reads. The environment begins where
 * the arguments end; if it does not, the area is not what it seems. */
static bool is_ours(const char *area, size_t length)
{
    extern char **environ;
    const char *name = program_invocation_name;
    if (name < area || name >= area + length || area[length - 1] != '\0')
        return false;
    for (char **entry = environ; entry && *entry; entry++)
        if (*entry >= area && *entry < area + length)
            return false;
    return true;
}

/* Found once: a process that was forked below a chroot has another title, and no /proc. */
static char *start;
static size_t size;

int fw_set_title(const char *title)
{
    int code = start ? 0 : find_area(&start, &size);
    if (code)
        return code;
    if (!is_ours(start, size))
        return FW_ESTATE;
    prctl(PR_SET_NAME, (unsigned long)title, 0UL, 0UL, 0UL); /* the same for top; 15 bytes of it */
    size_t len = strlen(title);
    if (len > size - 1)
        len = size - 1;
    memcpy(start, title, len);
    memset(start + len, 0, size - len);
    return 0;
}

#else

int fw_set_title(const char *title)
{
    (void)title;
    return 0;
}

#endif
