/* static/folders.c -- see folders.h. */
#include "static/folders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "static/conditions.h"
#include "static/types.h"
#include "sys/beneath.h"

#define INDEX "index.html"
#define FIELDS_SIZE 512 /* bytes of the fields that describe a file */

#ifdef __APPLE__
#define MTIME(status) (status)->st_mtimespec
#else
#define MTIME(status) (status)->st_mtim
#endif

/* ---- Which folder ---------------------------------------------------------------------------------- */

int fw__folder_add(fw_folder **folders, const char *prefix, size_t len, int fd)
{
    fw_folder **at = folders;
    for (; *at && (*at)->prefix_len >= len; at = &(*at)->next)
        if ((*at)->prefix_len == len && memcmp((*at)->prefix, prefix, len) == 0)
            return FW_ESTATE;
    fw_folder *made = malloc(sizeof *made + len + 1);
    if (!made)
        return FW_EMEMORY;
    made->fd = fd;
    made->prefix_len = len;
    memcpy(made->prefix, prefix, len);
    made->prefix[len] = '\0';
    made->next = *at;
    *at = made;
    return 0;
}

void fw__folders_free(fw_folder *folders)
{
    while (folders) {
        fw_folder *next = folders->next;
        if (folders->fd >= 0)
            close(folders->fd);
        free(folders);
        folders = next;
    }
}

const fw_folder *fw__folder_of(const fw_folder *folders, const fw_static_path *path)
{
    while (folders && !fw__static_within(path, folders->prefix, folders->prefix_len))
        folders = folders->next;
    return folders;
}

/* ---- Which file -------------------------------------------------------------------------------------- */

typedef struct {
    int fd; /* -1: none */
    int status;
    char name[FW_STATIC_PATH + sizeof INDEX]; /* below the folder */
    struct stat known;
} found;

static int status_of(int error)
{
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return 503;
    return error == EIO ? 500 : 404;
}

/* A folder without a slash behind it is told to the client as one, or links in its page would lead nowhere. */
static void look(int folder, found *file)
{
    file->fd = fw__open_beneath(folder, file->name);
    if (file->fd < 0) {
        file->status = status_of(-file->fd);
        file->fd = -1;
        return;
    }
    file->status = 404;
    if (fstat(file->fd, &file->known) == 0) {
        if (S_ISREG(file->known.st_mode))
            file->status = 200;
        else if (S_ISDIR(file->known.st_mode))
            file->status = 308;
    }
    if (file->status != 200) {
        close(file->fd);
        file->fd = -1;
    }
}

static void find(const fw_folder *folder, const fw_static_path *path, found *file)
{
    file->status = 404;
    if (path->bad)
        return;
    if (path->len == folder->prefix_len) {
        file->status = 308;
        return;
    }
    size_t len = path->len - folder->prefix_len - 1; /* without the first slash */
    memcpy(file->name, path->text + folder->prefix_len + 1, len + 1);
    bool index = len == 0 || file->name[len - 1] == '/';
    if (index)
        memcpy(file->name + len, INDEX, sizeof INDEX);
    look(folder->fd, file);
    if (index && file->status == 308) /* a folder of the name index.html */
        file->status = 404;
}

/* ---- The response ------------------------------------------------------------------------------------ */

static const char *line_of(int status)
{
    switch (status) {
    case 200: return "200 OK";
    case 304: return "304 Not Modified";
    case 308: return "308 Permanent Redirect";
    case 400: return "400 Bad Request";
    case 404: return "404 Not Found";
    case 405: return "405 Method Not Allowed";
    case 412: return "412 Precondition Failed";
    case 503: return "503 Service Unavailable";
    default: return "500 Internal Server Error";
    }
}

static int add(fw_buffer *out, const char *text)
{
    return fw_buffer_append(out, text, strlen(text));
}

static size_t etag_of(const struct stat *known, char *out, size_t size)
{
    int len = snprintf(out, size, "\"%llx-%llx.%lx-%llx\"", (unsigned long long)known->st_size,
                       (unsigned long long)MTIME(known).tv_sec, (unsigned long)MTIME(known).tv_nsec,
                       (unsigned long long)known->st_ino);
    return len > 0 ? (size_t)len : 0;
}

