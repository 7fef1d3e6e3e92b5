/* static/file.c -- see file.h.
 * A small file is read whole, between two looks at its time and size: what was rewritten meanwhile is read again, so
 * that a response never has bytes of two states under one ETag. */
#include "static/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http/date.h"
#include "static/names.h"
#include "static/types.h"
#include "sys/beneath.h"
#include "sys/file_times.h"

#define VALUE_MAX 128     /* bytes of a type or Cache-Control; the settings have no longer ones */
#define FIELDS_SIZE 768   /* bytes of the fields that describe a file */
#define TRIES 3           /* readings of a file that is being written to */
#define SETTLED_SECONDS 2 /* no file system's times are coarser */

/* ---- The state of a file ------------------------------------------------------------------------------- */

static fw_file_stamp stamp_of(const struct stat *known)
{
    fw_file_stamp stamp = {.device = known->st_dev,
                           .inode = known->st_ino,
                           .size = (uint64_t)known->st_size,
                           .modified = (int64_t)FW_MTIME(known).tv_sec,
                           .changed = (int64_t)FW_CTIME(known).tv_sec,
                           .modified_ns = (long)FW_MTIME(known).tv_nsec,
                           .changed_ns = (long)FW_CTIME(known).tv_nsec};
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
    for (int i = 0; i < FW_ENCODINGS; i++)
        if (file->coded[i] && !fw__file_settled(file->coded[i], now))
            return false;
    return now > file->stamp.changed && now - file->stamp.changed > SETTLED_SECONDS;
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

static int status_of(int error)
{
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return 503;
    return error == EIO ? 500 : 404;
}

typedef struct {
    int fd; /* -1: none */
    fw_file_stamp stamp;
} opened;

/* A file and its siblings. */
#define ITSELF FW_ENCODINGS
typedef struct {
    opened all[FW_ENCODINGS + 1];
} family;

/* A regular file, and 200; a folder is told as such (308). */
static int open_regular(const fw_place *place, const char *name, opened *file)
{
    struct stat known;
    int status = 404, fd = fw__open_beneath(place->fd, name, place->links);
    if (fd < 0)
        return status_of(-fd);
    if (fstat(fd, &known) == 0) {
        if (S_ISREG(known.st_mode)) {
            file->stamp = stamp_of(&known);
            file->fd = fd;
            return 200;
        }
        if (S_ISDIR(known.st_mode))
            status = 308;
    }
    close(fd);
    return status;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t len = strlen(name), ending_len = strlen(ending);
    return len >= ending_len && strcmp(name + len - ending_len, ending) == 0;
}

static bool is_coded(const char *name)
{
    for (int i = 0; i < FW_ENCODINGS; i++)
        if (ends_with(name, fw__encodings[i].ending))
            return true;
    return false;
}

/* Without a descriptor, which may be short: most files have no siblings. */
static bool is_there(int folder, const char *name)
{
    struct stat known;
    return fstatat(folder, name, &known, AT_SYMLINK_NOFOLLOW) == 0;
}

static void close_family(const family *files)
{
    for (int i = 0; i <= ITSELF; i++)
        if (files->all[i].fd >= 0)
            close(files->all[i].fd);
}

static int open_family(const fw_place *place, const char *name, family *files)
{
    char sibling[FW_FILE_NAME];
    for (int i = 0; i <= ITSELF; i++)
        files->all[i].fd = -1;
    if (fw__media_type(name, place->types).len == 0)
        return 404; /* named there, so that the application serves it */
    int status = open_regular(place, name, &files->all[ITSELF]);
    if (status != 200 || is_coded(name))
        return status;
    for (int i = 0; i < FW_ENCODINGS; i++) {
        (void)snprintf(sibling, sizeof sibling, "%s%s", name, fw__encodings[i].ending);
        if (!is_there(place->fd, sibling))
            continue;
        status = open_regular(place, sibling, &files->all[i]);
        if (status ==
            503) { /* it may be there: without it the response would not say that it varies */
            close_family(files);
            return status;
        }
    }
    return 200;
}

static bool same_family(const family *files, const fw_static_file *known)
{
    if (!known || !same_file(&files->all[ITSELF].stamp, &known->stamp))
        return false;
    for (int i = 0; i < FW_ENCODINGS; i++) {
        const fw_static_file *coded = known->coded[i];
        if ((files->all[i].fd >= 0) != (coded != NULL) ||
            (coded && !same_file(&files->all[i].stamp, &coded->stamp)))
            return false;
    }
    return true;
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
    size_t etag, common, content, length, whole;
    size_t date; /* bytes of the one in Last-Modified, which is the first of the content's fields */
    char text[FIELDS_SIZE];
} fields;

#define ADD(to, at, ...)                                                                           \
    ((at) + (size_t)snprintf((to)->text + (at), sizeof(to)->text - (at), __VA_ARGS__))

typedef struct {
    const fw_place *place;
    const char *name;   /* that its type is told by */
    const char *coding; /* Content-Encoding; NULL: none */
    bool varies;        /* there are others of the family */
} description;

#define ETAG "ETag: "
#define LAST_MODIFIED "Last-Modified: "

/* Of a value that stands in a field, for %.*s. */
static int shown(fw_slice value)
{
    return (int)(value.len < VALUE_MAX ? value.len : VALUE_MAX);
}

/* Of a name that says which content it has, nobody asks whether it has changed. */
static size_t add_cache_control(const fw_place *place, const char *name, fields *out, size_t at)
{
    if (fw__name_is_of(place->immutable, name))
        return ADD(out, at, "Cache-Control: max-age=31536000, immutable\r\n");
    if (place->cache_control.len == 0)
        return at;
    return ADD(out, at, "Cache-Control: %.*s\r\n", shown(place->cache_control),
               place->cache_control.at);
}

static void write_fields(const fw_file_stamp *stamp, const description *what, fields *out)
{
    fw_slice type = fw__media_type(what->name, what->place->types);
    char date[FW_DATE_SIZE];
    int64_t now = (int64_t)time(NULL);
    unsigned long long size = stamp->size, second = (unsigned long long)stamp->modified,
                       inode = stamp->inode;
    out->etag = ADD(out, 0, ETAG "\"%llx-%llx.%lx-%llx\"\r\n", size, second,
                    (unsigned long)stamp->modified_ns, inode);
    out->common = add_cache_control(what->place, what->name, out, out->etag);
    if (what->varies)
        out->common = ADD(out, out->common, "Vary: Accept-Encoding\r\n");
    out->content = out->common;
    /* RFC 9110 8.8.2.1: never later than Date */
    size_t len = fw_write_date((time_t)(stamp->modified > now ? now : stamp->modified), date);
    out->date = stamp->modified > now ? 0 : len;
    if (len)
        out->content = ADD(out, out->content, LAST_MODIFIED "%s\r\n", date);
    out->content = ADD(out, out->content,
                       "Content-Type: %.*s\r\nAccept-Ranges: bytes\r\n"
                       "X-Content-Type-Options: nosniff\r\n",
                       shown(type), type.at);
    if (what->coding)
        out->content = ADD(out, out->content, "Content-Encoding: %s\r\n", what->coding);
    out->length = ADD(out, out->content, "Content-Length: %llu\r\n", size);
    out->whole = ADD(out, out->length, "\r\n");
}

/* From from to to of the fields, as they stand in text. */
static fw_slice part_of(const char *text, size_t from, size_t to)
{
    return (fw_slice){text + from, to - from};
}

static fw_static_file *describe(const opened *from, const description *what, uint32_t *open)
{
    fields told;
    write_fields(&from->stamp, what, &told);
    fw_static_file *file = malloc(sizeof *file + told.whole);
    if (!file)
        return NULL;
    const char *text = file->text;
    size_t date = told.common + sizeof LAST_MODIFIED - 1;
    *file = (fw_static_file){.users = 1,
                             .fd = from->fd,
                             .open = open,
                             .stamp = from->stamp,
                             .weight = sizeof *file + told.whole,
                             .etag = part_of(text, sizeof ETAG - 1, told.etag - 2),
                             .date = part_of(text, date, date + told.date),
                             .common = part_of(text, 0, told.common),
                             .content_fields = part_of(text, told.common, told.content),
                             .length = part_of(text, told.content, told.length),
                             .whole = part_of(text, 0, told.whole)};
    memcpy(file->text, told.text, told.whole);
    ++*open;
    return file;
}

/* ---- Together -------------------------------------------------------------------------------------------- */

void fw__file_release(fw_static_file *file)
{
    if (--file->users)
        return;
    for (int i = 0; i < FW_ENCODINGS; i++)
        if (file->coded[i])
            fw__file_release(file->coded[i]);
    if (file->fd >= 0) {
        close(file->fd);
        file->open[0]--;
    }
    free(file->content);
    free(file);
}

uint32_t fw__file_descriptors(const fw_static_file *file)
{
    uint32_t count = file->fd >= 0;
    for (int i = 0; i < FW_ENCODINGS; i++)
        count += file->coded[i] && file->coded[i]->fd >= 0;
    return count;
}

/* Takes the descriptor from what it is made of. */
static int make(opened *from, const description *what, uint32_t *open, fw_static_file **made)
{
    fw_static_file *file = describe(from, what, open);
    if (!file)
        return 503;
    from->fd = -1;
    int status = from->stamp.size <= FW_SMALL_FILE ? read_small(file) : 200;
    if (status == 200)
        *made = file;
    else
        fw__file_release(file);
    return status;
}

static int make_family(family *files, const fw_place *place, const char *name, uint32_t *open,
                       fw_static_file **made)
{
    unsigned there = 0;
    for (int i = 0; i < FW_ENCODINGS; i++)
        there |= (unsigned)(files->all[i].fd >= 0) << i;
    description what = {place, name, NULL, there != 0};
    fw_static_file *file = NULL;
    int status = make(&files->all[ITSELF], &what, open, &file);
    for (int i = 0; status == 200 && i < FW_ENCODINGS; i++) {
        if (files->all[i].fd < 0)
            continue;
        what.coding = fw__encodings[i].name;
        status = make(&files->all[i], &what, open, &file->coded[i]);
        if (status == 200)
            file->weight += file->coded[i]->weight;
    }
    if (status == 200) {
        file->there = there;
        *made = file;
    } else if (file) {
        fw__file_release(file);
    }
    return status;
}

fw_static_file *fw__file_open(const fw_place *place, const char *name, fw_static_file *known,
                              uint32_t *open, int *status)
{
    family files;
    fw_static_file *file = NULL;
    for (int i = 0; i < TRIES; i++) {
        *status = open_family(place, name, &files);
        if (*status != 200)
            return NULL;
        if (same_family(&files, known)) {
            close_family(&files);
            known->users++;
            return known;
        }
        *status = make_family(&files, place, name, open, &file);
        close_family(&files); /* what was not taken */
        if (*status > 0)
            return file;
    }
    *status = 503; /* somebody writes to it all the time */
    return NULL;
}
