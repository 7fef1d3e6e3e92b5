/* fuzz_connection.c -- whole connections: bytes in by a socket, an application in C behind the core.
 * Input: PLAN_SIZE bytes that choose the limits, how the bytes are cut and what the application
 *        does, then the bytes that every client sends.
 * Holds: batches and responses are what fapws.h promises (batch_reader.h, responses.h); every request is
 *        answered, aborted or told to be gone; nothing stays open or in flight.
 *
 * Time is pretended: it goes on only where the input says so, and no call waits. */
#include "responses.h"

#include "application.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PLAN_SIZE 22
#define STEPS_MAX 300 /* what is unsent then goes out at once */
#define CLIENTS_MAX 3
#ifndef MEMORY_FAILS
#define MEMORY_FAILS                                                                               \
    1 /* inputs also say which allocation fails; 0: none, to look for other faults */
#endif
#define ROUNDS_MAX 2000 /* of time going on: more than any sum of timeouts */

/* ---- Time --------------------------------------------------------------------------------------- */

static uint64_t pretended_ms = 1000000;

int clock_gettime(clockid_t id, struct timespec *time)
{
    if (id == CLOCK_REALTIME) /* libFuzzer's own */
        return (int)syscall(SYS_clock_gettime, id, time);
    time->tv_sec = (time_t)(pretended_ms / 1000);
    time->tv_nsec = (long)(pretended_ms % 1000) * 1000000;
    return 0;
}

/* ---- The plan ------------------------------------------------------------------------------------- */

static plan read_plan(const uint8_t *bytes)
{
    uint8_t bits = bytes[0];
    uint32_t timeout = bits & 8 ? 200 : 0;
    plan p = {
        .settings = {.max_header_size = bits & 1 ? 300 : 8192,
                     .max_headers = bits & 1 ? 5 : 64,
                     .max_uri = bits & 1 ? 60 : 4000,
                     .memory_body = bits & 2 ? 16 : 2000,
                     .max_body_size = bits & 4 ? 100 : 1000000,
                     .header_timeout = timeout,
                     .body_timeout = timeout,
                     .keepalive_timeout = timeout,
                     .write_timeout = timeout,
                     .max_connections = bits & 16 ? 1 : 10,
                     .server = bits & 32 ? NULL : "fuzzed",
                     .accept_burst = bits & 64 ? 1 : 16,
                     .spool_directory = bits & 128 ? "/nonexistent" : NULL},
        .client_count = 1 + (bytes[1] & 3) % CLIENTS_MAX,
        .end = (ending)((bytes[1] >> 2) % ENDS),
        .accept_rest = bytes[1] & 128,
        .proxy = bytes[2] & 1,
        .trusted = !(bytes[2] & 64) || bytes[2] & 128,
        .inform = bytes[2] & 2,
        .files = bytes[2] & 4,
    };
    p.settings.unbuffered = bytes[1] & 32 ? 1 : 0;
    p.settings.body_memory = bytes[1] & 64 ? (bits & 2 ? 100 : 60000) : 0;
    p.settings.body_pool = 60000;
    p.settings.debug = bytes[2] & 8 ? 1 : 0;
    p.settings.min_body_rate = bytes[2] & 16 ? 500 : 0;
    p.settings.min_body_after = bytes[2] & 32 ? 100 : 0;
    if (p.end == END_TIMEOUT && !timeout)
        p.end = END_HALF_CLOSE;
    p.fails = MEMORY_FAILS ? bytes[3] / 4 : 0;
    p.fails_again = bytes[3] % 4 * 5;
    memcpy(p.steps, bytes + 4, STEPS);
    memcpy(p.actions, bytes + 4 + STEPS, ACTIONS);
    return p;
}

/* ---- The clients ------------------------------------------------------------------------------------ */

typedef struct {
    int fd; /* -1: closed */
    size_t sent;
    char *got;
    size_t got_len, got_room;
    bool ended; /* the server has finished sending */
} client;

static int listen_somewhere(struct sockaddr_un *address, socklen_t *len)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    /* Without a name Linux gives an abstract one, which leaves no file behind. */
    MUST(fd >= 0 && bind(fd, (struct sockaddr *)address, sizeof address->sun_family) == 0);
    *len = sizeof *address;
    MUST(getsockname(fd, (struct sockaddr *)address, len) == 0 && listen(fd, 16) == 0);
    return fd;
}

static void client_connect(client *c, const struct sockaddr_un *address, socklen_t len)
{
    memset(c, 0, sizeof *c);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    MUST(c->fd >= 0 && connect(c->fd, (const struct sockaddr *)address, len) == 0);
}

static void client_send(client *c, const uint8_t *bytes, size_t size, size_t piece)
{
    if (c->fd < 0 || c->sent == size)
        return;
    if (piece > size - c->sent)
        piece = size - c->sent;
    ssize_t sent = send(c->fd, bytes + c->sent, piece, MSG_NOSIGNAL);
    if (sent > 0)
        c->sent += (size_t)sent;
    else if (errno != EAGAIN)
        c->sent = size; /* the server has hung up */
}

static void client_read(client *c)
{
    while (c->fd >= 0 && !c->ended) {
        if (c->got_room - c->got_len < 65536) {
            c->got_room = 2 * c->got_room + 65536;
            c->got = realloc(c->got, c->got_room);
            MUST(c->got != NULL);
        }
        ssize_t got = recv(c->fd, c->got + c->got_len, c->got_room - c->got_len, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got > 0)
            c->got_len += (size_t)got;
        else
            c->ended = true;
    }
}

