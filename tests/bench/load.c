/* load.c -- an HTTP/1.1 client for what wrk and ab cannot do.
 * usage: load -c CONNECTIONS [-n REQUESTS | -d SECONDS] [-r PER_CONNECTION] [-l LENGTH] HOST PORT <REQUEST
 *        load -b -c CONNECTIONS [-d SECONDS] HOST PORT <REQUEST  bursts
 *        load -c CONNECTIONS -s BYTES HOST PORT <REQUEST         slow readers
 *
 * The request is read from standard input, bytes as they go out; -l appends so many bytes of content.
 * -r closes a connection after so many answers, as the client. A round ends when the requests under
 * way are answered, so that every request a server has worked on is counted: with contents of 20 MB
 * the rest would not be a small one. Contents with a Content-Length are dropped in the kernel
 * (MSG_TRUNC): the client must not be what is measured.
 *
 * A burst sends a request on every connection before it reads any response. With client and server on
 * one core, both SCHED_BATCH, what a faster server saves is not lost in waking a client that sleeps.
 * Sixteen zeros in a request become a number that is another one each time. Both: small requests only.
 *
 * Slow readers ask once and then read BYTES ten times a second; "ready" is printed when all have
 * read, and SIGTERM ends them with the numbers that are still connected and that were served at all.
 *
 * Output: one "name value" a line; times in ms. Exit status 1: it could not be done, reason on
 * standard error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_LIMIT = 16384,         /* bytes of an answer's head, and of one piece of a chunked content */
    BUCKETS = 64 * 16,          /* latency: 16 steps between powers of two microseconds */
    SLOW_WINDOW = 4096,         /* bytes of receive buffer of a slow reader; the kernel doubles it */
    SILENCE_MS = 10000,         /* a server that says nothing for so long has failed */
    SLOW_TICK_MS = 100,
};

typedef enum { HEAD, LENGTH, CHUNKED, TO_END } stage;

typedef struct {
    int fd;
    stage stage;
    uint64_t began;             /* us; when the request's first byte went out */
    size_t sent;                /* bytes of the request that the kernel has taken */
    uint64_t left;              /* bytes of content, or of the current chunk, to come */
    unsigned answered;          /* on this connection */
    bool closing;               /* the server has said that it closes */
    bool busy;                  /* a request is under way */
    size_t used;
    char buffer[HEAD_LIMIT];
} conn;

static struct {
    struct sockaddr_in address;
    char *request;
    size_t length;
    int epoll;
    uint64_t wanted, deadline, begun, completed, wrong, reconnected;
    uint64_t longest;           /* us; of all requests */
    unsigned per_connection;
    bool burst;
    char *number;               /* sixteen digits in the request, or NULL */
    uint64_t buckets[BUCKETS];
} run;
static volatile sig_atomic_t stop;

static void on_term(int number) { (void)number; stop = 1; }

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---- Latency: a histogram whose steps are 6 % ------------------------------------------------ */

static unsigned bucket_of(uint64_t us)
{
    unsigned power = 0;
    if (us < 16)
        return (unsigned)us;
    while (us >> (power + 1) >= 16)
        power++;
    return (power + 1) * 16 + (unsigned)((us >> power) - 16);
}

static double value_of(unsigned bucket)
{
    if (bucket < 16)
        return bucket;
    return (double)(((uint64_t)(bucket % 16) + 16) << (bucket / 16 - 1));
}

static double percentile(double share)
{
    uint64_t seen = 0, wanted = (uint64_t)((double)run.completed * share);
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += run.buckets[i];
        if (seen > wanted)
            return value_of(i) / 1000.0;
    }
    return 0;
}

/* ---- A connection ------------------------------------------------------------------------------- */

static void open_connection(conn *c, int window)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail("socket");
    if (window)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* Blocking: on loopback it is done at once, or the server's queue is full and we wait. */
    if (connect(c->fd, (struct sockaddr *)&run.address, sizeof run.address))
        fail("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    /* A burst needs no epoll, and waking it would be part of what the server's send costs. */
    if (!run.burst && epoll_ctl(run.epoll, EPOLL_CTL_ADD, c->fd, &event))
        fail("epoll_ctl");
    c->answered = 0;
    c->busy = c->closing = false;
}

static void wait_for(conn *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(run.epoll, EPOLL_CTL_MOD, c->fd, &event))
        fail("epoll_ctl");
}

static bool may_begin(void)
{
    return run.wanted ? run.begun < run.wanted : now_us() < run.deadline;
}

