/* case_player.c -- plays wire cases (tests/protocol) against the core in this very process, split at
 * every position, with an application that responses what it saw (tests/support/cases.py, ECHO).
 * usage: case_player SOCKET MAX_HEADER_SIZE MAX_HEADERS MAX_URI MAX_BODY_SIZE
 *
 * stdin:  cases. Each a count of steps, then for each step half_close (0 or 1), a length, bytes.
 * stdout: for each case the count of different outcomes, then for each of them how many splits had
 *         it, the first of these (0: whole), how many requests the application saw, and for each step
 *         whether the connection has ended, a length, and the bytes that came back; flushed.
 * All numbers are uint32, big-endian. Responses that differ only in their Date count as equal.
 *
 * Nothing waits here: on a unix socket what was sent is there at once, so when the core finds no work
 * and the client nothing to read, the step is over. */
#include "batch_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STEPS_MAX 64
#define OUTCOMES_MAX 16
#define LINGER_POLLS 1000
#define FEED_MAX (96 * 1024 * 1024) /* bytes fed for one case: a long one is not split everywhere */

typedef struct {
    char *at;
    size_t len;
    size_t room;
} text;

static void put(text *out, const void *bytes, size_t len)
{
    if (out->len + len > out->room) {
        out->room = 2 * (out->len + len);
        out->at = realloc(out->at, out->room);
        PROMISED(out->at != NULL);
    }
    if (len > 0)
        memcpy(out->at + out->len, bytes, len);
    out->len += len;
}

static void put_literal(text *out, const char *literal)
{
    put(out, literal, strlen(literal));
}

/* ---- The application: JSON of what it saw ----------------------------------------------------------- */

static void put_escaped(text *out, fw_slice bytes)
{
    size_t plain = 0; /* where a run of bytes that stand for themselves begins */
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.at[i];
        char escape[8];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\')
            continue;
        put(out, bytes.at + plain, i - plain);
        (void)snprintf(escape, sizeof escape, "\\u%04x", c);
        put_literal(out, escape);
        plain = i + 1;
    }
    if (plain < bytes.len)
        put(out, bytes.at + plain, bytes.len - plain);
}

static void put_pair(text *out, const char *key, fw_slice value)
{
    put_literal(out, "\"");
    put_literal(out, key);
    put_literal(out, "\": \"");
    put_escaped(out, value);
    put_literal(out, "\", ");
}

/* RFC 3875 4.1.18 */
static void put_key(text *out, fw_slice name)
{
    bool plain = fw_slice_is(name, "content-type", 12) || fw_slice_is(name, "content-length", 14);
    put_literal(out, plain ? "\"" : "\"HTTP_");
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        c = c >= 'a' && c <= 'z' ? (char)(c - 32) : c == '-' ? '_' : c;
        put(out, &c, 1);
    }
    put_literal(out, "\": \"");
}

static bool same_name(fw_slice a, fw_slice b)
{
    for (size_t i = 0; a.len == b.len && i < a.len; i++) {
        char x = a.at[i];
        char y = b.at[i];
        if (x != y && ((x ^ y) != 0x20 || (x | 0x20) < 'a' || (x | 0x20) > 'z'))
            return false;
    }
    return a.len == b.len;
}

/* Field number first with all later ones of its name; nothing if it is a later one itself. */
static void put_field(text *out, const batch_record *record, size_t first)
{
    fw_slice name = record->fields[first].name;
    for (size_t i = 0; i < first; i++)
        if (same_name(record->fields[i].name, name))
            return;
    put_key(out, name);
    put_escaped(out, record->fields[first].value);
    for (size_t i = first + 1; i < record->field_count; i++) {
        if (!same_name(record->fields[i].name, name))
            continue;
        put_literal(out, fw_slice_is(name, "cookie", 6) ? "; " : ", ");
        put_escaped(out, record->fields[i].value);
    }
    put_literal(out, "\", ");
}

static void put_path(text *out, const batch_record *record)
{
    bool has_lf;
    char *decoded = malloc(record->path.len + 1);
    PROMISED(decoded != NULL);
    size_t len = record->path.len;
    if (record->kind == FW_REQUEST_RAW)
        len = fw_percent_decode(record->path, decoded, &has_lf);
    else
        memcpy(decoded, record->path.at, len);
    put_pair(out, "PATH_INFO", (fw_slice){decoded, len});
    free(decoded);
}

