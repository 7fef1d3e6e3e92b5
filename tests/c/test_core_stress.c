/* test_core_stress.c -- many clients that do as clients do, and an application that responses as it
 * likes; everything at random from a fixed seed. What must hold: a client that behaved has got its
 * responses, whole, its own, in order; at the end nothing is left over.
 *
 * Request number i of client c asks for /c/i/size and is answered with size bytes of pattern(c, i).
 * FAPWS_SEED=number in the environment tries another course. */
#include "core_reply.h"

enum { CLIENTS = 500, AT_ONCE = 60, REQUESTS_MAX = 24, TASKS = 4 * AT_ONCE };

typedef enum { ENDS_WELL, ENDS_HALF_CLOSED, ENDS_IN_RESET, ENDS_EARLY, ENDS_BADLY } ending;

typedef struct {
    test_client client;
    bool open;
    int number;
    ending ends;
    char *text; /* all it is going to send */
    size_t len;
    size_t sent;
    size_t stops_at; /* of text: it leaves there */
    int requests;
    bool to_head[REQUESTS_MAX];
    int aborted_at; /* the application cut this response; REQUESTS_MAX: none */
    bool reads_slowly;
    bool local; /* unix sockets know no reset: a response that ends with the connection and is cut
                 * looks whole */
} stress_actor;

/* A request in the application's hands. */
typedef struct {
    bool used;
    int64_t id;
    int client;
    int request;
    bool begun;
    bool waits; /* for FW_WRITABLE */
    size_t size;
    size_t offered;
    size_t taken;
    char *content;
} stress_task;

static test_site here;
static stress_actor actors[AT_ONCE];
static stress_task tasks[TASKS];
static int started, aborted_actors, answered_whole;
static uint64_t random_state = 20240229;

static unsigned chance(unsigned below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

static char *pattern(int client, int request, size_t size)
{
    char *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + ((size_t)client * 7 + (size_t)request * 3 + i) % 26);
    bytes[size] = '\0';
    return bytes;
}

static size_t some_size(void)
{
    switch (chance(20)) {
    case 0: return 100000 + chance(400000);
    case 1: return 20000 + chance(100000);
    case 2: return 0;
    default: return chance(5000);
    }
}

/* ---- The clients ------------------------------------------------------------------------------- */

static void add(stress_actor *actor, const void *bytes, size_t len)
{
    actor->text = realloc(actor->text, actor->len + len + 1);
    memcpy(actor->text + actor->len, bytes, len);
    actor->len += len;
}

static void add_content(stress_actor *actor, const char *content, size_t len, bool chunked)
{
    char line[64];
    while (chunked && len) {
        size_t chunk = 1 + chance((unsigned)len);
        add(actor, line, (size_t)snprintf(line, sizeof line, "%zx;e=%u\r\n", chunk, chance(9)));
        add(actor, content, chunk);
        add(actor, "\r\n", 2);
        content += chunk;
        len -= chunk;
    }
    if (chunked)
        add(actor, "0\r\n\r\n", 5);
    else
        add(actor, content, len);
}

static void add_request(stress_actor *actor, int i, bool last)
{
    static const char *const extra[] = {"", "X-A: b\r\n", "X-A: b\r\nAccept: */*\r\n",
                                        "a: 1\r\nA: 2\r\n"};
    char head[400];
    bool post = chance(4) == 0;
    bool chunked = post && chance(2);
    size_t len = post ? (chance(5) ? chance(3000) : chance(100000)) : 0;
    char framing[64] = "";
    if (post && !chunked)
        (void)snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", len);
    actor->to_head[i] = !post && chance(6) == 0;
    int size = snprintf(head, sizeof head, "%s /%d/%d/%zu HTTP/1.%d\r\nHost: h\r\n%s%s%s%s\r\n",
                        post                ? "POST"
                        : actor->to_head[i] ? "HEAD"
                                            : "GET",
                        actor->number, i, some_size(), last && !chunked && chance(3) == 0 ? 0 : 1,
                        extra[chance(4)], framing, chunked ? "Transfer-Encoding: chunked\r\n" : "",
                        last && chance(2) ? "Connection: close\r\n" : "");
    add(actor, head, (size_t)size);
    char *content = pattern(actor->number, i, len);
    if (post)
        add_content(actor, content, len, chunked);
    free(content);
}

static void actor_start(stress_actor *actor)
{
    memset(actor, 0, sizeof *actor);
    actor->number = started++;
    actor->open = true;
    actor->ends = chance(2) ? ENDS_WELL : (ending)chance(5);
    actor->requests = 1 + (int)chance(chance(3) ? 4 : REQUESTS_MAX);
    actor->aborted_at = REQUESTS_MAX;
    actor->reads_slowly = chance(5) == 0;
    for (int i = 0; i < actor->requests; i++)
        add_request(actor, i, i + 1 == actor->requests);
    if (actor->ends == ENDS_BADLY)
        add(actor, "NOT HTTP\r\n\r\n", 12);
    actor->stops_at = actor->len;
    if (actor->ends == ENDS_IN_RESET || actor->ends == ENDS_EARLY)
        actor->stops_at = chance((unsigned)actor->len);
    unsigned way = chance(8);
    actor->local = way == 0;
    (way == 0   ? client_open_unix
     : way == 1 ? client_open_slow
                : client_open)(&here, &actor->client);
}