static void send_rest(conn *c)
{
    bool waited = c->sent > 0;
    while (c->sent < run.length) {
        ssize_t n = send(c->fd, run.request + c->sent, run.length - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            wait_for(c, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0)
            return; /* what the server says, or that it is gone, is seen when reading */
        c->sent += (size_t)n;
    }
    if (waited)
        wait_for(c, EPOLLIN);
}

static void leave(conn *c)
{
    close(c->fd);
    c->fd = -1;
    c->busy = false;
}

static void begin(conn *c)
{
    if (!run.burst && !may_begin()) { /* a burst that has begun is sent whole */
        /* Some servers work on one connection at a time: an idle one would keep the others waiting. */
        leave(c);
        return;
    }
    run.begun++;
    if (run.number) {
        char digits[17];
        snprintf(digits, sizeof digits, "%016llx", (unsigned long long)run.begun);
        memcpy(run.number, digits, 16);
    }
    c->busy = true;
    c->stage = HEAD;
    c->used = c->sent = 0;
    c->began = now_us();
    send_rest(c);
}

static void reopen(conn *c)
{
    close(c->fd);
    open_connection(c, 0);
    run.reconnected++;
}

static void answered(conn *c)
{
    uint64_t took = now_us() - c->began;
    run.buckets[bucket_of(took)]++;
    if (took > run.longest)
        run.longest = took;
    run.completed++;
    c->busy = false;
    c->answered++;
    bool over = c->closing || (run.per_connection && c->answered >= run.per_connection);
    if (run.burst) {
        if (over)
            leave(c);
        return;
    }
    if (over && may_begin())
        reopen(c);
    begin(c);
}

/* ---- Reading an answer ---------------------------------------------------------------------------- */

static const char *field(const conn *c, const char *name)
{
    const char *found = strcasestr(c->buffer, name);
    return found ? found + strlen(name) : NULL;
}

static void drop(conn *c, size_t n)
{
    c->used -= n;
    memmove(c->buffer, c->buffer + n, c->used);
    c->buffer[c->used] = 0;
}

/* The head is whole: what follows? */
static void read_head(conn *c, char *end)
{
    *end = 0;
    const char *length = field(c, "\nContent-Length:"), *coding = field(c, "\nTransfer-Encoding:");
    const char *connection = field(c, "\nConnection:");
    if (strncmp(c->buffer, "HTTP/1.", 7) || strncmp(c->buffer + 8, " 200", 4))
        run.wrong++;
    while (connection && *connection == ' ')
        connection++;
    c->closing = connection ? !strncasecmp(connection, "close", 5) : c->buffer[7] == '0';
    c->stage = coding ? CHUNKED : length ? LENGTH : TO_END;
    c->left = length && !coding ? strtoull(length, NULL, 10) : 0;
    drop(c, (size_t)(end - c->buffer) + 4);
}

/* Takes what the buffer has of a chunked content; true when the last chunk is there. */
static bool take_chunks(conn *c)
{
    for (;;) {
        size_t taken = c->left < c->used ? (size_t)c->left : c->used;
        drop(c, taken);
        c->left -= taken;
        char *end = c->left ? NULL : strstr(c->buffer, "\r\n");
        if (!end)
            return false;
        uint64_t size = strtoull(c->buffer, NULL, 16);
        if (!size && !strncmp(end, "\r\n\r\n", 4)) {
            drop(c, (size_t)(end - c->buffer) + 4);
            return true;
        }
        if (!size)
            return false; /* the last line end is still to come */
        drop(c, (size_t)(end - c->buffer) + 2);
        c->left = size + 2;
    }
}

/* Works on what the buffer holds; true when the answer is whole. */
static bool take(conn *c)
{
    if (c->stage == HEAD) {
        char *end = strstr(c->buffer, "\r\n\r\n");
        if (!end)
            return false;
        read_head(c, end);
    }
    if (c->stage == CHUNKED)
        return take_chunks(c);
    if (c->stage == TO_END) {
        drop(c, c->used);
        return false;
    }
    size_t taken = c->left < c->used ? (size_t)c->left : c->used;
    drop(c, taken);
    c->left -= taken;
    return c->left == 0;
}

static void on_end(conn *c)
{
    if (c->busy && c->stage == TO_END) {
        c->closing = true;
        answered(c);
        return;
    }
    if (c->busy) { /* cut off: the answer is not whole; asked again on a new connection */
        run.wrong++;
        run.begun--;
    }
    if (run.burst || !may_begin()) {
        leave(c);
        return;
    }
    reopen(c);
    begin(c);
}

static void on_readable(conn *c)
{
    ssize_t n;
    if (c->stage == LENGTH && c->left) {
        n = recv(c->fd, NULL, c->left > SIZE_MAX / 4 ? SIZE_MAX / 4 : (size_t)c->left, MSG_TRUNC | MSG_DONTWAIT);
        if (n > 0 && (c->left -= (uint64_t)n) == 0)
            answered(c);
    } else {
        n = recv(c->fd, c->buffer + c->used, HEAD_LIMIT - 1 - c->used, MSG_DONTWAIT);
        if (n > 0) {
            c->used += (size_t)n;
            c->buffer[c->used] = 0;
            if (c->busy && take(c))
                answered(c);
        }
    }
    if (n == 0 || (n < 0 && errno != EAGAIN))
        on_end(c);
}

/* ---- The kinds of run -------------------------------------------------------------------------- */

static void report(uint64_t start)
{
    double took = (double)(now_us() - start) / 1e6;
    double told = run.burst ? 0 : 1; /* in a burst a request waits for those before it */
    printf("requests %llu\nper_second %.2f\np50_ms %.3f\np99_ms %.3f\nlongest_ms %.3f\nwrong %llu\nreconnected %llu\n",
        (unsigned long long)run.completed, (double)run.completed / took, told * percentile(0.50),
        told * percentile(0.99), told * (double)run.longest / 1000, (unsigned long long)run.wrong,
        (unsigned long long)run.reconnected);
}

static void read_whole(conn *c)
{
    while (c->busy) {
        struct pollfd one = {.fd = c->fd, .events = POLLIN};
        on_readable(c);
        if (c->busy && poll(&one, 1, SILENCE_MS) == 0) {
            errno = ETIMEDOUT;
            fail("no answer");
        }
    }
}

static void send_bursts(conn *conns, unsigned count, double seconds)
{
    uint64_t start = now_us();
    run.deadline = start + (uint64_t)(seconds * 1e6);
    while (may_begin()) {
        for (unsigned i = 0; i < count; i++) {
            /* Not before it is used: a server that closes each connection would wait at it. */
            if (conns[i].fd < 0)
                open_connection(&conns[i], 0);
            begin(&conns[i]);
        }
        for (unsigned i = 0; i < count; i++)
            read_whole(&conns[i]);
        if (run.wrong > run.completed + count) {
            errno = 0;
            fail("more wrong answers than right ones");
        }
    }
    report(start);
}

static void measure(conn *conns, unsigned count, double seconds)
{
    struct epoll_event events[256];
    uint64_t start = now_us();
    run.deadline = start + (uint64_t)(seconds * 1e6);
    for (unsigned i = 0; i < count; i++)
        begin(&conns[i]);
    while (run.completed < run.begun) {
        int n = epoll_wait(run.epoll, events, 256, SILENCE_MS);
        if (n == 0) {
            errno = ETIMEDOUT;
            fail("no answer");
        }
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_rest(c);
            if (c->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT)
                on_readable(c);
        }
        if (run.wrong > run.completed + count) {
            errno = 0;
            fail("more wrong answers than right ones");
        }
    }
    report(start);
}

