/* static/reply.c -- see reply.h. */
#include "static/reply.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "static/conditions.h"

#define SLICE(text) ((fw_slice){text, sizeof(text) - 1})
#define LINE(text) SLICE("HTTP/1.1 " text "\r\n")

static fw_slice line_of(int status)
{
    switch (status) {
    case 200: return LINE("200 OK");
    case 206: return LINE("206 Partial Content");
    case 304: return LINE("304 Not Modified");
    case 308: return LINE("308 Permanent Redirect");
    case 400: return LINE("400 Bad Request");
    case 404: return LINE("404 Not Found");
    case 405: return LINE("405 Method Not Allowed");
    case 412: return LINE("412 Precondition Failed");
    case 416: return LINE("416 Range Not Satisfiable");
    case 503: return LINE("503 Service Unavailable");
    default: return LINE("500 Internal Server Error");
    }
}

/* All pieces at once: a head is short, and each step of its own would take longer than its bytes. */
static int add_pieces(fw_buffer *out, const fw_slice *pieces, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += pieces[i].len;
    char *at = fw_buffer_reserve(out, len);
    if (!at)
        return FW_EMEMORY;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, pieces[i].at, pieces[i].len);
        at += pieces[i].len;
    }
    out->end += len;
    return 0;
}

static int add(fw_buffer *out, const char *text)
{
    return fw_buffer_append(out, text, strlen(text));
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
    fw_slice text = line_of(status);
    text.at += sizeof "HTTP/1.1 " - 1;
    text.len -= sizeof "HTTP/1.1 \r\n" - 1;
    (void)snprintf(fields, sizeof fields,
                   "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                   text.len + 1);
    int code = add(out, fields);
    reply->head_len = fw_buffer_len(out);
    if (code == 0 && !bodiless) {
        const fw_slice content[] = {text, {"\n", 1}};
        code = add_pieces(out, content, 2);
    }
    return code;
}

/* Of a client that has another part of the same file, and with it what describes the file (RFC 9110 15.3.7). */
static bool goes_on(const fw_head *head)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (fw_slice_is(head->fields[i].name, "if-range", 8))
            return true;
    return false;
}

/* What describes the file, and the end of the head, behind what every response begins with. */
static int add_file(fw_buffer *out, const fw_slice *start, const fw_head *head,
                    const fw_static_file *file, const fw_static_reply *reply)
{
    char part[160];
    fw_slice pieces[7] = {start[0], start[1], start[2]};
    size_t count = 3;
    if (reply->status == 200) {
        pieces[count++] = file->whole;
        return add_pieces(out, pieces, count);
    }
    pieces[count++] = file->common;
    if (reply->status == 206) {
        unsigned long long first = reply->part.first, size = reply->part.size;
        int len = snprintf(part, sizeof part,
                           "Content-Length: %llu\r\nContent-Range: bytes %llu-%llu/%llu\r\n", size,
                           first, first + size - 1, (unsigned long long)file->stamp.size);
        if (!goes_on(head))
            pieces[count++] = file->content_fields;
        pieces[count++] = (fw_slice){part, (size_t)len};
    }
    pieces[count++] = (fw_slice){"\r\n", 2};
    return add_pieces(out, pieces, count);
}

static int add_size(fw_buffer *out, const fw_static_file *file)
{
    char field[64];
    (void)snprintf(field, sizeof field, "Content-Range: bytes */%llu\r\n",
                   (unsigned long long)file->stamp.size);
    return add(out, field);
}

static int write_reply(const fw_head *head, const fw_static_file *file, fw_static_reply *reply,
                       fw_buffer *out)
{
    int status = reply->status;
    fw_slice start[] = {line_of(status), reply->fields, {"", 0}};
    int code;
    if (reply->close)
        start[2] = SLICE("Connection: close\r\n");
    else if (head->minor == 0)
        start[2] = SLICE("Connection: keep-alive\r\n");
    if (status == 200 || status == 206 || status == 304) {
        code = add_file(out, start, head, file, reply);
        reply->head_len = fw_buffer_len(out);
        return code;
    }
    code = add_pieces(out, start, 3);
    if (code == 0 && status == 405)
        code = add(out, "Allow: GET, HEAD\r\n");
    else if (code == 0 && status == 308)
        code = add_location(out, head);
    else if (code == 0 && status == 416)
        code = add_size(out, file);
    if (code == 0)
        code = add_own_content(out, status, reply, fw_slice_equals(head->method, "HEAD", 4));
    return code;
}

/* Whether the client wants the file, and how much of it. */
static void judge(const fw_static_file *file, const fw_head *head, const fw_date *date, bool get,
                  fw_static_reply *reply)
{
    fw_file_state state = {.etag = file->etag,
                           .modified = file->stamp.modified,
                           .now = (int64_t)date->second,
                           .size = file->stamp.size,
                           .date = file->date};
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
    int code = write_reply(head, file, reply, out);
    if (code == 0 && (reply->status == 200 || reply->status == 206) && reply->part.size > 0)
        reply->file = file;
    else if (file)
        fw__file_release(file);
    return code;
}