static void client_close(client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* ---- While the application reads ---------------------------------------------------------------------- */

/* What the clients have not sent yet: some of it comes while the core waits for content. */
static struct {
    client *clients;
    size_t count;
    const uint8_t *bytes;
    size_t size;
} coming;

/* The core's way to wait for one client: nobody waits here, but time goes on when nothing comes. */
int poll(struct pollfd *all, nfds_t count, int timeout)
{
    struct timespec none = {0, 0};
    for (size_t i = 0; i < coming.count; i++)
        client_send(&coming.clients[i], coming.bytes, coming.size, 100);
    int ready = (int)syscall(SYS_ppoll, all, count, &none, NULL, 0);
    if (ready == 0)
        pretended_ms += timeout > 0 ? (uint64_t)timeout : 1000;
    return ready;
}

/* ---- One input ---------------------------------------------------------------------------------------- */

static void play_steps(host *h, client *clients, const uint8_t *bytes, size_t size)
{
    static const size_t piece_sizes[] = {1, 2, 3, 7, 30, 200, 5000, SIZE_MAX};
    static const unsigned waits[] = {0, 0, 30, 150};
    size_t count = h->plan.client_count;
    bool unsent = size > 0;
    for (size_t i = 0; unsent && i < STEPS_MAX + count; i++) {
        uint8_t step = h->plan.steps[i % STEPS];
        client *c = &clients[i % count];
        client_send(c, bytes, size, i < STEPS_MAX ? piece_sizes[step & 7] : SIZE_MAX);
        if (step & 8)
            client_read(c);
        pretended_ms += waits[(step >> 4) & 3];
        for (int polls = (step >> 6) & 3; polls > 0; polls--)
            host_poll(h);
        unsent = false;
        for (size_t one = 0; one < count; one++)
            unsent = unsent || clients[one].sent < size;
    }
}

static void begin_end(host *h, client *clients)
{
    for (size_t i = 0; i < h->plan.client_count; i++) {
        if (h->plan.end == END_CLOSE)
            client_close(&clients[i]);
        else if (h->plan.end != END_TIMEOUT)
            (void)shutdown(clients[i].fd, SHUT_WR);
    }
    if (h->plan.end == END_CLOSE || h->plan.end == END_TIMEOUT || h->plan.end == END_DRAIN)
        h->untidy = true;
    if (h->plan.end == END_DRAIN)
        MUST(fw_drain(h->worker, h->plan.accept_rest, 50) == 0);
}

/* Until nothing is open; what the clients said is answered by then. */
static void settle(host *h, client *clients)
{
    int rounds = 0;
    for (int quiet = 0; quiet < 3; rounds++) {
        MUST(rounds < ROUNDS_MAX);
        host_poll(h);
        bool ended = true;
        for (size_t i = 0; i < h->plan.client_count; i++) {
            if (h->plan.end != END_TIMEOUT || rounds % 16 == 15)
                client_read(&clients[i]);
            /* One that waits in the backlog of a listener that was closed is reset. */
            ended = ended && (clients[i].fd < 0 || clients[i].ended);
            if (clients[i].ended)
                client_close(&clients[i]);
        }
        quiet = ended && fw_open_connections(h->worker) == 0 ? quiet + 1 : 0;
        pretended_ms += rounds < 50 ? 1 : 40;
    }
}

static void check_end(host *h, client *clients)
{
    size_t whole = 0;
    bool timed = h->plan.settings.header_timeout != 0;
    for (size_t i = 0; i < h->plan.client_count; i++) {
        if (clients[i].got_len == 0)
            continue;
        fuzz_responses responses = {.at = clients[i].got,
                                    .end = clients[i].got + clients[i].got_len};
        responses.cut = h->untidy || timed;
        responses_read(&responses);
        whole += responses.whole;
    }
    MUST(h->given == h->done + h->gone + h->aborted + h->lost);
    MUST(whole <= h->given && (h->untidy || timed || whole == h->done));
    MUST(h->score.in_flight == 0 && h->score.connections == 0);
    MUST(h->score.requests == h->given && h->score.responses <= h->done + h->lost + h->aborted);
    MUST(h->untidy || timed || h->score.responses == h->done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static host h;
    client clients[CLIENTS_MAX];
    struct sockaddr_un address;
    socklen_t len;
    if (size < PLAN_SIZE)
        return 0;
    plan p = read_plan(data);
    if (!host_begin(&h, &p))
        return 0;
    int listener = listen_somewhere(&address, &len);
    MUST(fw_listen(h.worker, listener) == 0);
    MUST(!h.plan.proxy || fw_expect_proxy(h.worker, 0) == 0);
    MUST(h.plan.trusted || fw_trust(h.worker, 4, (const unsigned char *)"\x7F\0\0\1", 8) == 0);
    if (h.plan.settings.debug)
        (void)fw_name_requests(h.worker); /* for want of memory they have none */
    for (size_t i = 0; i < h.plan.client_count; i++)
        client_connect(&clients[i], &address, len);

    coming.clients = clients;
    coming.count = h.plan.client_count;
    coming.bytes = data + PLAN_SIZE;
    coming.size = size - PLAN_SIZE;
    play_steps(&h, clients, data + PLAN_SIZE, size - PLAN_SIZE);
    if (h.plan.end != END_FREE) {
        begin_end(&h, clients);
        settle(&h, clients);
        check_end(&h, clients);
    }
    host_end(&h);
    coming.count = 0;
    for (size_t i = 0; i < h.plan.client_count; i++) {
        client_close(&clients[i]);
        free(clients[i].got);
    }
    return 0;
}