static void echo(const batch_record *record, text *out)
{
    char protocol[16];
    PROMISED(record->version.len == 3);
    (void)snprintf(protocol, sizeof protocol, "HTTP/%.3s", record->version.at);
    put_literal(out, "{\"environ\": {");
    put_pair(out, "REQUEST_METHOD", record->method);
    put_pair(out, "SERVER_PROTOCOL", (fw_slice){protocol, strlen(protocol)});
    put_path(out, record);
    put_pair(out, "QUERY_STRING", record->query);
    put_pair(out, "RAW_URI", record->target);
    put_pair(out, "REQUEST_URI", record->target);
    put_pair(out, "REMOTE_ADDR", record->address);
    put_pair(out, "REMOTE_PORT", record->port);
    for (size_t i = 0; i < record->field_count; i++)
        put_field(out, record, i);
    put_literal(out, "\"wsgi.url_scheme\": \"http\"}, \"body\": \"");
    put_escaped(out, record->content);
    put_literal(out, "\"}");
}

/* ---- One worker, one connection at a time ------------------------------------------------------------- */

static fw_worker *worker;
static fw_score score;
static batch_reader batch;
static struct sockaddr_un address;
static uint32_t seen; /* requests */
static int fd;        /* of the client */
static bool ended;    /* the core has finished sending */

static int poll_once(void)
{
    static batch_record record;
    static const char head[] = "200 OK\nContent-Type\napplication/json\nX-Echo\n1";
    int count = fw_poll(worker, 0);
    batch_start(&batch, worker, count);
    while (batch_next(&batch, &record)) {
        if (record.kind != FW_REQUEST && record.kind != FW_REQUEST_RAW)
            continue;
        PROMISED(!record.spooled);
        text content = {0};
        echo(&record, &content);
        seen++;
        int64_t rest = fw_respond(worker, record.connection, head, sizeof head - 1, 5, content.at,
                                  content.len);
        PROMISED((rest & FW_REST_MASK) == 0);
        free(content.at);
    }
    return count;
}

static size_t client_read(text *got)
{
    static char room[65536];
    ssize_t len = ended ? 0 : recv(fd, room, sizeof room, 0);
    if (len > 0)
        put(got, room, (size_t)len);
    else if (len == 0 || errno != EAGAIN)
        ended = true;
    return len > 0 ? (size_t)len : 0;
}

static void run_until_quiet(text *got)
{
    for (int quiet = 0; quiet < 2; quiet++)
        if (poll_once() > 0 || client_read(got) > 0)
            quiet = -1;
}

static void client_send(const char *bytes, size_t len, text *got)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return; /* the core has hung up; what it said is read all the same */
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        }
        run_until_quiet(got);
    }
}

/* ---- Cases ---------------------------------------------------------------------------------------------- */

typedef struct {
    bool half_close;
    char *bytes;
    size_t len;
} step;

typedef struct {
    text got;
    bool ended;
} responses;

typedef struct {
    uint32_t splits, first, seen;
    responses steps[STEPS_MAX];
} outcome;

