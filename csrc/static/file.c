/* static/file.c -- see file.h.
 * A small file is read whole, between two looks at its time and size: what was rewritten meanwhile is read again, so
 * that a response never has bytes of two states under one ETag. While its time may stay the same, it is read twice:
 * bytes that are twice the same stood there together, between the two readings. */
#include "static/file.h"

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
#include "sys/file_clock.h"
#include "sys/file_times.h"
#include "sys/read_at.h"

#define VALUE_MAX 128     /* bytes of a type or Cache-Control; the settings have no longer ones */
#define FIELDS_SIZE 768   /* bytes of the fields that describe a file */
#define TRIES 3           /* readings of a file that is being written to */
#define SETTLED_SECONDS 2 /* no file system's times are coarser */
#define AHEAD_SECONDS 2   /* that a file server's clock may be before ours */

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

static int64_t ns_between(int64_t second, long ns, const struct timespec *from)
{
    return (second - (int64_t)from->tv_sec) * 1000000000 + (ns - (int64_t)from->tv_nsec);
}

/* File systems of whole seconds are known by that no file has a fraction. A file from a far future is as good as an
 * old one: whoever writes to it gives it another time. */
static bool tells(const fw_file_stamp *stamp)
{
    struct timespec now;
    int64_t step = stamp->modified_ns || stamp->changed_ns ? 0 : SETTLED_SECONDS;
    if (stamp->modified > INT32_MAX * (int64_t)4 || stamp->modified < 0)
        return true; /* no clock of today */
    fw__file_clock(&now);
    int64_t ahead = ns_between(stamp->modified + step, stamp->modified_ns, &now);
    return ahead < 0 || ahead > (AHEAD_SECONDS + step) * 1000000000;
}

bool fw__file_tells(const fw_static_file *file)
{
    return tells(&file->stamp);
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
    fw_found found; /* fd -1: none */
    fw_file_stamp stamp;
} opened;

/* A file and its siblings. */
#define ITSELF FW_ENCODINGS
typedef struct {
    opened all[FW_ENCODINGS + 1];
} family;

static void leave(opened *file)
{
    if (file->found.fd >= 0)
        close(file->found.fd);
    file->found.fd = -1;
}

