/* test_core_request_names.c -- the name of each request (X-Request-ID): whose is kept, and that the core's own responses
 * and records have it. */
#include "core_reply.h"

#include <sys/wait.h>

#include "sys/random.h"

static test_site here;
static test_client one;

static const unsigned char home[4] = {127, 0, 0, 1};

static void open_with(fw_settings *settings)
{
    site_open(&here, settings);
    CHECK(fw_name_requests(here.worker) == 0);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static bool made(const char *name)
{
    return name && strlen(name) == 32 && strspn(name, "0123456789abcdef") == 32;
}

/* What the application is told of a request with these fields; also that it stays so. */
static const char *name_with(const char *fields)
{
    static char name[FW_REQUEST_ID_MAX + 1];
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", fields);
    (void)snprintf(name, sizeof name, "%s", fw_request_name(here.worker, id));
    CHECK(strcmp(name, fw_request_name(here.worker, id)) == 0);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    return name;
}

TEST(a_token_of_a_trusted_peer_is_kept)
{
    char longest[FW_REQUEST_ID_MAX + 2], fields[256];
    open_with(NULL);
    CHECK(made(name_with("X-Request-ID: a\r\n"))); /* nobody is trusted yet */
    CHECK(fw_trust(here.worker, 4, home, 32) == 0);
    CHECK(strcmp(name_with("A: b\r\nx-rEQUEST-id: \t!#$%&'*+-.^_`|~09AZaz \r\n"),
                 "!#$%&'*+-.^_`|~09AZaz") == 0);
    for (int over = 0; over < 2; over++) {
        memset(longest, 'x', sizeof longest);
        longest[FW_REQUEST_ID_MAX + over] = '\0';
        (void)snprintf(fields, sizeof fields, "X-Request-ID: %s\r\n", longest);
        CHECK(over ? made(name_with(fields)) : strcmp(name_with(fields), longest) == 0);
    }
    close_both();
}

TEST(what_is_no_token_is_replaced)
{
    static const char *const fields[] = {"",
                                         "X-Request-ID:\r\n",
                                         "X-Request-ID: a b\r\n",
                                         "X-Request-ID: a,b\r\n",
                                         "X-Request-ID: \xe9\r\n",
                                         "X-Request-ID: a\r\nX-Request-ID: b\r\n",
                                         "X-Request-ID:\r\nX-Request-ID: b\r\n",
                                         "X_Request_ID: a\r\n",
                                         "X-Request-IDs: a\r\n"};
    open_with(NULL);
    CHECK(fw_trust(here.worker, 4, home, 32) == 0);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        NOTE("%s", fields[i]);
        CHECK(made(name_with(fields[i])));
    }
    close_both();
}

static const char given[] = "X-Request-ID: given\r\n";

TEST(only_named_networks_are_trusted)
{
    static const unsigned char other[16] = {10}, mapped[4] = {10, 0, 0, 9}, six[16] = {0xfd};
    static const struct {
        const char *header;
        bool trusted;
    } cases[] = {{"PROXY TCP4 10.1.2.3 5.6.7.8 1 2\r\n", true},
                 {"PROXY TCP4 11.1.2.3 5.6.7.8 1 2\r\n", false},
                 {"PROXY TCP6 ::ffff:10.0.0.9 fd00::1 1 2\r\n", true},
                 {"PROXY TCP6 fd12::1 fd00::1 1 2\r\n", true},
                 {"PROXY TCP6 fe80::1 fd00::1 1 2\r\n", false},
                 {"PROXY UNKNOWN\r\n", false}}; /* whoever that is, it is not the proxy */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NOTE("%s", cases[i].header);
        open_with(NULL);
        CHECK(fw_expect_proxy(here.worker, 0) == 0 && fw_trust(here.worker, 4, home, 8) == 0);
        CHECK(fw_trust(here.worker, 4, other, 8) == 0 && fw_trust(here.worker, 4, mapped, 32) == 0);
        CHECK(fw_trust(here.worker, 6, six, 8) == 0);
        client_say(&here, &one, cases[i].header);
        const char *name = name_with(given);
        CHECK(cases[i].trusted ? strcmp(name, "given") == 0 : made(name));
        close_both();
    }
    site_open(&here, NULL);
    CHECK(fw_name_requests(here.worker) == 0 && fw_trust(here.worker, 4, home, 8) == 0);
    client_open_unix(&here, &one);
    CHECK(made(name_with(given)));
    CHECK(fw_trust(here.worker, 0, NULL, 0) == 0);
    CHECK(strcmp(name_with(given), "given") == 0);
    close_both();
}

