/* responses.h -- reads what a client of the connection fuzzer received, without any leniency.
 * The application there numbers the responses of a connection (X-N, from 0), says in them whether they
 * respond to HEAD (X-Head), and fills them with fuzz_pattern(). */
#ifndef RESPONSES_H
#define RESPONSES_H

#include "fuzz.h"

static inline char fuzz_pattern(size_t at)
{
    return (char)(' ' + at * 7 % 89);
}

typedef struct {
    const char *at;
    const char *end;
    bool cut;      /* in: a response may be cut short; out: one was */
    size_t whole;  /* responses of the application, complete */
    bool refused;  /* the core's own response came; it is the last */
    bool has_size; /* of the head in hand */
    uint64_t size;
    bool chunked, numbered, to_head, closes;
    int status;
} fuzz_responses;

/* The value of a line that begins with this name, else NULL. */
static inline const char *response_field(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 ? line + len : NULL;
}

static inline void response_line(fuzz_responses *a, const char *line)
{
    const char *value;
    if ((value = response_field(line, "Content-Length: "))) {
        MUST(!a->has_size);
        a->has_size = true;
        a->size = strtoull(value, NULL, 10);
    } else if ((value = response_field(line, "Transfer-Encoding: "))) {
        MUST(!a->chunked && strcmp(value, "chunked") == 0);
        a->chunked = true;
    } else if ((value = response_field(line, "X-N: "))) {
        a->numbered = true;
        MUST(strtoull(value, NULL, 10) == a->whole); /* in the order of the requests */
    } else if ((value = response_field(line, "X-Head: "))) {
        a->to_head = *value == '1';
    } else if (response_field(line, "Connection: close")) {
        a->closes = true;
    }
}

/* False when the bytes end before the head does. */
static inline bool response_head(fuzz_responses *a)
{
    a->has_size = a->chunked = a->numbered = a->to_head = a->closes = false;
    for (int lines = 0;; lines++) {
        char line[512];
        const char *stop = memchr(a->at, '\n', (size_t)(a->end - a->at));
        if (!stop)
            return false;
        size_t len = (size_t)(stop - a->at);
        MUST(len > 0 && len < sizeof line && stop[-1] == '\r');
        memcpy(line, a->at, len - 1);
        line[len - 1] = '\0';
        MUST(!strchr(line, '\r') && strlen(line) == len - 1);
        a->at = stop + 1;
        if (lines == 0) {
            MUST(len > 13 && memcmp(line, "HTTP/1.1 ", 9) == 0 && line[12] == ' ');
            a->status = atoi(line + 9);
        } else if (line[0] == '\0') {
            return true;
        } else {
            MUST(strstr(line, ": ") != NULL);
            response_line(a, line);
        }
    }
}

static inline bool response_bytes(fuzz_responses *a, uint64_t size, size_t *done)
{
    bool all = (uint64_t)(a->end - a->at) >= size;
    size_t here = all ? (size_t)size : (size_t)(a->end - a->at);
    for (size_t i = 0; i < here; i++)
        MUST(a->at[i] == fuzz_pattern(*done + i));
    a->at += here;
    *done += here;
    return all;
}

static inline bool response_chunks(fuzz_responses *a)
{
    size_t done = 0;
    for (;;) {
        const char *stop = memchr(a->at, '\n', (size_t)(a->end - a->at));
        if (!stop)
            return false;
        char *digits_end;
        uint64_t size = strtoull(a->at, &digits_end, 16);
        MUST(digits_end > a->at && digits_end + 1 == stop && *digits_end == '\r');
        a->at = stop + 1;
        if (!response_bytes(a, size, &done) || a->end - a->at < 2)
            return false;
        MUST(a->at[0] == '\r' && a->at[1] == '\n');
        a->at += 2;
        if (size == 0)
            return true;
    }
}

/* False when the bytes end before the content does. */
static inline bool response_content(fuzz_responses *a)
{
    size_t done = 0;
    MUST(!a->chunked || !a->has_size);
    if (a->status == 204 || a->status < 200)
        MUST(!a->chunked && !a->has_size);
    if (a->to_head || a->status == 204 || a->status == 304 || a->status < 200)
        return true;
    if (a->chunked)
        return response_chunks(a);
    if (a->has_size)
        return response_bytes(a, a->size, &done);
    MUST(a->closes);
    (void)response_bytes(a, (uint64_t)(a->end - a->at), &done);
    return !a->cut; /* nobody can tell whether that is all */
}

static inline void response_refusal(fuzz_responses *a)
{
    size_t rest = (size_t)(a->end - a->at);
    a->refused = true;
    MUST(a->status >= 400 && a->closes && a->has_size);
    MUST(a->cut ? rest <= a->size : rest == 0 || rest == a->size); /* nothing after HEAD */
    a->at = a->end;
}

static inline void responses_read(fuzz_responses *a)
{
    bool may_be_cut = a->cut;
    bool complete = true;
    while (complete && a->at < a->end) {
        complete = response_head(a);
        if (!complete || a->status == 100 || a->status == 103)
            continue;
        if (!a->numbered) {
            response_refusal(a);
            continue;
        }
        complete = response_content(a);
        a->whole += complete;
        if (a->closes && complete)
            MUST(a->at == a->end);
    }
    MUST(complete || may_be_cut);
    a->cut = !complete;
}

#endif
