/* static/reply.c -- see reply.h. */
#include "static/reply.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "static/conditions.h"

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

static int add_slice(fw_buffer *out, fw_slice slice)
{
    return fw_buffer_append(out, slice.at, slice.len);
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

static int add_part(fw_buffer *out, const fw_static_file *file, const fw_range *part)
{
    char fields[160];
    unsigned long long first = part->first, count = part->size, size = file->stamp.size;
    (void)snprintf(fields, sizeof fields,
                   "Content-Length: %llu\r\nContent-Range: bytes %llu-%llu/%llu\r\n", count, first,
                   first + count - 1, size);
    return add(out, fields);
}

/* Of a client that has another part of the same file, and with it what describes the file (RFC 9110 15.3.7). */
static bool goes_on(const fw_head *head)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (fw_slice_is(head->fields[i].name, "if-range", 8))
            return true;
    return false;
}

/* What describes the file, and the end of the head. */
static int add_file(fw_buffer *out, const fw_head *head, const fw_static_file *file,
                    const fw_static_reply *reply)
{
    int status = reply->status;
    bool known = status == 304 || (status == 206 && goes_on(head));
    if (add_slice(out, file->common) || (!known && add_slice(out, file->content_fields)) ||
        (status == 200 && add_slice(out, file->length)) ||
        (status == 206 && add_part(out, file, &reply->part)))
        return FW_EMEMORY;
    return add(out, "\r\n");
}

static int add_size(fw_buffer *out, const fw_static_file *file)
{
    char field[64];
    (void)snprintf(field, sizeof field, "Content-Range: bytes */%llu\r\n",
                   (unsigned long long)file->stamp.size);
    return add(out, field);
}

static int write_reply(const fw_head *head, const fw_date *date, const fw_static_file *file,
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
    if ((status == 405 && add(out, "Allow: GET, HEAD\r\n")) ||
        (status == 308 && add_location(out, head)) || (status == 416 && add_size(out, file)))
        return FW_EMEMORY;
    if (status != 200 && status != 206 && status != 304)
        return add_own_content(out, status, reply, bodiless);
    int code = add_file(out, head, file, reply);
    reply->head_len = fw_buffer_len(out);
    return code;
}

/* Whether the client wants the file, and how much of it. */
static void judge(const fw_static_file *file, const fw_head *head, const fw_date *date, bool get,
                  fw_static_reply *reply)
{
    fw_file_state state = {.etag = file->etag,
                           .modified = file->stamp.modified,
                           .now = (int64_t)date->second,
                           .size = file->stamp.size};
    reply->status = fw__conditions(head, &state, get ? &reply->part : NULL);
    if (reply->status == 200)
        reply->part = (fw_range){0, get ? state.size : 0};
}

/* Of a folder that leaves what it does not have to the application. */
static bool is_anothers(const fw_folder *folder, int status, bool reads)
{
    return status == 404 || (status == 308 && (folder->only_files || !reads));
}

/* What the request means; NULL: reply->status says what the client hears, or it is passed on. */
static fw_static_file *find(const fw_static_site *site, const fw_static_path *path,
                            const fw_head *head, bool get, fw_static_reply *reply)
{
    const fw_folder *folder = site->folder;
    bool reads = get || fw_slice_equals(head->method, "HEAD", 4);
    bool content = fw_head_has_content(head);
    fw_static_file *file = NULL;
    if (reads && !content) {
        file = fw__folder_find(site, path, &reply->status);
        reply->passed_on =
            !file && folder->fallthrough && is_anothers(folder, reply->status, reads);
        return file;
    }
    if (folder->fallthrough && !folder->only_files) {
        file = fw__folder_find(site, path, &reply->status);
        reply->passed_on = !file && is_anothers(folder, reply->status, reads);
        if (file)
            fw__file_release(file);
    }
    reply->passed_on = reply->passed_on || folder->only_files;
    reply->status = reads ? 400 : 405;
    return NULL;
}

int fw__static_reply(const fw_static_site *site, const fw_static_path *path, const fw_head *head,
                     const fw_date *date, fw_static_reply *reply, fw_buffer *out)
{
    bool get = fw_slice_equals(head->method, "GET", 3);
    reply->part = (fw_range){0};
    reply->file = NULL;
    fw_static_file *file = find(site, path, head, get, reply);
    if (reply->passed_on)
        return 0;
    if (file)
        judge(file, head, date, get, reply);
    reply->close = reply->close || fw_head_has_content(head) || reply->status >= 500;
    int code = write_reply(head, date, file, reply, out);
    if (code == 0 && (reply->status == 200 || reply->status == 206) && reply->part.size > 0)
        reply->file = file;
    else if (file)
        fw__file_release(file);
    return code;
}