/* The name in the response to all that is sent, with its status; frozen until the next call. */
static const char *answered(const char *request, int status, bool to_head)
{
    static char name[FW_REQUEST_ID_MAX + 1];
    test_reply reply = {0};
    NOTE("%.60s", request);
    client_open(&here, &one);
    client_say(&here, &one, request);
    CHECK(client_reply_to(&here, &one, to_head, &reply) && reply.status == status);
    const char *said = reply_field(&reply, "X-Request-ID");
    (void)snprintf(name, sizeof name, "%.*s", FW_REQUEST_ID_MAX, said ? said : "(none)");
    CHECK(count_text(reply.head, "X-Request-ID") == (said != NULL));
    reply_free(&reply);
    client_close(&one);
    return name;
}

#define ASKS " HTTP/1.1\r\nHost: a\r\nX-Request-ID: given\r\n"

static char folder[32], file[64];

static void open_all(fw_settings *settings)
{
    settings->ready_path = "/ready";
    settings->max_body_size = 100;
    (void)snprintf(folder, sizeof folder, "/tmp/fapws-names-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(file, sizeof file, "%s/a.txt", folder);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, "hello", 5) == 5 && close(fd) == 0);
    site_open(&here, settings);
    fw_folder_rules rules = {.cache_control = "", .immutable = "", .types = ""};
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fw_serve_folder(here.worker, "/f", 2, fd, &rules) == 0);
    CHECK(fw_trust(here.worker, 4, home, 32) == 0);
}

static void close_all(void)
{
    site_close(&here);
    CHECK(unlink(file) == 0 && rmdir(folder) == 0);
}

static const struct {
    const char *request;
    int status;
    bool read; /* the head was read, and with it the name */
} own[] = {
    {"GET /ready" ASKS "\r\n", 200, true},
    {"HEAD /ready" ASKS "\r\n", 200, true},
    {"GET /ready HTTP/1.0\r\nX-Request-ID: given\r\n\r\n", 200, true},
    {"GET /f/a.txt" ASKS "\r\n", 200, true},
    {"HEAD /f/a.txt" ASKS "\r\n", 200, true},
    {"GET /f/a.txt HTTP/1.0\r\nX-Request-ID: given\r\n\r\n", 200, true},
    {"GET /f/a.txt" ASKS "Range: bytes=1-2\r\n\r\n", 206, true},
    {"GET /f/a.txt" ASKS "Range: bytes=9-\r\n\r\n", 416, true},
    {"GET /f/a.txt" ASKS "If-None-Match: *\r\n\r\n", 304, true},
    {"GET /f/a.txt" ASKS "If-Match: \"x\"\r\n\r\n", 412, true},
    {"GET /f" ASKS "\r\n", 308, true},
    {"GET /f/b" ASKS "\r\n", 404, true},
    {"PUT /f/a.txt" ASKS "Content-Length: 1\r\n\r\nx", 405, true},
    {"GET /f/a.txt" ASKS "Content-Length: 1\r\n\r\nx", 400, true},
    {"POST /" ASKS "Content-Length: 101\r\n\r\n", 413, true},
    {"POST /" ASKS "Transfer-Encoding: chunked\r\n\r\nx", 400, true},
    {"BAD\r\n\r\n", 400, false},
    {"GET /" ASKS "a b: c\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nX-Request-ID: given\r\n\r\n", 400, false},
    {"GET / HTTP/2.0\r\nX-Request-ID: given\r\n\r\n", 505, false},
    {"GET /" ASKS "Expect: more\r\n\r\n", 417, false},
};

TEST(responses_of_the_cores_own_have_the_name)
{
    fw_settings settings = settings_usual();
    open_all(&settings);
    CHECK(fw_name_requests(here.worker) == 0);
    for (int away = 0; away < 2; away++) {
        CHECK(fw_set_ready(here.worker, !away) == 0);
        for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
            bool asks = strstr(own[i].request, " /ready") != NULL;
            const char *name = answered(own[i].request, away && asks ? 503 : own[i].status,
                                        own[i].request[0] == 'H');
            CHECK(own[i].read ? strcmp(name, "given") == 0 : made(name));
        }
    }
    CHECK(site_quiet(&here));
    close_all();
}