/* A regular file, and 200; a folder is told as such (308). */
static int find_regular(const fw_place *place, const char *name, opened *file)
{
    int code = fw__find_beneath(place->fd, name, place->links, &file->found);
    if (code) {
        file->found.fd = -1;
        return status_of(-code);
    }
    if (S_ISDIR(file->found.is.st_mode)) {
        leave(file);
        return 308;
    }
    file->stamp = stamp_of(&file->found.is);
    return 200;
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

static void close_family(family *files)
{
    for (int i = 0; i <= ITSELF; i++)
        leave(&files->all[i]);
}

static void name_sibling(const char *name, int coding, char *sibling)
{
    (void)snprintf(sibling, FW_FILE_NAME, "%s%s", name, fw__encodings[coding].ending);
}

static int find_family(const fw_place *place, const char *name, family *files)
{
    char sibling[FW_FILE_NAME];
    for (int i = 0; i <= ITSELF; i++)
        files->all[i].found.fd = -1;
    if (fw__media_type(name, place->types).len == 0)
        return 404; /* named there, so that the application serves it */
    int status = find_regular(place, name, &files->all[ITSELF]);
    if (status != 200 || is_coded(name))
        return status;
    for (int i = 0; i < FW_ENCODINGS; i++) {
        name_sibling(name, i, sibling);
        if (!is_there(place->fd, sibling))
            continue;
        status = find_regular(place, sibling, &files->all[i]);
        if (status ==
            503) { /* it may be there: without it the response would not say that it varies */
            close_family(files);
            return status;
        }
    }
    return 200;
}

/* What was found is opened to be read. 200, what the client hears, or -1: to be found again. */
static int open_found(const fw_place *place, const char *name, opened *file)
{
    int code = fw__open_found(place->fd, name, place->links, &file->found);
    if (code == -ESTALE)
        return -1;
    if (code)
        return status_of(-code);
    file->stamp = stamp_of(&file->found.is);
    return 200;
}

/* A sibling that may not be read is none. */
static int open_family(const fw_place *place, const char *name, family *files)
{
    char sibling[FW_FILE_NAME];
    int status = open_found(place, name, &files->all[ITSELF]);
    for (int i = 0; status == 200 && i < FW_ENCODINGS; i++) {
        if (files->all[i].found.fd < 0)
            continue;
        name_sibling(name, i, sibling);
        status = open_found(place, sibling, &files->all[i]);
        if (status == 404 || status == 500) {
            leave(&files->all[i]);
            status = 200;
        }
    }
    return status;
}

static bool same_family(const family *files, const fw_static_file *known)
{
    if (!known || !same_file(&files->all[ITSELF].stamp, &known->stamp))
        return false;
    for (int i = 0; i < FW_ENCODINGS; i++) {
        const fw_static_file *coded = known->coded[i];
        if ((files->all[i].found.fd >= 0) != (coded != NULL) ||
            (coded && !same_file(&files->all[i].stamp, &coded->stamp)))
            return false;
    }
    return true;
}

static bool reads_the_same(int fd, const char *content, size_t size)
{
    char again[4096];
    for (size_t done = 0; done < size;) {
        size_t len = size - done < sizeof again ? size - done : sizeof again;
        if (fw__read_at(fd, (int64_t)done, again, len) != (ssize_t)len ||
            memcmp(again, content + done, len) != 0)
            return false;
        done += len;
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
    if (fw__read_at(file->fd, 0, file->content, size) != (ssize_t)size ||
        (file->weak && !reads_the_same(file->fd, file->content, size)) || fw__file_rewritten(file))
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
    bool weak;
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

/* Strong: from what changes with every change. Weak, in case that one more change leaves all that as it is: it names
 * this one reading, and is never given again. */
static size_t add_tag(const fw_file_stamp *stamp, bool weak, fields *out)
{
    struct timespec now;
    unsigned long long size = stamp->size, second = (unsigned long long)stamp->modified,
                       inode = stamp->inode;
    size_t at = ADD(out, 0, ETAG "%s\"%llx-%llx.%lx-%llx", weak ? "W/" : "", size, second,
                    (unsigned long)stamp->modified_ns, inode);
    if (weak && clock_gettime(CLOCK_MONOTONIC, &now) == 0)
        at = ADD(out, at, "-%llx.%lx", (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec);
    return ADD(out, at, "\"\r\n");
}

static void write_fields(const fw_file_stamp *stamp, const description *what, fields *out)
{
    fw_slice type = fw__media_type(what->name, what->place->types);
    char date[FW_DATE_SIZE];
    int64_t now = (int64_t)time(NULL);
    unsigned long long size = stamp->size;
    out->etag = add_tag(stamp, what->weak, out);
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
                             .fd = from->found.fd,
                             .weak = what->weak,
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
static int make(opened *from, description *what, uint32_t *open, fw_static_file **made)
{
    what->weak = !tells(&from->stamp);
    fw_static_file *file = describe(from, what, open);
    if (!file)
        return 503;
    from->found.fd = -1;
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
        there |= (unsigned)(files->all[i].found.fd >= 0) << i;
    description what = {place, name, NULL, there != 0, false};
    fw_static_file *file = NULL;
    int status = make(&files->all[ITSELF], &what, open, &file);
    for (int i = 0; status == 200 && i < FW_ENCODINGS; i++) {
        if (files->all[i].found.fd < 0)
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
        *status = find_family(place, name, &files);
        if (*status != 200)
            return NULL;
        if (same_family(&files, known)) {
            close_family(&files);
            known->users++;
            return known;
        }
        *status = open_family(place, name, &files);
        if (*status == 200)
            *status = make_family(&files, place, name, open, &file);
        close_family(&files); /* what was not taken */
        if (*status > 0)
            return file;
    }
    *status = 503; /* somebody writes to it all the time */
    return NULL;
}
