/* core_reply.h -- the responses that a client has received, taken apart as RFC 9112 says, with none of
 * the core's own code. */
#ifndef CORE_REPLY_H
#define CORE_REPLY_H

#include "core_client.h"

typedef struct {
    int status;
    char *head;    /* with the empty line */
    char *content; /* decoded, NUL-terminated */
    size_t content_len;
    bool chunked;
    bool sized; /* has Content-Length; false for both: until the connection ends */
    size_t length;
} test_reply;

static inline void reply_free(test_reply *reply)
{
    free(reply->head);
    free(reply->content);
    memset(reply, 0, sizeof *reply);
}

/* The value of a field (name with ": "), up to its line end; NULL: not there. */
static inline const char *reply_field(const test_reply *reply, const char *name)
{
    static char value[1024];
    char line[128];
    (void)snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(reply->head, line);
    if (!at)
        return NULL;
    at += strlen(line);
    (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

static inline bool reply_says(const test_reply *reply, const char *name, const char *expected)
{
    const char *value = reply_field(reply, name);
    return value && strcmp(value, expected) == 0;
}

/* Chunks at data; bytes used, 0: incomplete, -1: malformed. */
static inline ssize_t reply_chunks(const char *data, size_t len, test_reply *reply)
{
    const char *at = data;
    const char *end = data + len;
    for (;;) {
        const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!line)
            return 0;
        char *stop;
        size_t size = strtoul(at, &stop, 16);
        if (stop != line || stop == at)
            return -1;
        at = line + 2;
        if ((size_t)(end - at) < size + 2)
            return 0;
        if (memcmp(at + size, "\r\n", 2) != 0)
            return -1;
        if (size == 0)
            return at + 2 - data;
        reply->content = realloc(reply->content, reply->content_len + size + 1);
        memcpy(reply->content + reply->content_len, at, size);
        reply->content_len += size;
        at += size + 2;
    }
}

static inline ssize_t reply_content(const char *data, size_t len, bool ended, bool bodiless,
                                    test_reply *reply)
{
    reply->content = calloc(1, 1);
    if (bodiless)
        return 0;
    if (reply->chunked) {
        ssize_t used = reply_chunks(data, len, reply);
        reply->content[reply->content_len] = '\0';
        return used == 0 ? -2 : used;
    }
    if (reply->sized ? len < reply->length : !ended)
        return -2;
    reply->content_len = reply->sized ? reply->length : len;
    reply->content = realloc(reply->content, reply->content_len + 1);
    memcpy(reply->content, data, reply->content_len);
    reply->content[reply->content_len] = '\0';
    return (ssize_t)reply->content_len;
}

/* Bytes used, 0: incomplete, -1: malformed. */
static inline ssize_t reply_parse(const char *data, size_t len, bool ended, bool to_head,
                                  test_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    const char *stop = memmem(data, len, "\r\n\r\n", 4);
    if (!stop)
        return 0;
    size_t head_len = (size_t)(stop - data) + 4;
    reply->head = strndup(data, head_len);
    if (sscanf(reply->head, "HTTP/1.1 %3d ", &reply->status) != 1)
        return -1;
    const char *length = reply_field(reply, "Content-Length");
    reply->sized = length != NULL;
    reply->length = length ? strtoul(length, NULL, 10) : 0;
    reply->chunked = reply_says(reply, "Transfer-Encoding", "chunked");
    if (reply->sized && reply->chunked)
        return -1;
    bool bodiless = to_head || reply->status < 200 || reply->status == 204 || reply->status == 304;
    ssize_t used = reply_content(data + head_len, len - head_len, ended, bodiless, reply);
    if (used >= 0)
        return (ssize_t)head_len + used;
    return used == -2 ? 0 : -1;
}

/* Waits for the next whole response; false when it does not come or is malformed. Frees what reply
 * held; the caller frees it at the end. */
static inline bool client_reply_to(test_site *site, test_client *client, bool to_head,
                                   test_reply *reply)
{
    uint64_t end = clock_ms() + SOON_MS;
    size_t came = client->len;
    for (;;) {
        reply_free(reply);
        client_read(client, SIZE_MAX);
        if (client->len > came) /* it comes */
            end = clock_ms() + SOON_MS;
        came = client->len;
        ssize_t used = reply_parse(client->data + client->used, client->len - client->used,
                                   client->ended, to_head, reply);
        if (used > 0) {
            client->used += (size_t)used;
            return true;
        }
        if (used < 0 || client->ended || clock_ms() >= end)
            break;
        pump(site, client);
    }
    printf("no whole response in: %.300s\n", client->data + client->used);
    reply_free(reply);
    reply->head = calloc(1, 1);
    reply->content = calloc(1, 1);
    return false;
}

static inline bool client_reply(test_site *site, test_client *client, test_reply *reply)
{
    return client_reply_to(site, client, false, reply);
}

/* The next response has this status and content. */
static inline bool client_reply_is(test_site *site, test_client *client, int status,
                                   const char *content)
{
    test_reply got = {0};
    bool ok = client_reply(site, client, &got) && got.status == status &&
              strcmp(got.content, content) == 0;
    if (!ok)
        printf("expected %d \"%.200s\", got %d \"%.200s\"\n", status, content, got.status,
               got.content);
    reply_free(&got);
    return ok;
}

/* A connection with one request in the application's hands: what most tests begin with. */
static inline int64_t client_request(test_site *site, test_client *client, const char *line,
                                     const char *fields)
{
    client_ask(site, client, line, fields);
    return site_request(site)->id;
}

#endif