/* What describes a file, and whether the client wants it: fills fields and sets the status. */
static void describe(found *file, const fw_head *head, const fw_date *now, char *fields)
{
    char etag[96];
    char modified[FW_DATE_SIZE];
    fw_slice tag = {etag, etag_of(&file->known, etag, sizeof etag)};
    int64_t when = (int64_t)MTIME(&file->known).tv_sec;
    file->status = fw__conditions(head, tag, when);
    /* RFC 9110 8.8.2.1: never later than Date */
    size_t dated = fw_write_date(when > now->second ? now->second : (time_t)when, modified);
    int len = snprintf(fields, FIELDS_SIZE, "ETag: %s\r\nCache-Control: no-cache\r\n", etag);
    if (dated)
        len += snprintf(fields + len, FIELDS_SIZE - (size_t)len, "Last-Modified: %s\r\n", modified);
    if (file->status == 200)
        (void)snprintf(fields + len, FIELDS_SIZE - (size_t)len,
                       "Content-Type: %s\r\nContent-Length: %llu\r\n"
                       "X-Content-Type-Options: nosniff\r\n",
                       fw__media_type(file->name), (unsigned long long)file->known.st_size);
}

/* To the last segment with a slash, relative: a proxy may show the folder under another path. */
static int add_location(fw_buffer *out, const fw_head *head)
{
    const char *end = head->path.at + head->path.len;
    const char *last = end;
    while (last > head->path.at && last[-1] != '/')
        last--;
    if (add(out, "Location: ./") || fw_buffer_append(out, last, (size_t)(end - last)) ||
        add(out, head->query.len ? "/?" : "/") ||
        (head->query.len && fw_buffer_append(out, head->query.at, head->query.len)))
        return FW_EMEMORY;
    return add(out, "\r\n");
}

static int add_own_content(fw_buffer *out, int status, fw_static_reply *reply, bool bodiless)
{
    char fields[128];
    const char *text = line_of(status);
    (void)snprintf(fields, sizeof fields,
                   "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                   strlen(text) + 1);
    int code = add(out, fields);
    reply->head_len = fw_buffer_len(out);
    if (code == 0 && !bodiless)
        code = add(out, text) || add(out, "\n") ? FW_EMEMORY : 0;
    return code;
}

static int write_reply(const fw_head *head, const fw_date *date, const char *fields,
                       fw_static_reply *reply, fw_buffer *out)
{
    int status = reply->status;
    bool bodiless = fw_slice_equals(head->method, "HEAD", 4);
    const char *connection = "";
    if (reply->close)
        connection = "Connection: close\r\n";
    else if (head->minor == 0)
        connection = "Connection: keep-alive\r\n";
    if (add(out, "HTTP/1.1 ") || add(out, line_of(status)) || add(out, "\r\n") ||
        fw_buffer_append(out, date->text, date->len) || add(out, connection))
        return FW_EMEMORY;
    if (status == 405 && add(out, "Allow: GET, HEAD\r\n"))
        return FW_EMEMORY;
    if (status == 308 && add_location(out, head))
        return FW_EMEMORY;
    if ((status == 200 || status == 304) && (add(out, fields) || add(out, "\r\n")))
        return FW_EMEMORY;
    reply->head_len = fw_buffer_len(out);
    return status == 200 || status == 304 ? 0 : add_own_content(out, status, reply, bodiless);
}

int fw__static_reply(const fw_folder *folder, const fw_static_path *path, const fw_head *head,
                     const fw_date *date, fw_static_reply *reply, fw_buffer *out)
{
    char fields[FIELDS_SIZE] = "";
    bool content = fw_head_has_content(head);
    found file;
    file.fd = -1;
    file.status = 400;
    bool gets = fw_slice_equals(head->method, "GET", 3);
    if (!gets && !fw_slice_equals(head->method, "HEAD", 4))
        file.status = 405;
    else if (!content)
        find(folder, path, &file);
    if (file.fd >= 0)
        describe(&file, head, date, fields);
    reply->status = file.status;
    reply->close = reply->close || content || file.status >= 500;
    reply->size = 0;
    reply->file = -1;
    int code = write_reply(head, date, fields, reply, out);
    if (code == 0 && file.fd >= 0 && file.status == 200 && gets && file.known.st_size > 0) {
        reply->file = file.fd;
        reply->size = (uint64_t)file.known.st_size;
    } else if (file.fd >= 0) {
        close(file.fd);
    }
    return code;
}
