/* sys/read_at.h -- reads a part of a file whole: some file systems give less at once. */
#ifndef FAPWS_SYS_READ_AT_H
#define FAPWS_SYS_READ_AT_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* How many bytes there were, up to size; -1: errno says why there are none. The file's own offset is not moved. */
static inline ssize_t fw__read_at(int file, int64_t offset, char *room, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(file, room + done, size - done, (off_t)(offset + (int64_t)done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

#endif
