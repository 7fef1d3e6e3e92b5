/* static/reply.c -- see reply.h. */
#include "static/reply.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "static/conditions.h"
#include "static/types.h"

#define FIELDS_SIZE 640 /* bytes of the fields that describe a file */

#ifdef __APPLE__
#define MTIME(status) (status)->st_mtimespec
#else
#define MTIME(status) (status)->st_mtim
#endif

static const char *line_of(int status)
{
    switch (status) {
    case 200: return "200 OK";
    case 206: return "206 Partial Content";
    case 304: return "304 Not Modified";
    case 308: return "308 Permanent Redirect";
    case 400: return "400 Bad Request";
    case 404: return "404 Not Found";
    case 405: return "405 Method Not Allowed";
    case 412: return "412 Precondition Failed";
    case 416: return "416 Range Not Satisfiable";
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

/* What describes a file to its reader. */
static int describe_content(const fw_found *file, const fw_range *part, char *fields, size_t room)
{
    unsigned long long size = (unsigned long long)file->known.st_size;
    unsigned long long first = part->first, count = part->size;
    char range[96] = "";
    if (file->status == 206)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/%llu\r\n", first,
                       first + count - 1, size);
    return snprintf(fields, room,
                    "Content-Type: %s\r\nContent-Length: %llu\r\n%sAccept-Ranges: bytes\r\n"
                    "X-Content-Type-Options: nosniff\r\n",
                    fw__media_type(file->name), count, range);
}

/* Whether the client wants the file, and how much of it: sets the status and part, and fills fields with what is
 * to be told. part: NULL for HEAD. */
static void describe(fw_found *file, const fw_head *head, const fw_date *now, fw_range *part,
                     char *fields)
{
    char etag[96];
    char modified[FW_DATE_SIZE];
    fw_range whole = {0, (uint64_t)file->known.st_size};
    fw_file_state state = {.etag = {etag, etag_of(&file->known, etag, sizeof etag)},
                           .modified = (int64_t)MTIME(&file->known).tv_sec,
                           .now = (int64_t)now->second,
                           .size = whole.size};
    bool all = part == NULL;
    file->status = fw__conditions(head, &state, part);
    if (file->status == 416) {
        (void)snprintf(fields, FIELDS_SIZE, "Content-Range: bytes */%llu\r\n",
                       (unsigned long long)whole.size);
        return;
    }
    /* RFC 9110 8.8.2.1: never later than Date */
    time_t when = state.modified > state.now ? now->second : (time_t)state.modified;
    size_t dated = fw_write_date(when, modified);
    int len = snprintf(fields, FIELDS_SIZE, "ETag: %s\r\nCache-Control: no-cache\r\n", etag);
    if (dated)
        len += snprintf(fields + len, FIELDS_SIZE - (size_t)len, "Last-Modified: %s\r\n", modified);
    if (!all && file->status == 200)
        *part = whole;
    if (file->status == 200 || file->status == 206)
        (void)describe_content(file, all ? &whole : part, fields + len, FIELDS_SIZE - (size_t)len);
}

static bool is_of_file(int status)
{
    return status == 200 || status == 206 || status == 304;
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
    if (add(out, fields))
        return FW_EMEMORY;
    if (!is_of_file(status))
        return add_own_content(out, status, reply, bodiless);
    if (add(out, "\r\n"))
        return FW_EMEMORY;
    reply->head_len = fw_buffer_len(out);
    return 0;
}

int fw__static_reply(const fw_folder *folder, const fw_static_path *path, const fw_head *head,
                     const fw_date *date, fw_static_reply *reply, fw_buffer *out)
{
    char fields[FIELDS_SIZE] = "";
    bool content = fw_head_has_content(head);
    fw_found file;
    file.fd = -1;
    file.status = 400;
    bool get = fw_slice_equals(head->method, "GET", 3);
    reply->part = (fw_range){0};
    if (!get && !fw_slice_equals(head->method, "HEAD", 4))
        file.status = 405;
    else if (!content)
        fw__folder_find(folder, path, &file);
    if (file.fd >= 0)
        describe(&file, head, date, get ? &reply->part : NULL, fields);
    reply->status = file.status;
    reply->close = reply->close || content || file.status >= 500;
    reply->file = -1;
    int code = write_reply(head, date, fields, reply, out);
    if (code == 0 && (file.status == 200 || file.status == 206) && reply->part.size > 0)
        reply->file = file.fd;
    else if (file.fd >= 0)
        close(file.fd);
    return code;
}