static void read_slowly(conn *conns, unsigned count, size_t bytes)
{
    char *sink = malloc(bytes);
    bool *served = calloc(count, sizeof *served);
    bool told = false;
    if (!sink || !served)
        fail("memory");
    while (!stop) {
        unsigned first = 0, open = 0;
        for (unsigned i = 0; i < count; i++) {
            ssize_t n = conns[i].fd < 0 ? 0 : recv(conns[i].fd, sink, bytes, MSG_DONTWAIT);
            if (n > 0)
                served[i] = true;
            else if (conns[i].fd >= 0 && (n == 0 || errno != EAGAIN)) {
                close(conns[i].fd);
                conns[i].fd = -1;
            }
            first += served[i];
            open += conns[i].fd >= 0;
        }
        if (!told && first == count) {
            printf("ready\n");
            fflush(stdout);
            told = true;
        }
        run.completed = open;
        run.begun = first;
        struct timespec tick = {0, SLOW_TICK_MS * 1000000L};
        nanosleep(&tick, NULL);
    }
    printf("open %llu\nserved %llu\n", (unsigned long long)run.completed, (unsigned long long)run.begun);
}

static void read_request(size_t extra)
{
    static char head[65536];
    size_t n = fread(head, 1, sizeof head, stdin);
    run.length = n + extra;
    run.request = malloc(run.length + 1);
    if (!run.request || !n)
        fail("request");
    memcpy(run.request, head, n);
    memset(run.request + n, 'x', extra);
    run.number = memmem(run.request, n, "0000000000000000", 16);
}

int main(int argc, char **argv)
{
    unsigned count = 1;
    double seconds = 1;
    size_t extra = 0, slow = 0;
    for (int option; (option = getopt(argc, argv, "bc:n:d:r:l:s:")) != -1;) {
        switch (option) {
        case 'b': run.burst = true; break;
        case 'c': count = (unsigned)atoi(optarg); break;
        case 'n': run.wanted = strtoull(optarg, NULL, 10); break;
        case 'd': seconds = atof(optarg); break;
        case 'r': run.per_connection = (unsigned)atoi(optarg); break;
        case 'l': extra = (size_t)atoll(optarg); break;
        case 's': slow = (size_t)atoll(optarg); break;
        default: return 2;
        }
    }
    if (argc - optind != 2)
        return 2;
    run.address.sin_family = AF_INET;
    run.address.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
    inet_pton(AF_INET, argv[optind], &run.address.sin_addr);
    read_request(extra);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_term);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    conn *conns = calloc(count, sizeof *conns);
    if (!conns)
        fail("memory");
    for (unsigned i = 0; i < count; i++) {
        open_connection(&conns[i], slow ? SLOW_WINDOW : 0);
        if (slow && send(conns[i].fd, run.request, run.length, MSG_NOSIGNAL) < 0)
            fail("send");
    }
    if (slow)
        read_slowly(conns, count, slow);
    else if (run.burst)
        send_bursts(conns, count, seconds);
    else
        measure(conns, count, seconds);
    return 0;
}
