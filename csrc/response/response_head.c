/* response/response_head.c -- the head of a response: checked, framed, written into worker->scratch.
 * Owns:   worker->scratch.
 * Never:  sends, trusts a byte of what the application gave: no input can split a response. */
#include "response/response.h"

#include <string.h>

#include "error.h"
#include "worker.h"

#define SCRATCH_KEPT 65536u /* bytes; a larger scratch is given back after use */
#define MARGIN 512u         /* bytes; framing fields, Connection and the separators around them */

/* ---- Small writers: out points to where the next byte goes, room was reserved before ------------ */

static char *put_bytes(char *out, const char *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return out + len;
}

#define PUT_LITERAL(out, literal) put_bytes((out), (literal), sizeof(literal) - 1)

static char *put_number(char *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return put_bytes(out, digits + at, sizeof digits - at);
}

/* ---- The application's fields -------------------------------------------------------------------- */

typedef enum {
    FIELD_PLAIN,
    FIELD_LENGTH,
    FIELD_DATE,
    FIELD_SERVER,
    FIELD_CONNECTION,
    FIELD_UPGRADE,
    FIELD_PROXY_AUTHENTICATE,
    FIELD_HOP
} field_role;

/* Fields that are the server's business; hop-by-hop ones (PEP 3333, RFC 9110 7.6.1) are left out, but for the
 * two that a status demands. */
static field_role role_of(fw_slice name)
{
    static const struct {
        const char *name;
        size_t len;
        field_role role;
    } roles[] = {
        {"te", 2, FIELD_HOP},
        {"date", 4, FIELD_DATE},
        {"server", 6, FIELD_SERVER},
        {"trailer", 7, FIELD_HOP},
        {"upgrade", 7, FIELD_UPGRADE},
        {"trailers", 8, FIELD_HOP},
        {"connection", 10, FIELD_CONNECTION},
        {"keep-alive", 10, FIELD_HOP},
        {"content-length", 14, FIELD_LENGTH},
        {"proxy-connection", 16, FIELD_HOP},
        {"transfer-encoding", 17, FIELD_HOP},
        {"proxy-authenticate", 18, FIELD_PROXY_AUTHENTICATE},
        {"proxy-authorization", 19, FIELD_HOP},
    };
    /* Most names leave here: no row has the length of Content-Type (12), nor one above 19. */
    if (name.len == 12 || name.len > 19)
        return FIELD_PLAIN;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i].len == name.len && fw_slice_is(name, roles[i].name, name.len))
            return roles[i].role;
    return FIELD_PLAIN;
}

/* RFC 9110 5.5: white space around a value is no part of it. */
static fw_slice trimmed(fw_slice value)
{
    while (value.len && (value.at[0] == ' ' || value.at[0] == '\t')) {
        value.at++;
        value.len--;
    }
    while (value.len && (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == '\t'))
        value.len--;
    return value;
}

static int64_t parse_length(fw_slice value)
{
    int64_t length = 0;
    if (value.len == 0)
        return FW_ELENGTH;
    for (size_t i = 0; i < value.len; i++) {
        if (i == 18 || value.at[i] < '0' || value.at[i] > '9') {
            fw_slice inner = trimmed(value); /* rare, so looked for where there is need */
            return inner.len < value.len ? parse_length(inner) : FW_ELENGTH;
        }
        length = length * 10 + (value.at[i] - '0');
    }
    return length;
}

/* What is left of the text that the caller joined, cut at line feeds. */
typedef struct {
    const char *at;
    const char *end; /* NULL once the last field was taken */
    size_t count;
} field_reader;

static bool next_field(field_reader *reader, fw_slice *field)
{
    if (!reader->at)
        return false;
    const char *stop = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    field->at = reader->at;
    field->len = (size_t)((stop ? stop : reader->end) - reader->at);
    reader->at = stop ? stop + 1 : NULL;
    reader->count++;
    return true;
}

static size_t count_fields(const char *fields, size_t size)
{
    size_t count = 1;
    for (size_t i = 0; i < size; i++)
        count += fields[i] == '\n';
    return count;
}

/* Three digits of which the first is in a range, and maybe a space and a reason. */
static bool status_within(fw_slice status, char lowest, char highest)
{
    if (status.len < 3 || status.at[0] < lowest || status.at[0] > highest)
        return false;
    for (int i = 1; i < 3; i++)
        if (status.at[i] < '0' || status.at[i] > '9')
            return false;
    return (status.len == 3 || status.at[3] == ' ') && fw_is_field_value(status);
}

static bool final_status(fw_slice status)
{
    return status_within(status, '2', '9');
}

