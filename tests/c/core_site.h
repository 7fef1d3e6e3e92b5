/* core_site.h -- a worker as the tests of the core have it: a "site" is a worker with two listeners
 * (0: TCP on 127.0.0.1, 1: unix) and the records that it has given out, and what an application
 * says to it. Nothing waits longer than SOON_MS, nothing sleeps. */
#ifndef CORE_SITE_H
#define CORE_SITE_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "error.h"
#include "fapws.h"
#include "check.h"

#define SOON_MS 20000 /* ms; what should happen at once has happened by then, or never will */
#define FAR_MS 600000 /* ms; longer than any test takes: a time limit that is not what is tested */
#define HANG_S 60     /* s of standing still; then the test is ended by SIGALRM */
#define PAUSE_MS                                                                                   \
    50 /* ms between two looks at the clock; what is above that the machine has taken */
#define VALUES_MAX 64

static inline size_t count_text(const char *data, const char *text)
{
    size_t count = 0;
    for (; (data = strstr(data, text)) != NULL; data += strlen(text))
        count++;
    return count;
}

static inline uint64_t clock_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* Time as a program of its own would have it, where it polls and polls: pauses that others, an emulator or a
 * debugger have imposed on this one count little. For upper bounds; only the real time is one for lower bounds. */
static inline uint64_t awake_ms(uint64_t waited)
{
    static uint64_t before, awake;
    uint64_t now = clock_ms(), most = waited + PAUSE_MS;
    awake += now - before < most ? now - before : most;
    before = now;
    return awake;
}

static inline fw_settings settings_usual(void)
{
    fw_settings settings = {
        .max_header_size = 16384,
        .max_headers = 100,
        .max_uri = 8192,
        .max_connections = 10000,
        .max_body_size = 1 << 20,
        .memory_body = 65536,
        .accept_burst = 64,
        .header_timeout = FAR_MS,
        .body_timeout = FAR_MS,
        .keepalive_timeout = FAR_MS,
        .write_timeout = FAR_MS,
        .server = "fapws",
        .spool_directory = NULL,
    };
    return settings;
}

/* ---- The worker's side ------------------------------------------------------------------------- */

/* A record of a batch, taken apart and kept until site_close() or site_forget(). */
typedef struct test_record {
    struct test_record *next;
    int64_t kind; /* as told; what site_request() returns is >= 0, FW_REQUEST or FW_REQUEST_RAW */
    int64_t id;
    int64_t content;
    bool defines; /* an FW_SHAPE record stood before this request */
    size_t path_len;
    char *token; /* of FW_DEBUG: target are its bytes; of FW_FAULT: from token to target */
    char *shape; /* METHOD:VERSION:LISTENER:NAME... */
    char *path, *query, *target, *address, *port;
    char *value[VALUES_MAX];
    int values;
    char *body; /* NUL-terminated copy of the content in memory */
    char *text; /* what the fields above point into */
} test_record;

typedef struct {
    fw_worker *worker;
    fw_score score;
    fw_batch_view view;
    struct sockaddr_in address;
    struct sockaddr_un path;
    char directory[32];
    char *shapes[FW_SHAPES];
    test_record *first; /* told and not taken */
    test_record **last;
    test_record *taken;
    uint64_t done; /* as site_done() was at the last poll */
} test_site;

/* Grows with whatever the worker does for clients. */
static inline uint64_t site_done(const test_site *site)
{
    const fw_score *score = &site->score;
    return score->bytes_in + score->bytes_out + score->responses + 2 * score->accepted -
           score->connections;
}

/* How long all of a test takes is the machine's affair (an emulator, sanitizers, others at work): the alarm is
 * for a worker that does not come back, or is asked again and again and does nothing. */
static inline void site_lives(test_site *site)
{
    uint64_t done = site_done(site);
    if (done != site->done)
        alarm(HANG_S);
    site->done = done;
}

