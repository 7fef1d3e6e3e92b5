/* application.c -- see application.h. */
#include "application.h"

#include "responses.h"
#include "memory.h"

#include <unistd.h>

#include "error.h"

#define CONTENT_SIZE 1300000 /* bytes; the largest response has fewer */

static char content[CONTENT_SIZE];
static int content_file = -1; /* holds the same */
static const size_t sizes[] = {0, 1, 11, 4096, 4097, 65537, 70000, 300000};

static job *job_of(host *h, int64_t connection)
{
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (h->jobs[i].used && h->jobs[i].connection == connection)
            return &h->jobs[i];
    return NULL;
}

static void job_end(job *j, size_t *counter)
{
    MUST(j->used);
    j->used = false;
    ++*counter;
}

/* A negative result of a response that had nothing wrong: its client has left. */
static bool job_lost(host *h, job *j, int64_t result)
{
    if (result >= 0)
        return false;
    if (result == FW_EMEMORY && h->plan.fails) {
        (void)fw_abort(h->worker, j->connection); /* what a caller does that has no other way */
        job_end(j, &h->aborted);
        return true;
    }
    MUST(result == FW_CLIENT_GONE);
    h->untidy = true;
    job_end(j, &h->lost);
    return true;
}

static size_t write_head(const job *j, const char *status, const char *more, char *out, size_t size,
                         size_t *fields)
{
    int len = snprintf(out, size, "%s\nX-N\n%u\nX-Head\n%d%s", status, j->number,
                       j->is_head ? 1 : 0, more);
    MUST(len > 0 && (size_t)len < size);
    *fields = 1;
    for (int i = 0; i < len; i++)
        *fields += out[i] == '\n';
    return (size_t)len;
}

static void job_finish(host *h, job *j)
{
    int64_t result = fw_end(h->worker, j->connection);
    if (job_lost(h, j, result))
        return;
    if (result & FW_NOTE_SHORT)
        h->untidy = true;
    job_end(j, &h->done);
}

static int64_t give(host *h, const job *j, size_t at, size_t size)
{
    if (h->plan.files && j->what == STREAM_SIZED)
        return fw_send_file(h->worker, j->connection, content_file, (int64_t)at, size);
    return fw_send(h->worker, j->connection, content + at, size);
}

/* Gives pieces until one is not taken, or all are. */
static void job_send(host *h, job *j)
{
    j->waits = false;
    while (j->rest || j->pieces) {
        size_t size = j->rest;
        if (!size) {
            size = j->piece;
            j->pieces--;
            j->given += size;
        }
        int64_t result = give(h, j, j->given - size, size);
        if (job_lost(h, j, result))
            return;
        j->rest = (size_t)(result & FW_REST_MASK);
        MUST(j->rest <= size);
        if (result & FW_NOTE_NO_CONTENT)
            j->rest = j->pieces = 0;
        j->waits = j->rest > 0;
        if (j->waits || (j->what == STREAM_SLOWLY && j->pieces))
            return;
    }
    job_finish(h, j);
}

static void job_respond(host *h, job *j, const char *status, size_t size)
{
    char head[256];
    size_t fields;
    size_t len = write_head(j, status, "", head, sizeof head, &fields);
    int64_t result = fw_respond(h->worker, j->connection, head, len, fields, content, size);
    if (job_lost(h, j, result))
        return;
    j->begun = true;
    j->given = size;
    j->rest = (size_t)(result & FW_REST_MASK);
    MUST(j->rest <= size);
    j->waits = j->rest > 0;
    if (!j->waits)
        job_end(j, &h->done);
}

/* Exact, one too few, one too many; in the head, or said beside it. */
static int64_t begin_sized(host *h, job *j)
{
    char head[256];
    char length[64] = "";
    size_t fields;
    size_t declared = j->piece * j->pieces + j->argument / 8 % 2;
    declared -= declared && j->number % 4 == 3 ? 1 : 0;
    if (j->number % 2)
        (void)snprintf(length, sizeof length, "\nContent-Length\n%zu", declared);
    size_t len = write_head(j, "200 OK", length, head, sizeof head, &fields);
    return fw_begin_sized(h->worker, j->connection, head, len, fields, declared);
}

static void job_stream(host *h, job *j)
{
    char head[256];
    size_t fields;
    size_t len = write_head(j, "200 OK", "", head, sizeof head, &fields);
    j->piece = sizes[j->argument % 8];
    j->pieces = j->argument / 8;
    int64_t result = j->what == STREAM_SIZED
                         ? begin_sized(h, j)
                         : fw_begin(h->worker, j->connection, head, len, fields);
    if (job_lost(h, j, result))
        return;
    j->begun = true;
    MUST(fw_begin(h->worker, j->connection, head, len, fields) == FW_ESTATE);
    job_send(h, j);
}