/* 100 is said by the core, and 101 would need an upgrade. */
static bool interim_status(fw_slice status)
{
    return status_within(status, '1', '1') && memcmp(status.at, "100", 3) != 0 &&
           memcmp(status.at, "101", 3) != 0;
}

static bool status_is(const fw_head_facts *facts, const char *digits)
{
    return memcmp(facts->status, digits, 3) == 0;
}

/* A status may be incomplete without a field that PEP 3333 otherwise keeps from applications (RFC 9110 15.5.8,
 * 15.5.22). */
static bool status_demands(field_role role, fw_head_facts *facts)
{
    if (role == FIELD_PROXY_AUTHENTICATE)
        return status_is(facts, "407");
    facts->upgrade = facts->upgrade || (role == FIELD_UPGRADE && status_is(facts, "426"));
    return role == FIELD_UPGRADE && facts->upgrade;
}

static int put_field(char **out, fw_slice name, fw_slice value, fw_head_facts *facts)
{
    if (!fw_is_token(name))
        return FW_ENAME;
    if (!fw_is_field_value(value))
        return FW_EVALUE;
    field_role role = role_of(name);
    switch (role) {
    case FIELD_CONNECTION:
        if (fw_slice_is(trimmed(value), "close", 5))
            facts->close = true; /* said with the framing */
        else
            facts->notes |= FW_NOTE_HOP;
        return 0;
    case FIELD_UPGRADE:
    case FIELD_PROXY_AUTHENTICATE:
    case FIELD_HOP:
        if (status_demands(role, facts))
            break;
        facts->notes |= FW_NOTE_HOP;
        return 0;
    case FIELD_LENGTH: {
        int64_t length = parse_length(value);
        if (length < 0 || facts->declared >= 0)
            return FW_ELENGTH;
        facts->declared = length;
        return 0; /* written with the framing */
    }
    case FIELD_DATE: facts->has_date = true; break;
    case FIELD_SERVER: facts->has_server = true; break;
    case FIELD_PLAIN: break;
    }
    char *at = put_bytes(*out, name.at, name.len);
    at = PUT_LITERAL(at, ": ");
    at = put_bytes(at, value.at, value.len);
    *out = PUT_LITERAL(at, "\r\n");
    return 0;
}

static int put_fields(char **out, field_reader *reader, fw_head_facts *facts,
                      bool (*valid)(fw_slice status))
{
    fw_slice status, name, value;
    if (!next_field(reader, &status) || !valid(status))
        return FW_ESTATUS;
    facts->status = status.at;
    facts->no_content = status_is(facts, "204");
    facts->bodiless = facts->no_content || status_is(facts, "304");
    facts->reset = status_is(facts, "205");
    char *at = PUT_LITERAL(*out, "HTTP/1.1 ");
    at = put_bytes(at, status.at, status.len);
    if (status.len == 3)
        *at++ = ' '; /* RFC 9112 4: the space stands even before an empty reason */
    at = PUT_LITERAL(at, "\r\n");
    while (next_field(reader, &name)) {
        if (!next_field(reader, &value))
            return FW_ECOUNT;
        int code = put_field(&at, name, value, facts);
        if (code)
            return code;
    }
    *out = at;
    return 0;
}

static int put_all_fields(char **out, const char *fields, size_t size, size_t count,
                          fw_head_facts *facts, bool (*valid)(fw_slice status))
{
    field_reader reader = {fields, fields + size, 0};
    *facts = (fw_head_facts){.status = "", .declared = -1};
    int code = put_fields(out, &reader, facts, valid);
    /* A line feed smuggled into a field shifts all that follow it: tell the cause, not the damage. */
    if (code ? count_fields(fields, size) != count : reader.count != count)
        code = FW_ECOUNT;
    return code;
}

static int put_known_fields(char **out, fw_worker *worker, const char *fields, size_t size,
                            size_t count, fw_head_facts *facts)
{
    fw_known_heads *known = &worker->known_heads;
    char *lines = *out;
    uint64_t hash;
    size_t put = fw__known_head_find(known, fields, size, count, lines, facts, &hash);
    if (put) {
        *out = lines + put;
        return 0;
    }
    int code = put_all_fields(out, fields, size, count, facts, final_status);
    if (code == 0)
        fw__known_head_keep(known, hash, fields, size, count, lines, (size_t)(*out - lines), facts);
    return code;
}

/* ---- Framing --------------------------------------------------------------------------------------- */

