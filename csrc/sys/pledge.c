/* sys/pledge.c -- what a process promises not to do any more: pledge(2) and unveil(2) of OpenBSD.
 * Elsewhere both are refused: a promise that no kernel enforces must not look like one. */
#include <stddef.h>

#include "error.h"
#include "fapws.h"

#if defined(__OpenBSD__)

#include <unistd.h>

int fw_pledge(const char *promises)
{
    return pledge(promises, NULL) ? FW_ESYSTEM : 0;
}

int fw_unveil(const char *path, const char *permissions)
{
    return unveil(path, permissions) ? FW_ESYSTEM : 0;
}

#else

int fw_pledge(const char *promises)
{
    (void)promises;
    return FW_ESTATE;
}

int fw_unveil(const char *path, const char *permissions)
{
    (void)path;
    (void)permissions;
    return FW_ESTATE;
}

#endif