static void job_mistakes(host *h, job *j)
{
    static const struct {
        const char *head;
        size_t fields;
        int code;
    } wrong[] = {
        {"", 1, FW_ESTATUS},
        {"100 Continue", 1, FW_ESTATUS},
        {"200OK", 1, FW_ESTATUS},
        {"200 OK\r", 1, FW_ESTATUS},
        {"200 OK\nA", 2, FW_ECOUNT},
        {"200 OK\nA\nb\nC\nd", 3, FW_ECOUNT},
        {"200 OK\nA b\nc", 3, FW_ENAME},
        {"200 OK\n\nc", 3, FW_ENAME},
        {"200 OK\nA\nb\rc", 3, FW_EVALUE},
        {"200 OK\nContent-Length\n-1", 3, FW_ELENGTH},
        {"200 OK\nContent-Length\n1\ncontent-length\n1", 5, FW_ELENGTH},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *head = wrong[i].head;
        MUST(fw_respond(h->worker, j->connection, head, strlen(head), wrong[i].fields, "x", 1) ==
             wrong[i].code);
        MUST(fw_begin(h->worker, j->connection, head, strlen(head), wrong[i].fields) ==
             wrong[i].code);
    }
    MUST(fw_send(h->worker, j->connection, "x", 1) == FW_ESTATE);
    MUST(fw_end(h->worker, j->connection) == FW_ESTATE);
    MUST(fw_abort(h->worker, j->connection + (1 << 24)) == FW_CLIENT_GONE);
    job_respond(h, j, "200 OK", 3);
}

/* False when the client has left. */
static bool job_inform(host *h, job *j)
{
    static const char early[] = "103 Early Hints\nLink\n</a.css>; rel=preload";
    static const char late[] = "200 OK";
    int64_t result = fw_inform(h->worker, j->connection, early, sizeof early - 1, 3);
    if (job_lost(h, j, result))
        return false;
    int wrong = (int)fw_inform(h->worker, j->connection, late, sizeof late - 1, 1);
    MUST(wrong == FW_ESTATUS || (wrong == FW_EMEMORY && h->plan.fails));
    return true;
}

static void job_begin(host *h, job *j)
{
    if (h->plan.inform && !job_inform(h, j))
        return;
    switch (j->what) {
    case RESPOND:
    case DELAY: job_respond(h, j, "200 OK", sizes[j->argument % 8]); break;
    case STREAM:
    case STREAM_SIZED:
    case STREAM_SLOWLY: job_stream(h, j); break;
    case ABORT:
        h->untidy = true;
        if (!job_lost(h, j, fw_abort(h->worker, j->connection)))
            job_end(j, &h->aborted);
        break;
    case MISTAKES: job_mistakes(h, j); break;
    case BODILESS: job_respond(h, j, j->argument & 1 ? "204 No Content" : "304", 5); break;
    }
}

static unsigned next_number(host *h, int64_t connection)
{
    size_t i = 0;
    while (i < h->connections && h->numbers[i].connection != connection)
        i++;
    MUST(i < JOBS_MAX);
    if (i == h->connections)
        h->numbers[h->connections++] = (numbering){connection, 0};
    return h->numbers[i].responses++;
}

/* False when the client has left already; FW_GONE then stands in the same batch. */
static bool take_content(host *h, const batch_record *record, uint8_t argument)
{
    if (record->spooled && argument & 4)
        return true; /* the core has to clear it away */
    int fd = fw_take_content(h->worker, record->connection);
    if (fd == FW_CLIENT_GONE)
        return false;
    if (record->spooled) {
        MUST(fd >= 0 && lseek(fd, 0, SEEK_CUR) == 0);
        MUST((uint64_t)lseek(fd, 0, SEEK_END) > h->plan.settings.memory_body);
        close(fd);
        fd = fw_take_content(h->worker, record->connection);
    }
    MUST(fd == FW_ESTATE);
    return true;
}

/* The bytes that Content-Length says; FW_UNREAD comes with no other framing. */
static size_t length_of(const batch_record *record)
{
    const fw_field *field = record->fields;
    while (!fw_slice_is(field->name, "content-length", 14))
        MUST(++field < record->fields + record->field_count);
    size_t length = 0;
    for (size_t i = 0; i < field->value.len; i++)
        length = length * 10 + (size_t)(field->value.at[i] - '0');
    return length;
}

/* Like take_content(). What fw_poll() promised of FW_UNREAD holds: all of it, at once. Of FW_COMING some is left
 * unread, and the core has to throw it away. */
static bool read_content(host *h, const batch_record *record, uint8_t argument)
{
    static char room[70000];
    int64_t got;
    if (record->unread) {
        size_t length = length_of(record);
        MUST(length > h->plan.settings.memory_body && length <= h->plan.settings.body_memory &&
             length <= sizeof room);
        got = fw_read_content(h->worker, record->connection, room, length);
        MUST(got < 0 || got == (int64_t)length);
    } else {
        size_t size = argument & 1 ? 5 : sizeof room;
        int calls = argument & 8 ? argument & 3 : 100000;
        do {
            got = calls-- > 0 ? fw_read_content(h->worker, record->connection, room, size) : -1;
            MUST(got <= (int64_t)size && got != FW_MORE);
        } while (got > 0);
        if (calls < 0)
            return true;
    }
    if (got == 0 || record->unread)
        MUST(got < 0 || fw_take_content(h->worker, record->connection) == FW_ESTATE);
    if (got < 0) /* the core has told the client why, if it is still there */
        h->untidy = true;
    return got >= 0;
}