TEST(without_names_there_is_no_field)
{
    fw_settings settings = settings_usual();
    open_all(&settings);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        CHECK(strcmp(answered(own[i].request, own[i].status, own[i].request[0] == 'H'), "(none)") ==
              0);
    client_open(&here, &one);
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", given);
    CHECK(fw_request_name(here.worker, id) == NULL);
    client_close(&one);
    close_all();
}

/* Content that comes too slowly, or goes wrong, while the application has its request. */
TEST(a_refusal_of_what_the_application_reads_has_its_name)
{
    char name[FW_REQUEST_ID_MAX + 1], room[8];
    test_reply reply = {0};
    fw_settings settings = settings_usual();
    settings.unbuffered = 1;
    open_with(&settings);
    client_say(&here, &one, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    int64_t id = site_request(&here)->id;
    (void)snprintf(name, sizeof name, "%s", fw_request_name(here.worker, id));
    client_say(&here, &one, "no chunk\r\n");
    CHECK(fw_read_content(here.worker, id, room, sizeof room) < 0);
    CHECK(client_reply(&here, &one, &reply) && reply.status == 400);
    CHECK(reply_says(&reply, "X-Request-ID", name));
    reply_free(&reply);
    close_both();
}

TEST(names_and_heads_are_kept_side_by_side)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: given\r\n\r\n";
    const char *head = NULL;
    open_with(NULL);
    CHECK(fw_trust(here.worker, 4, home, 32) == 0);
    for (int keeps = 0; keeps < 2; keeps++) {
        if (keeps)
            CHECK(fw_keep_heads(here.worker) == 0);
        client_say(&here, &one, request);
        int64_t id = site_request(&here)->id;
        CHECK(strcmp(fw_request_name(here.worker, id), "given") == 0);
        int64_t len = fw_request_head(here.worker, id, &head);
        CHECK(keeps ? len == sizeof request - 1 && memcmp(head, request, sizeof request - 1) == 0
                    : len == FW_ESTATE);
        CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
        CHECK(made(fw_request_name(here.worker, id))); /* a new one: it is over */
    }
    close_both();
}

TEST(debug_records_have_the_name)
{
    fw_settings settings = settings_usual();
    settings.debug = 1;
    open_with(&settings);
    CHECK(fw_trust(here.worker, 4, home, 32) == 0);
    client_ask(&here, &one, "GET / HTTP/1.1", "X-Request-ID: given\r\na_b: c\r\n");
    const test_record *told = site_take(&here, SOON_MS);
    CHECK(told && told->kind == FW_DEBUG &&
          strcmp(told->token, "hidden_field (request given)") == 0);
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    client_say(&here, &one, "BAD\r\n\r\n");
    told = site_take(&here, SOON_MS);
    CHECK(told && told->kind == FW_DEBUG && strstr(told->token, " (request ") != NULL &&
          strstr(told->token, "given") == NULL);
    close_both();
}

TEST(many_names_are_all_different)
{
    enum { COUNT = 100, DIGITS = 32 };
    static char names[COUNT][DIGITS + 1];
    open_with(NULL);
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s", fw_request_name(here.worker, -1));
        CHECK(made(names[i]));
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(names[i], names[j]) != 0);
    }
    close_both();
}

/* Two processes that were alike before, at one place in memory. */
TEST(a_forked_process_gets_other_bytes)
{
    unsigned char mine[64] = {0}, its[64] = {0}, none[64] = {0};
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        fw__random(mine, sizeof mine);
        _exit(write(ends[1], mine, sizeof mine) != (ssize_t)sizeof mine);
    }
    fw__random(mine, sizeof mine);
    CHECK(child > 0 && read(ends[0], its, sizeof its) == (ssize_t)sizeof its);
    CHECK(waitpid(child, NULL, 0) == child);
    for (size_t i = 0; i < sizeof mine; i += 8)
        CHECK(memcmp(mine + i, its + i, 8) != 0 && memcmp(mine + i, none, 8) != 0);
    close(ends[0]);
    close(ends[1]);
}