static bool bad(const stress_actor *actor, int i, const char *what)
{
    printf("client %d, request %d of %d: %s\n", actor->number, i, actor->requests, what);
    return CHECK(false);
}

/* What has come is whole, in order, and this client's own. Returns the responses counted. */
static int check_replies(stress_actor *actor)
{
    test_client *client = &actor->client;
    int i = 0;
    while (client->used < client->len && i < actor->requests) {
        test_reply got;
        ssize_t used = reply_parse(client->data + client->used, client->len - client->used,
                                   client->ended && !client->reset, actor->to_head[i], &got);
        bool until_end = !got.sized && !got.chunked;
        bool ok =
            used > 0 && got.status == 200 && !(until_end && actor->local && i == actor->aborted_at);
        char *content = ok ? pattern(actor->number, i, got.content_len) : NULL;
        if (ok && memcmp(content, got.content, got.content_len) != 0)
            bad(actor, i, "another's content");
        if (ok && !actor->to_head[i] && reply_field(&got, "X-Size") &&
            strtoul(reply_field(&got, "X-Size"), NULL, 10) != got.content_len)
            bad(actor, i, "content of another length");
        free(content);
        reply_free(&got);
        if (!ok)
            break;
        client->used += (size_t)used;
        i++;
    }
    return i;
}

static void actor_end(stress_actor *actor)
{
    int got = check_replies(actor);
    if (actor->aborted_at < REQUESTS_MAX) {
        aborted_actors++;
        if (got > actor->aborted_at)
            bad(actor, got, "more responses than were given");
    } else if (actor->ends != ENDS_IN_RESET && actor->ends != ENDS_EARLY) {
        answered_whole++;
        if (got != actor->requests)
            bad(actor, got, "no response");
        if (actor->ends != ENDS_BADLY && actor->client.used != actor->client.len)
            bad(actor, got, "bytes after the last response");
    }
    client_close(&actor->client);
    free(actor->text);
    actor->open = false;
}

static bool all_answered(stress_actor *actor)
{
    if (actor->ends == ENDS_WELL && chance(10) == 0) {
        size_t used = actor->client.used;
        int got = check_replies(actor);
        actor->client.used = used;
        return got == actor->requests;
    }
    return false;
}

static void actor_step(stress_actor *actor)
{
    test_client *client = &actor->client;
    if (actor->sent < actor->stops_at && !client->ended) {
        size_t len = 1 + chance(chance(3) ? 10000 : 20);
        if (len > actor->stops_at - actor->sent)
            len = actor->stops_at - actor->sent;
        ssize_t sent = send(client->fd, actor->text + actor->sent, len, MSG_NOSIGNAL);
        actor->sent += sent > 0 ? (size_t)sent : 0;
        if (actor->sent == actor->stops_at && actor->ends == ENDS_HALF_CLOSED)
            shutdown(client->fd, SHUT_WR);
    }
    client_read(client, actor->reads_slowly ? 1 + chance(20000) : SIZE_MAX);
    bool gave_up = actor->sent == actor->stops_at && chance(4) == 0;
    if (gave_up && actor->ends == ENDS_IN_RESET)
        client_reset(client);
    if (client->ended || client->fd < 0 || (gave_up && actor->ends == ENDS_EARLY) ||
        (actor->sent == actor->len && all_answered(actor)))
        actor_end(actor);
}

/* ---- The application --------------------------------------------------------------------------- */

static stress_task *task_new(int64_t id)
{
    for (int i = 0; i < TASKS; i++)
        if (!tasks[i].used) {
            tasks[i].used = true;
            tasks[i].id = id;
            return &tasks[i];
        }
    printf("more requests in hand than there can be\n");
    exit(1);
}

static stress_task *task_of(int64_t id)
{
    for (int i = 0; i < TASKS; i++)
        if (tasks[i].used && tasks[i].id == id)
            return &tasks[i];
    return NULL;
}

static void task_end(stress_task *task)
{
    free(task->content);
    memset(task, 0, sizeof *task);
}

static void task_abort(stress_task *task)
{
    for (int i = 0; i < AT_ONCE; i++)
        if (actors[i].open && actors[i].number == task->client)
            actors[i].aborted_at = task->request;
    CHECK(fw_abort(here.worker, task->id) == 0);
    task_end(task);
}

/* The rest of the last piece and perhaps more. */
static int64_t task_send(stress_task *task)
{
    if (task->taken == task->size)
        return fw_end(here.worker, task->id);
    task->offered += chance((unsigned)(task->size - task->offered) + 1);
    return fw_send(here.worker, task->id, task->content + task->taken, task->offered - task->taken);
}