static void give_back(host *h)
{
    if (!h->held)
        return;
    MUST(h->held[0] == h->held_ends[0] && h->held[h->held_size - 1] == h->held_ends[1]);
    fw_release_memory(h->worker, h->held);
    h->held = NULL;
}

/* Like take_content(). Some are held for longer than their request: nobody else writes there. */
static bool take_memory(host *h, const batch_record *record, uint8_t argument)
{
    size_t length = length_of(record);
    MUST(length > h->plan.settings.body_memory && length <= h->plan.settings.body_pool);
    if (argument & 4)
        return true; /* the core has to clear it away */
    uint64_t size = 0;
    char *memory = fw_take_memory(h->worker, record->connection, &size);
    if (!memory)
        return false;
    MUST(size == length && !fw_take_memory(h->worker, record->connection, &size));
    give_back(h);
    h->held = memory;
    h->held_size = length;
    h->held_ends[0] = memory[0];
    h->held_ends[1] = memory[length - 1];
    if (argument & 8)
        give_back(h);
    return true;
}

static bool take(host *h, const batch_record *record, uint8_t argument)
{
    if (record->unread || record->coming)
        return read_content(h, record, argument);
    return record->pooled ? take_memory(h, record, argument) : take_content(h, record, argument);
}

static void on_request(host *h, const batch_record *record)
{
    job *j = h->jobs;
    while (j->used)
        MUST(++j < h->jobs + JOBS_MAX);
    MUST(job_of(h, record->connection) == NULL); /* one request at a time */
    uint8_t byte = h->plan.actions[h->given % ACTIONS];
    *j = (job){.used = true, .connection = record->connection, .what = (action)(byte & 7)};
    j->argument = byte >> 3;
    j->number = next_number(h, record->connection);
    j->is_head = record->method.len == 4 && memcmp(record->method.at, "HEAD", 4) == 0;
    j->delay = j->what == DELAY ? 1 + j->argument / 8 * 3 : 0;
    h->given++;
    MUST(record->content.len <= h->plan.settings.memory_body);
    bool left = !take(h, record, j->argument);
    if (left && (record->unread || record->coming))
        j->delay = 0; /* the request is over, and nothing more is told of it */
    if (j->what == MISTAKES && (left || h->plan.fails))
        j->what = RESPOND; /* other codes than expected may come first */
    if (j->delay == 0)
        job_begin(h, j);
}

static void on_record(host *h, const batch_record *record)
{
    job *j = NULL;
    switch (record->kind) {
    case FW_REQUEST:
    case FW_REQUEST_RAW: on_request(h, record); break;
    case FW_WRITABLE:
        j = job_of(h, record->connection);
        MUST(j && j->waits);
        job_send(h, j);
        break;
    case FW_GONE:
        h->untidy = true;
        j = job_of(h, record->connection);
        if (j) /* else a response was told before */
            job_end(j, &h->gone);
        break;
    case FW_DEBUG: MUST(h->plan.settings.debug); break;
    default: MUST(record->kind == FW_STARVED); break;
    }
}

void host_poll(host *h)
{
    static batch_record record;
    int count = fw_poll(h->worker, 0);
    batch_start(&h->reader, h->worker, count);
    while (batch_next(&h->reader, &record))
        on_record(h, &record);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        job *j = &h->jobs[i];
        if (j->used && j->delay > 0 && --j->delay == 0)
            job_begin(h, j);
        else if (j->used && j->what == STREAM_SLOWLY && j->begun && !j->waits)
            job_send(h, j);
    }
}

static void make_content(void)
{
    char path[] = "/tmp/fuzz-XXXXXX";
    for (size_t i = 0; i < CONTENT_SIZE; i++)
        content[i] = fuzz_pattern(i);
    content_file = mkstemp(path);
    MUST(content_file >= 0 && unlink(path) == 0);
    MUST(write(content_file, content, CONTENT_SIZE) == CONTENT_SIZE);
}

bool host_begin(host *h, const plan *p)
{
    if (content_file < 0)
        make_content();
    memset(h, 0, sizeof *h);
    h->plan = *p;
    h->untidy = p->fails > 0;
    memory_fails(p->fails, p->fails_again);
    h->worker = fw_worker_new(&h->plan.settings, &h->score);
    MUST(h->worker != NULL || p->fails);
    return h->worker != NULL;
}

void host_end(host *h)
{
    give_back(h);
    fw_worker_free(h->worker);
    batch_forget(&h->reader);
}