static inline int listen_on(const void *address, socklen_t len, int family)
{
    int one = 1;
    int size = 262144; /* what the kernel takes of a response is bounded, whatever it has learnt */
    int fd = socket(family, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (fd < 0 || bind(fd, address, len) || listen(fd, 1024)) {
        perror("listen_on");
        exit(2);
    }
    return fd;
}

static inline void site_open(test_site *site, const fw_settings *settings)
{
    alarm(HANG_S);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    memset(site, 0, sizeof *site);
    site->last = &site->first;
    fw_settings usual = settings_usual();
    site->worker = fw_worker_new(settings ? settings : &usual, &site->score);
    fw_view_batch(site->worker, &site->view);
    socklen_t len = sizeof site->address;
    site->address.sin_family = AF_INET;
    site->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int tcp = listen_on(&site->address, len, AF_INET);
    (void)getsockname(tcp, (struct sockaddr *)&site->address, &len);
    strcpy(site->directory, "/tmp/fapws-test-XXXXXX");
    if (!mkdtemp(site->directory))
        exit(2);
    site->path.sun_family = AF_UNIX;
    (void)snprintf(site->path.sun_path, sizeof site->path.sun_path, "%s/s", site->directory);
    int local = listen_on(&site->path, sizeof site->path, AF_UNIX);
    CHECK(fw_listen(site->worker, tcp) == 0);
    CHECK(fw_listen(site->worker, local) == 1);
}

static inline void records_free(test_record **list)
{
    while (*list) {
        test_record *gone = *list;
        *list = gone->next;
        free(gone->shape);
        free(gone->text);
        free(gone->body);
        free(gone);
    }
}

/* Frees what site_take() has returned so far. */
static inline void site_forget(test_site *site)
{
    records_free(&site->taken);
}

static inline void site_close(test_site *site)
{
    fw_worker_free(site->worker);
    CHECK(site->score.connections == 0);
    CHECK(site->score.in_flight == 0);
    (void)unlink(site->path.sun_path);
    (void)rmdir(site->directory);
    records_free(&site->first);
    records_free(&site->taken);
    for (int i = 0; i < FW_SHAPES; i++)
        free(site->shapes[i]);
}

static inline char *cut_field(char **at)
{
    char *field = *at;
    char *stop = strchr(field, '\n');
    CHECK(stop != NULL);
    if (stop) {
        *stop = '\0';
        *at = stop + 1;
    }
    return field;
}

/* How many fields a request has in the batch's text. */
static inline size_t request_fields(const char *shape)
{
    return 5 + count_text(shape, ":") - 2;
}

static inline size_t text_len(const char *at, size_t fields)
{
    const char *end = at;
    while (fields--)
        end += strcspn(end, "\n") + 1;
    return (size_t)(end - at);
}

static inline void request_split(test_record *request)
{
    char *at = request->text;
    request->path = cut_field(&at);
    request->path_len = strlen(request->path);
    request->query = cut_field(&at);
    request->target = cut_field(&at);
    request->address = cut_field(&at);
    request->port = cut_field(&at);
    while (*at && request->values < VALUES_MAX)
        request->value[request->values++] = cut_field(&at);
}

static inline test_record *debug_read(test_record *made, const char **text)
{
    size_t len = text_len(*text, 4);
    char *at = made->text = strndup(*text, len);
    *text += len;
    made->token = cut_field(&at);
    made->address = cut_field(&at);
    made->port = cut_field(&at);
    made->target = cut_field(&at);
    return made;
}

static inline test_record *fault_read(test_record *made, const char **text)
{
    size_t len = text_len(*text, 2);
    char *at = made->text = strndup(*text, len);
    *text += len;
    made->token = cut_field(&at);
    made->target = cut_field(&at);
    return made;
}

/* Takes one record apart; the places in the batch's text and content move on. A path with NUL is
 * for tests that look at site->view themselves. */
static inline test_record *record_read(test_site *site, const int64_t *words, const char **text,
                                       const char **content)
{
    test_record *made = calloc(1, sizeof *made);
    made->kind = words[0];
    made->id = words[1];
    made->content = words[2];
    if (made->kind == FW_DEBUG)
        return debug_read(made, text);
    if (made->kind == FW_FAULT)
        return fault_read(made, text);
    if (made->kind < FW_REQUEST_RAW)
        return made;
    size_t len = 0;
    if (made->kind < 0) {
        len = text_len(*text, 1);
        made->shape = strndup(*text, len - 1);
        *text += len;
    } else {
        made->shape = strdup(site->shapes[made->kind] ? site->shapes[made->kind] : "");
    }
    len = text_len(*text, request_fields(made->shape));
    made->text = strndup(*text, len);
    *text += len;
    request_split(made);
    if (made->content > 0) {
        made->body = strndup(*content, (size_t)made->content);
        *content += made->content;
    }
    return made;
}

static inline void define_shape(test_site *site, int64_t number, const char **text)
{
    size_t len = text_len(*text, 1);
    CHECK(number >= 0 && number < FW_SHAPES);
    free(site->shapes[number]);
    site->shapes[number] = strndup(*text, len - 1);
    *text += len;
}

/* One fw_poll(); its records join the queue. */
static inline int site_poll(test_site *site, int timeout_ms)
{
    (void)awake_ms(0);
    int count = fw_poll(site->worker, timeout_ms);
    (void)awake_ms((uint64_t)timeout_ms);
    const int64_t *words = site->view.records;
    const char *text = site->view.text;
    const char *content = site->view.content;
    bool defined = false;
    CHECK(count >= 0);
    site_lives(site);
    for (int i = 0; i < count; i++) {
        const int64_t *at = words + 1 + i * FW_RECORD_WORDS;
        if (at[0] == FW_SHAPE) {
            define_shape(site, at[1], &text);
            defined = true;
            continue;
        }
        test_record *made = record_read(site, at, &text, &content);
        made->defines = defined;
        defined = false;
        *site->last = made;
        site->last = &made->next;
    }
    CHECK(text == site->view.text + words[0]);
    return count;
}

/* The next record of any kind, NULL if none comes within wait_ms. */
static inline const test_record *site_take(test_site *site, int wait_ms)
{
    uint64_t end = clock_ms() + (uint64_t)wait_ms;
    while (!site->first) {
        uint64_t now = clock_ms();
        site_poll(site, now < end ? (int)(end - now) : 0);
        if (!site->first && clock_ms() >= end)
            return NULL;
    }
    test_record *taken = site->first;
    site->first = taken->next;
    if (!site->first)
        site->last = &site->first;
    taken->next = site->taken;
    site->taken = taken;
    return taken;
}

static inline bool is_request(const test_record *record)
{
    return record->kind >= FW_REQUEST_RAW;
}

/* The next record, which must be a request. Never NULL: without one the program ends. */
static inline const test_record *site_request(test_site *site)
{
    const test_record *next = site_take(site, SOON_MS);
    if (!CHECK(next != NULL && is_request(next))) {
        printf("no request came (kind %d)\n", next ? (int)next->kind : 0);
        exit(1);
    }
    return next;
}

/* The next record, which must be of this kind and connection. */
static inline void site_expect(test_site *site, int64_t kind, int64_t id)
{
    const test_record *next = site_take(site, SOON_MS);
    CHECK(next != NULL);
    if (next) {
        NOTE("kind %d connection %lld", (int)next->kind, (long long)next->id);
        CHECK(next->kind == kind && next->id == id);
        NOTE("%s", "");
    }
}

/* Nothing more is told now. */
static inline bool site_quiet(test_site *site)
{
    for (int i = 0; i < 5; i++)
        site_poll(site, 0);
    return !site->first;
}

/* ---- The application's side -------------------------------------------------------------------- */

static inline size_t count_fields(const char *head)
{
    return 1 + count_text(head, "\n");
}

static inline int64_t respond_n(test_site *site, int64_t id, const char *head, const void *content,
                                size_t len)
{
    return fw_respond(site->worker, id, head, strlen(head), count_fields(head), content, len);
}

static inline int64_t respond(test_site *site, int64_t id, const char *head, const char *content)
{
    return respond_n(site, id, head, content, strlen(content));
}

static inline int64_t begin(test_site *site, int64_t id, const char *head)
{
    return fw_begin(site->worker, id, head, strlen(head), count_fields(head));
}

static inline int64_t send_piece(test_site *site, int64_t id, const char *piece)
{
    return fw_send(site->worker, id, piece, strlen(piece));
}

#endif