static void task_step(stress_task *task)
{
    char head[64];
    int64_t code;
    bool whole = !task->begun && chance(2);
    bool ends = task->begun && task->taken == task->size;
    (void)snprintf(head, sizeof head, "200 OK\nX-Size\n%zu", task->size);
    if (whole) {
        task->offered = task->size;
        code = respond_n(&here, task->id, head, task->content, task->size);
        ends = code == 0;
    } else {
        code = task->begun ? task_send(task) : begin(&here, task->id, head);
    }
    task->begun = true;
    if (code < 0 || ends) {
        CHECK(code >= 0 || code == FW_EGONE);
        task_end(task);
        return;
    }
    int64_t rest = code & FW_REST_MASK;
    task->taken = task->offered - (size_t)rest;
    task->waits = rest > 0;
}

static void check_content(const test_record *request, int client, int number)
{
    char stored[100001];
    const char *content = request->body;
    ssize_t len = request->content;
    if (request->content == FW_SPOOLED) {
        if (chance(2)) /* the core closes what nobody takes */
            return;
        int fd = fw_take_content(here.worker, request->id);
        if (fd == FW_EGONE) /* the client left in the same turn */
            return;
        len = pread(fd, stored, sizeof stored, 0);
        content = stored;
        CHECK(fd >= 0 && len > 0 && close(fd) == 0);
    }
    char *expected = pattern(client, number, (size_t)len);
    CHECK(len == 0 || memcmp(content, expected, (size_t)len) == 0);
    free(expected);
}

static void application_hears(const test_record *record)
{
    stress_task *known = task_of(record->id);
    if (record->kind == FW_WRITABLE) {
        CHECK(known != NULL);
        if (known)
            known->waits = false;
    } else if (record->kind == FW_GONE) {
        if (known)
            task_end(known);
    } else if (CHECK(is_request(record) && !known)) {
        stress_task *made = task_new(record->id);
        CHECK(sscanf(record->path, "/%d/%d/%zu", &made->client, &made->request, &made->size) == 3);
        check_content(record, made->client, made->request);
        made->content = pattern(made->client, made->request, made->size);
    }
}

static void application_step(void)
{
    site_poll(&here, 0);
    while (here.first)
        application_hears(site_take(&here, 0));
    site_forget(&here);
    for (int i = 0; i < TASKS; i++) {
        if (!tasks[i].used || tasks[i].waits || chance(4) == 0)
            continue;
        bool all_sent = tasks[i].begun && tasks[i].taken == tasks[i].size;
        if (chance(200) == 0 && !all_sent)
            task_abort(&tasks[i]);
        else
            task_step(&tasks[i]);
    }
}

static void tell_who_is_stuck(void)
{
    for (int i = 0; i < AT_ONCE; i++)
        if (actors[i].open)
            printf("client %d: ends %d, sent %zu of %zu, got %zu bytes, %d requests%s%s\n",
                   actors[i].number, (int)actors[i].ends, actors[i].sent, actors[i].stops_at,
                   actors[i].client.len, actors[i].requests, actors[i].local ? ", local" : "",
                   actors[i].reads_slowly ? ", slow" : "");
    for (int i = 0; i < TASKS; i++)
        if (tasks[i].used)
            printf("request %d of client %d: %zu of %zu bytes%s\n", tasks[i].request,
                   tasks[i].client, tasks[i].taken, tasks[i].size, tasks[i].waits ? ", waits" : "");
}

/* The time is for standing still: how long all of it takes is the machine's affair (an emulator, sanitizers,
 * others at work). What there is to do has an end. */
static uint64_t end_if_nothing_happens(uint64_t end)
{
    static uint64_t before = UINT64_MAX;
    uint64_t done = here.score.bytes_in + here.score.bytes_out + (uint64_t)started;
    if (done == before)
        return end;
    before = done;
    alarm(HANG_S);
    return clock_ms() + HANG_S * 1000 - 4000;
}

TEST(whatever_clients_and_application_do_responses_are_whole_and_nothing_is_left)
{
    fw_settings settings = settings_usual();
    settings.memory_body = 16384;
    if (getenv("FAPWS_SEED"))
        random_state = strtoull(getenv("FAPWS_SEED"), NULL, 10);
    site_open(&here, &settings);
    uint64_t end = end_if_nothing_happens(0);
    int open = 1;
    while (open && clock_ms() < end) {
        open = 0;
        for (int i = 0; i < AT_ONCE; i++) {
            if (!actors[i].open && started < CLIENTS)
                actor_start(&actors[i]);
            if (actors[i].open)
                actor_step(&actors[i]);
            open += actors[i].open;
        }
        application_step();
        end = end_if_nothing_happens(end);
    }
    if (!CHECK(open == 0 && started == CLIENTS))
        tell_who_is_stuck();
    while (fw_open_connections(here.worker) && clock_ms() < end)
        application_step();
    CHECK(fw_open_connections(here.worker) == 0 && here.score.in_flight == 0);
    CHECK(here.score.accepted == CLIENTS && here.score.responses <= here.score.requests);
    printf("%d clients had all their responses, %d were cut off, %d requests\n", answered_whole,
           aborted_actors, (int)here.score.requests);
    CHECK(answered_whole > CLIENTS / 2 && aborted_actors > 0);
    for (int i = 0; i < TASKS; i++)
        task_end(&tasks[i]);
    site_close(&here);
}