/* RFC 9112 6.3, docs/http.md, "Response": what tells the client where the content ends. */
static fw_framing choose_framing(const fw_conn *conn, const fw_response_head *response,
                                 const fw_head_facts *facts)
{
    if (conn->request.is_head || facts->bodiless)
        return FW_FRAME_NONE;
    if (response->declared >= 0 || response->sized)
        return FW_FRAME_LENGTH;
    return conn->request.minor ? FW_FRAME_CHUNKED : FW_FRAME_CLOSE;
}

static char *put_length(char *out, uint64_t length)
{
    out = PUT_LITERAL(out, "Content-Length: ");
    out = put_number(out, length);
    return PUT_LITERAL(out, "\r\n");
}

static char *put_framing(char *out, fw_conn *conn, const fw_response_head *response,
                         const fw_head_facts *facts)
{
    switch (response->framing) {
    case FW_FRAME_NONE:
        if (facts->no_content)
            break;
        if (response->declared >= 0)
            out = put_length(out, (uint64_t)response->declared);
        else if (conn->request.is_head && response->sized && response->content_size)
            out = put_length(out, response->content_size);
        break;
    case FW_FRAME_LENGTH:
        out = put_length(out, response->declared >= 0 ? (uint64_t)response->declared
                                                      : response->content_size);
        break;
    case FW_FRAME_CHUNKED: out = PUT_LITERAL(out, "Transfer-Encoding: chunked\r\n"); break;
    case FW_FRAME_CLOSE: break;
    }
    if (facts->upgrade)
        out = PUT_LITERAL(out, "Connection: upgrade\r\n");
    if (conn->response.last)
        return PUT_LITERAL(out, "Connection: close\r\n");
    if (!conn->request.minor)
        return PUT_LITERAL(out, "Connection: keep-alive\r\n");
    return out;
}

static bool must_close(fw_conn *conn, const fw_response_head *response)
{
    if (!conn->request.keep_alive || response->close || response->framing == FW_FRAME_CLOSE)
        return true;
    if (response->sized && response->framing == FW_FRAME_LENGTH && response->declared >= 0 &&
        (uint64_t)response->declared > response->content_size)
        return true; /* the response falls short: the client must notice */
    return conn->worker->closing && fw__conn_ends(conn, fw__conn_in(conn));
}

static char *put_date(char *out, const fw_date *date, const fw_head_facts *facts)
{
    if (!facts->has_server)
        out = put_bytes(out, date->text, date->server_len);
    if (!facts->has_date)
        out = put_bytes(out, date->text + date->server_len, date->len - date->server_len);
    return out;
}

static char *scratch_begin(fw_buffer *scratch, size_t room)
{
    if (scratch->size > SCRATCH_KEPT)
        fw_buffer_clear(scratch);
    scratch->start = scratch->end = 0;
    return fw_buffer_reserve(scratch, room);
}

int fw__head_build(fw_conn *conn, const char *fields, size_t size, size_t count,
                   fw_response_head *response)
{
    fw_worker *worker = conn->worker;
    fw_buffer *scratch = &worker->scratch;
    fw_head_facts facts;
    if (size == 0)
        return FW_ESTATUS;
    /* A pair of fields grows by two bytes; even one of one byte ("a", "") does not double twice. */
    char *begin = scratch_begin(scratch, 3 * size + sizeof worker->date.text + MARGIN);
    if (!begin)
        return FW_EMEMORY;
    char *out = begin;
    int code = put_known_fields(&out, worker, fields, size, count, &facts);
    if (code)
        return code;
    response->declared = facts.declared;
    response->notes = facts.notes;
    response->close = facts.close;
    if (facts.reset)
        response->declared = 0; /* surplus content is cut off, and the caller is told */
    response->framing = choose_framing(conn, response, &facts);
    conn->response.digit = (uint8_t)(facts.status[0] - '0');
    conn->response.last = must_close(conn, response);
    out = put_date(out, &worker->date, &facts);
    out = put_framing(out, conn, response, &facts);
    out = PUT_LITERAL(out, "\r\n");
    scratch->end = (size_t)(out - scratch->data);
    if (conn->request.access)
        fw__access_head(conn->request.access, fields, scratch->end);
    return 0;
}

/* ---- Interim responses ---------------------------------------------------------------------------------- */

int fw__head_inform(fw_conn *conn, const char *fields, size_t size, size_t count)
{
    fw_head_facts facts;
    fw_buffer *scratch = &conn->worker->scratch;
    char *out = scratch_begin(scratch, 3 * size + MARGIN);
    if (!out)
        return FW_EMEMORY;
    int code = put_all_fields(&out, fields, size, count, &facts, interim_status);
    if (code)
        return code;
    out = PUT_LITERAL(out, "\r\n");
    scratch->end = (size_t)(out - scratch->data);
    return 0;
}