static void play(const step *steps, size_t count, size_t split, outcome *result)
{
    size_t before = 0;
    memset(result, 0, sizeof *result);
    result->splits = 1;
    result->first = (uint32_t)split;
    seen = 0;
    ended = false;
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    PROMISED(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    PROMISED(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    for (size_t i = 0; i < count; i++) {
        const step *s = &steps[i];
        text *got = &result->steps[i].got;
        size_t cut = split > before && split < before + s->len ? split - before : s->len;
        client_send(s->bytes, cut, got);
        client_send(s->bytes + cut, s->len - cut, got);
        if (s->half_close)
            (void)shutdown(fd, SHUT_WR);
        run_until_quiet(got);
        result->steps[i].ended = ended;
        before += s->len;
    }
    result->seen = seen;
    close(fd);
    for (int i = 0; fw_open_connections(worker) > 0; i++) {
        PROMISED(i < LINGER_POLLS);
        (void)poll_once();
    }
    PROMISED(score.in_flight == 0 && score.connections == 0 && score.requests == score.responses);
}

static bool same_but_date(const text *a, const text *b)
{
    static const char name[] = "\r\nDate: ";
    size_t hidden = 0; /* bytes still to be passed over */
    if (a->len == b->len && (a->len == 0 || memcmp(a->at, b->at, a->len) == 0))
        return true; /* nearly always */
    for (size_t i = 0; a->len == b->len && i < a->len; i++) {
        if (hidden == 0 && a->at[i] != b->at[i])
            return false;
        hidden -= hidden > 0;
        if (i + 1 >= sizeof name - 1 &&
            memcmp(a->at + i + 2 - sizeof name, name, sizeof name - 1) == 0)
            hidden = sizeof "Sun, 06 Nov 1994 08:49:37 GMT" - 1;
    }
    return a->len == b->len;
}

static bool same_outcome(const outcome *a, const outcome *b, size_t count)
{
    bool same = a->seen == b->seen;
    for (size_t i = 0; same && i < count; i++)
        same = a->steps[i].ended == b->steps[i].ended &&
               same_but_date(&a->steps[i].got, &b->steps[i].got);
    return same;
}

static void outcome_free(outcome *o, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(o->steps[i].got.at);
}

/* Keeps one of each kind: the newest, whose Date is that of most that follow. */
static size_t keep(outcome *kinds, size_t kind_count, outcome *new, size_t steps)
{
    for (size_t i = 0; i < kind_count; i++) {
        if (same_outcome(&kinds[i], new, steps)) {
            new->splits = kinds[i].splits + 1;
            new->first = kinds[i].first;
            outcome_free(&kinds[i], steps);
            kinds[i] = *new;
            return kind_count;
        }
    }
    PROMISED(kind_count < OUTCOMES_MAX);
    kinds[kind_count] = *new;
    return kind_count + 1;
}

/* The next split: every one, but of a long case only those near its ends and some in between. */
static size_t next_split(size_t split, size_t total)
{
    size_t edge = FEED_MAX / (total + 1) / 3 + 1;
    size_t stride = total > 3 * edge ? (total - 2 * edge) / edge + 1 : 1;
    bool near = split < edge || split + edge >= total;
    return near || split + stride >= total ? split + 1 : split + stride;
}

/* ---- Reading and writing ---------------------------------------------------------------------------------- */

static bool read_number(uint32_t *number)
{
    unsigned char b[4];
    if (fread(b, sizeof b, 1, stdin) != 1)
        return false;
    *number = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return true;
}

static void write_number(size_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        putchar((int)(number >> shift & 0xFF));
}

static bool read_case(step *steps, size_t *count)
{
    uint32_t number;
    if (!read_number(&number))
        return false;
    PROMISED(number <= STEPS_MAX);
    *count = number;
    for (size_t i = 0; i < *count; i++) {
        PROMISED(read_number(&number));
        steps[i].half_close = number;
        PROMISED(read_number(&number));
        steps[i].len = number;
        steps[i].bytes = malloc(number + 1u);
        PROMISED(steps[i].bytes && fread(steps[i].bytes, 1, number, stdin) == number);
    }
    return true;
}

static void write_outcomes(outcome *kinds, size_t kind_count, size_t steps)
{
    write_number(kind_count);
    for (size_t i = 0; i < kind_count; i++) {
        write_number(kinds[i].splits);
        write_number(kinds[i].first);
        write_number(kinds[i].seen);
        for (size_t s = 0; s < steps; s++) {
            const text *got = &kinds[i].steps[s].got;
            write_number(kinds[i].steps[s].ended);
            write_number(got->len);
            if (got->len > 0)
                (void)fwrite(got->at, 1, got->len, stdout);
        }
        outcome_free(&kinds[i], steps);
    }
    fflush(stdout);
}

static void play_all(const step *steps, size_t count)
{
    static outcome kinds[OUTCOMES_MAX];
    size_t kind_count = 0;
    size_t total = 0;
    outcome one;
    for (size_t i = 0; i < count; i++)
        total += steps[i].len;
    size_t split = 0;
    do {
        play(steps, count, split, &one);
        kind_count = keep(kinds, kind_count, &one, count);
        split = next_split(split, total);
    } while (split < total);
    write_outcomes(kinds, kind_count, count);
}

static void listen_on(const char *path)
{
    PROMISED(strlen(path) < sizeof address.sun_path);
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, strlen(path));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    PROMISED(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    PROMISED(listen(listener, 8) == 0 && fw_listen(worker, listener) == 0);
}

int main(int argc, char **argv)
{
    static step steps[STEPS_MAX];
    size_t count;
    if (argc != 6) {
        fputs("usage: case_player SOCKET MAX_HEADER_SIZE MAX_HEADERS MAX_URI MAX_BODY_SIZE\n",
              stderr);
        return argc == 1 ? EXIT_SUCCESS : EXIT_FAILURE; /* built, and that was all */
    }
    fw_settings settings = {
        .max_header_size = (uint32_t)atoi(argv[2]),
        .max_headers = (uint32_t)atoi(argv[3]),
        .max_uri = (uint32_t)atoi(argv[4]),
        .max_body_size = (uint64_t)atoll(argv[5]),
        .memory_body = (uint32_t)atoi(argv[5]),
        .max_connections = 4,
        .accept_burst = 4,
        .server = "Fapws",
    };
    worker = fw_worker_new(&settings, &score);
    PROMISED(worker != NULL);
    listen_on(argv[1]);
    while (read_case(steps, &count)) {
        play_all(steps, count);
        for (size_t i = 0; i < count; i++)
            free(steps[i].bytes);
    }
    fw_worker_free(worker);
    batch_forget(&batch);
    (void)unlink(argv[1]);
    return EXIT_SUCCESS;
}
