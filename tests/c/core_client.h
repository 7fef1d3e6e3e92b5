/* core_client.h -- clients of a site, in the same thread: non-blocking sockets with all the bytes
 * that they have received. Whoever waits for something pumps the worker meanwhile. */
#ifndef CORE_CLIENT_H
#define CORE_CLIENT_H

#include "core_site.h"

typedef struct {
    int fd;
    char *data; /* everything received, NUL-terminated */
    size_t len;
    size_t room;
    size_t used; /* bytes that client_reply() has taken */
    bool ended;  /* the server closed */
    bool reset;  /* ... with RST */
} test_client;

static inline void client_from(test_client *client, int fd)
{
    memset(client, 0, sizeof *client);
    client->fd = fd;
    client->room = 1024;
    client->data = calloc(1, client->room);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

static inline void client_open(test_site *site, test_client *client)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    CHECK(connect(fd, (struct sockaddr *)&site->address, sizeof site->address) == 0);
    client_from(client, fd);
}

/* With a receive window this small, a response soon fills what the kernel takes. */
static inline void client_open_slow(test_site *site, test_client *client)
{
    int size = 16384;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    CHECK(connect(fd, (struct sockaddr *)&site->address, sizeof site->address) == 0);
    client_from(client, fd);
}

static inline void client_open_unix(test_site *site, test_client *client)
{
    int size = 131072; /* the BSDs begin with 8 KB */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    CHECK(connect(fd, (struct sockaddr *)&site->path, sizeof site->path) == 0);
    client_from(client, fd);
}

static inline void client_close(test_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    free(client->data);
    client->data = NULL;
}

/* Closes with RST, as a client that crashed or was unplugged. */
static inline void client_reset(test_client *client)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client->fd);
    client->fd = -1;
}

/* Reads what is there, at most max bytes; returns how many. */
static inline size_t client_read(test_client *client, size_t max)
{
    size_t before = client->len;
    while (!client->ended && client->len - before < max) {
        if (client->room - client->len < 65537)
            client->data = realloc(client->data, client->room = client->room * 2 + 65536);
        size_t want = max - (client->len - before);
        ssize_t got = recv(client->fd, client->data + client->len, want < 65536 ? want : 65536, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        client->ended = got <= 0;
        client->reset = got < 0;
        client->len += got > 0 ? (size_t)got : 0;
    }
    client->data[client->len] = '\0';
    return client->len - before;
}

/* One step of everything: the worker polls, the client reads. */
static inline void pump(test_site *site, test_client *client)
{
    site_poll(site, client->len ? 0 : 1);
    client_read(client, SIZE_MAX);
}

/* Sends all of it, pumping the worker while the socket is full. */
static inline bool client_push(test_site *site, test_client *client, const void *bytes, size_t len)
{
    const char *at = bytes;
    uint64_t end = clock_ms() + SOON_MS;
    while (len && clock_ms() < end) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
            end = clock_ms() + SOON_MS;
        } else {
            site_poll(site, 1);
        }
    }
    return len == 0;
}

static inline void client_say(test_site *site, test_client *client, const char *text)
{
    CHECK(client_push(site, client, text, strlen(text)));
}

/* A whole request without content: "GET /path HTTP/1.1", then Host and the fields given, which end
 * in CRLF each. */
static inline void client_ask(test_site *site, test_client *client, const char *line,
                              const char *fields)
{
    char text[32768];
    (void)snprintf(text, sizeof text, "%s\r\nHost: a\r\n%s\r\n", line, fields);
    client_say(site, client, text);
}

/* The head of a POST, whose content is the caller's to send. */
static inline void client_announce(test_site *site, test_client *client, size_t size)
{
    char field[64];
    (void)snprintf(field, sizeof field, "Content-Length: %zu\r\n", size);
    client_ask(site, client, "POST / HTTP/1.1", field);
}

static inline bool client_gets(test_site *site, test_client *client, const char *text)
{
    uint64_t end = clock_ms() + SOON_MS;
    client_read(client, SIZE_MAX);
    while (!strstr(client->data, text) && !client->ended && clock_ms() < end)
        pump(site, client);
    bool got = strstr(client->data, text) != NULL;
    if (!got)
        printf("waited for %s, got %zu bytes: %.300s\n", text, client->len, client->data);
    return got;
}

static inline bool client_sees_end(test_site *site, test_client *client)
{
    uint64_t end = clock_ms() + SOON_MS;
    while (!client->ended && clock_ms() < end)
        pump(site, client);
    return client->ended;
}

#endif
