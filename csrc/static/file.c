/* static/file.c -- see file.h.
 * A small file is read whole, between two looks at its time and size: what was rewritten meanwhile is read again, so
 * that a response never has bytes of two states under one ETag. */
#include "static/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http/date.h"
#include "static/types.h"
#include "sys/beneath.h"

#define FIELDS_SIZE 768   /* bytes of the fields that describe a file */
#define TRIES 3           /* readings of a file that is being written to */
#define SETTLED_SECONDS 2 /* no file system's times are coarser */

#ifdef __APPLE__
#define MTIME(status) (status)->st_mtimespec
#define CTIME(status) (status)->st_ctimespec
#else
#define MTIME(status) (status)->st_mtim
#define CTIME(status) (status)->st_ctim
#endif

/* ---- The state of a file ------------------------------------------------------------------------------- */

static fw_file_stamp stamp_of(const struct stat *known)
{
    fw_file_stamp stamp = {.device = known->st_dev,
                           .inode = known->st_ino,
                           .size = (uint64_t)known->st_size,
                           .modified = (int64_t)MTIME(known).tv_sec,
                           .changed = (int64_t)CTIME(known).tv_sec,
                           .modified_ns = (long)MTIME(known).tv_nsec,
                           .changed_ns = (long)CTIME(known).tv_nsec};
    return stamp;
}

static bool same_content(const fw_file_stamp *one, const fw_file_stamp *other)
{
    return one->size == other->size && one->modified == other->modified &&
           one->modified_ns == other->modified_ns;
}

static bool same_file(const fw_file_stamp *one, const fw_file_stamp *other)
{
    return same_content(one, other) && one->device == other->device && one->inode == other->inode &&
           one->changed == other->changed && one->changed_ns == other->changed_ns;
}

bool fw__file_rewritten(const fw_static_file *file)
{
    struct stat now;
    if (file->fd < 0)
        return false;
    if (fstat(file->fd, &now))
        return true;
    fw_file_stamp stamp = stamp_of(&now);
    return !same_content(&stamp, &file->stamp);
}

bool fw__file_settled(const fw_static_file *file, int64_t now)
{
    return now > file->stamp.changed && now - file->stamp.changed > SETTLED_SECONDS;
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

static int status_of(int error)
{
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return 503;
    return error == EIO ? 500 : 404;
}

/* The descriptor of a regular file, or -1. A folder is told as such (308). */
static int open_regular(int folder, const char *name, fw_file_stamp *stamp, int *status)
{
    struct stat known;
    int fd = fw__open_beneath(folder, name);
    if (fd < 0) {
        *status = status_of(-fd);
        return -1;
    }
    *status = 404;
    if (fstat(fd, &known) == 0) {
        if (S_ISREG(known.st_mode)) {
            *stamp = stamp_of(&known);
            return fd;
        }
        if (S_ISDIR(known.st_mode))
            *status = 308;
    }
    close(fd);
    return -1;
}

static bool read_whole(int fd, char *content, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, content + done, size - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* Its bytes into memory, and the descriptor is closed. */
static int read_small(fw_static_file *file)
{
    size_t size = (size_t)file->stamp.size;
    file->content = malloc(size + 1); /* never 0 */
    if (!file->content)
        return 503;
    if (!read_whole(file->fd, file->content, size) || fw__file_rewritten(file))
        return -1; /* to be opened again */
    close(file->fd);
    file->fd = -1;
    file->open[0]--;
    file->weight += size;
    return 200;
}

/* ---- What responses say of it ---------------------------------------------------------------------------- */

/* The fields, in the order of fw_static_file, each part from the end of the one before to its own. */
typedef struct {
    size_t etag, common, content, length;
    char text[FIELDS_SIZE];
} fields;

#define ADD(to, at, ...)                                                                           \
    ((at) + (size_t)snprintf((to)->text + (at), sizeof(to)->text - (at), __VA_ARGS__))

static void write_fields(const fw_file_stamp *stamp, const char *name, fields *out)
{
    char date[FW_DATE_SIZE];
    int64_t now = (int64_t)time(NULL);
    unsigned long long size = stamp->size, second = (unsigned long long)stamp->modified,
                       inode = stamp->inode;
    out->etag = ADD(out, 0, "ETag: \"%llx-%llx.%lx-%llx\"\r\n", size, second,
                    (unsigned long)stamp->modified_ns, inode);
    out->common = ADD(out, out->etag, "Cache-Control: no-cache\r\n");
    out->content = out->common;
    /* RFC 9110 8.8.2.1: never later than Date */
    if (fw_write_date((time_t)(stamp->modified > now ? now : stamp->modified), date))
        out->content = ADD(out, out->content, "Last-Modified: %s\r\n", date);
    out->content = ADD(out, out->content,
                       "Content-Type: %s\r\nAccept-Ranges: bytes\r\n"
                       "X-Content-Type-Options: nosniff\r\n",
                       fw__media_type(name));
    out->length = ADD(out, out->content, "Content-Length: %llu\r\n", size);
}

#define ETAG_NAME (sizeof "ETag: " - 1)

static fw_static_file *describe(int fd, const fw_file_stamp *stamp, const char *name,
                                uint32_t *open)
{
    fields told;
    write_fields(stamp, name, &told);
    fw_static_file *file = malloc(sizeof *file + told.length);
    if (!file)
        return NULL;
    *file =
        (fw_static_file){.users = 1,
                         .fd = fd,
                         .open = open,
                         .stamp = *stamp,
                         .weight = sizeof *file + told.length,
                         .etag = {file->text + ETAG_NAME, told.etag - ETAG_NAME - 2},
                         .common = {file->text, told.common},
                         .content_fields = {file->text + told.common, told.content - told.common},
                         .length = {file->text + told.content, told.length - told.content}};
    memcpy(file->text, told.text, told.length);
    ++*open;
    return file;
}

/* ---- Together -------------------------------------------------------------------------------------------- */

void fw__file_release(fw_static_file *file)
{
    if (--file->users)
        return;
    if (file->fd >= 0) {
        close(file->fd);
        file->open[0]--;
    }
    free(file->content);
    free(file);
}

static fw_static_file *make(int fd, const fw_file_stamp *stamp, const char *name, uint32_t *open,
                            int *status)
{
    fw_static_file *file = describe(fd, stamp, name, open);
    *status = 503;
    if (!file) {
        close(fd);
        return NULL;
    }
    *status = stamp->size <= FW_SMALL_FILE ? read_small(file) : 200;
    if (*status == 200)
        return file;
    fw__file_release(file);
    return NULL;
}

fw_static_file *fw__file_open(int folder, const char *name, fw_static_file *known, uint32_t *open,
                              int *status)
{
    for (int i = 0; i < TRIES; i++) {
        fw_file_stamp stamp;
        int fd = open_regular(folder, name, &stamp, status);
        if (fd < 0)
            return NULL;
        if (known && same_file(&stamp, &known->stamp)) {
            close(fd);
            known->users++;
            *status = 200;
            return known;
        }
        fw_static_file *file = make(fd, &stamp, name, open, status);
        if (file || *status > 0)
            return file;
    }
    *status = 503; /* somebody writes to it all the time */
    return NULL;
}
