/* access_site.h -- a worker that logs its responses to a file of the test's, in a format made part by part. */
#ifndef ACCESS_SITE_H
#define ACCESS_SITE_H

#include "core_reply.h"

#include "access/access.h"
#include "worker.h"

static test_site here;
static test_client one;
static char path[64];
static char logged[1 << 21]; /* what log_read() found */

/* ---- A format: parts one after the other --------------------------------------------------------- */

static char program[1 << 17];
static size_t program_len;

static inline void part(char what, char how, const char *text)
{
    size_t len = strlen(text);
    char *at = program + program_len;
    at[0] = what;
    at[1] = how;
    at[2] = (char)(len >> 8);
    at[3] = (char)len;
    memcpy(at + 4, text, len);
    program_len += len + 4;
}

/* Letters with a space between them; the quoted ones within quotes. */
static inline void format(const char *letters, char how)
{
    program_len = 0;
    for (; *letters; letters++) {
        part(*letters, how, "");
        if (letters[1])
            part('L', 'q', " ");
    }
}

static inline void log_to(int fd)
{
    CHECK(fw_set_access_format(here.worker, program, program_len) == 0);
    CHECK(fw_set_access_log(here.worker, fd) == 0);
}

static inline int new_file(void)
{
    strcpy(path, "/tmp/fapws-log-XXXXXX");
    return mkstemp(path);
}

static inline void open_logged(const char *letters, char how)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    if (letters)
        format(letters, how);
    log_to(new_file());
}

/* How many lines are lost, when all are written. One flush waits for FW_LOG_FINAL_MS at most, and the thread that
 * writes may be away for longer. */
static inline int64_t log_flush(void)
{
    int64_t lost;
    uint64_t began, end = clock_ms() + SOON_MS;
    do {
        began = clock_ms();
        lost = fw_flush_access_log(here.worker);
    } while (clock_ms() - began + 100 >= FW_LOG_FINAL_MS && clock_ms() < end);
    return lost;
}

static inline const char *log_read(void)
{
    CHECK(log_flush() == 0);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(logged, 1, sizeof logged - 1, file) : 0;
    logged[len] = '\0';
    if (file)
        (void)fclose(file);
    return logged;
}

static inline bool log_is(const char *expected)
{
    bool same = strcmp(log_read(), expected) == 0;
    if (!same)
        printf("expected %s     got %s\n", expected, logged);
    return same;
}

static inline void close_logged(void)
{
    client_close(&one);
    site_close(&here);
    (void)unlink(path);
}

static inline void exchange(const char *line, const char *fields, const char *head,
                            const char *content)
{
    test_reply got = {0};
    int64_t id = client_request(&here, &one, line, fields);
    CHECK(respond(&here, id, head, content) >= 0);
    CHECK(client_reply_to(&here, &one, line[0] == 'H', &got));
    reply_free(&got);
}

#endif
