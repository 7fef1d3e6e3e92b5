/* answers.h -- reads what a client of the connection fuzzer received, without any leniency.
 * The application there numbers the answers of a connection (X-N, from 0), says in them whether they
 * answer HEAD (X-Head), and fills them with fuzz_pattern(). */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "fuzz.h"

static inline char fuzz_pattern(size_t at)
{
    return (char)(' ' + at * 7 % 89);
}

typedef struct {
    const char *at;
    const char *end;
    bool cut;      /* in: an answer may be cut short; out: one was */
    size_t whole;  /* answers of the application, complete */
    bool refused;  /* the core's own answer came; it is the last */
    bool has_size; /* of the head in hand */
    uint64_t size;
    bool chunked, numbered, to_head, closes;
    int status;
} fuzz_answers;

/* The value of a line that begins with this name, else NULL. */
static inline const char *answer_field(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 ? line + len : NULL;
}

static inline void answer_line(fuzz_answers *a, const char *line)
{
    const char *value;
    if ((value = answer_field(line, "Content-Length: "))) {
        MUST(!a->has_size);
        a->has_size = true;
        a->size = strtoull(value, NULL, 10);
    } else if ((value = answer_field(line, "Transfer-Encoding: "))) {
        MUST(!a->chunked && strcmp(value, "chunked") == 0);
        a->chunked = true;
    } else if ((value = answer_field(line, "X-N: "))) {
        a->numbered = true;
        MUST(strtoull(value, NULL, 10) == a->whole); /* in the order of the requests */
    } else if ((value = answer_field(line, "X-Head: "))) {
        a->to_head = *value == '1';
    } else if (answer_field(line, "Connection: close")) {
        a->closes = true;
    }
}

/* False when the bytes end before the head does. */
static inline bool answer_head(fuzz_answers *a)
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
            answer_line(a, line);
        }
    }
}

static inline bool answer_bytes(fuzz_answers *a, uint64_t size, size_t *done)
{
    bool all = (uint64_t)(a->end - a->at) >= size;
    size_t here = all ? (size_t)size : (size_t)(a->end - a->at);
    for (size_t i = 0; i < here; i++)
        MUST(a->at[i] == fuzz_pattern(*done + i));
    a->at += here;
    *done += here;
    return all;
}

static inline bool answer_chunks(fuzz_answers *a)
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
        if (!answer_bytes(a, size, &done) || a->end - a->at < 2)
            return false;
        MUST(a->at[0] == '\r' && a->at[1] == '\n');
        a->at += 2;
        if (size == 0)
            return true;
    }
}

/* False when the bytes end before the content does. */
static inline bool answer_content(fuzz_answers *a)
{
    size_t done = 0;
    MUST(!a->chunked || !a->has_size);
    if (a->status == 204 || a->status < 200)
        MUST(!a->chunked && !a->has_size);
    if (a->to_head || a->status == 204 || a->status == 304 || a->status < 200)
        return true;
    if (a->chunked)
        return answer_chunks(a);
    if (a->has_size)
        return answer_bytes(a, a->size, &done);
    MUST(a->closes);
    (void)answer_bytes(a, (uint64_t)(a->end - a->at), &done);
    return !a->cut; /* nobody can tell whether that is all */
}

static inline void answer_refusal(fuzz_answers *a)
{
    size_t rest = (size_t)(a->end - a->at);
    a->refused = true;
    MUST(a->status >= 400 && a->closes && a->has_size);
    MUST(a->cut ? rest <= a->size : rest == 0 || rest == a->size); /* nothing after HEAD */
    a->at = a->end;
}

static inline void answers_read(fuzz_answers *a)
{
    bool may_be_cut = a->cut;
    bool complete = true;
    while (complete && a->at < a->end) {
        complete = answer_head(a);
        if (!complete || a->status == 100 || a->status == 103)
            continue;
        if (!a->numbered) {
            answer_refusal(a);
            continue;
        }
        complete = answer_content(a);
        a->whole += complete;
        if (a->closes && complete)
            MUST(a->at == a->end);
    }
    MUST(complete || may_be_cut);
    a->cut = !complete;
}

#endif
