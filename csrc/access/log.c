/* access/log.c -- one line for each response: what is remembered of its request, and how it is written.
 * Owns:   the fw_access of each request, and those that wait for the next ones.
 * Never:  lets a byte of the client through that could end a line or a field, waits for the disk.
 *
 * The program that fw_set_access_format() takes is a sequence of parts: a letter that says what, one
 * that says how it is made harmless ('q' within quotes, 'n' naked, 'j' JSON), two bytes of length, high
 * byte first, and so many bytes. Letters: see put_part() in line.c. */
#include "access/access.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "error.h"

#define KEPT_MAX 2048u  /* bytes; what a record needed more is given back */
#define FREE_MAX 64u    /* records kept for later requests; with more, one is freed */
#define VALUE_LEAST 64u /* bytes of a value, however many of them a format names */
#define PLAIN_MAX 64u   /* bytes of a part that is no value: a time, a number */
#define UNREADABLE 512u /* bytes of a refused head's first line */
#define GONE_STATUS 499 /* as nginx: the client left before its response began */

/* ---- The format ---------------------------------------------------------------------------------- */

static int field_number(fw_access_log *log, fw_slice name)
{
    for (size_t i = 0; i < log->field_count; i++)
        if (log->fields[i].len == name.len && memcmp(log->fields[i].at, name.at, name.len) == 0)
            return (int)i;
    if (log->field_count == FW_ACCESS_FIELDS_MAX)
        return FW_EFULL;
    log->fields[log->field_count] = name;
    return (int)log->field_count++;
}

static int read_program(fw_access_log *log, size_t size)
{
    static const char letters[] = "LFUaCphtiermuvsbBdcPI";
    const char *at = log->program;
    const char *end = at + size;
    while (at < end) {
        if (end - at < 4 || !strchr(letters, at[0]) || !strchr("qnj", at[1]) ||
            log->part_count == FW_ACCESS_PARTS_MAX)
            return FW_ESTATE;
        fw_access_part *next = &log->parts[log->part_count++];
        next->what = at[0];
        next->how = at[1];
        next->text.len = (size_t)(((unsigned char)at[2] << 8) | (unsigned char)at[3]);
        next->text.at = at + 4;
        if ((size_t)(end - next->text.at) < next->text.len)
            return FW_ESTATE;
        if (next->what == 'F' || next->what == 'U') {
            int number = field_number(log, next->text);
            if (number < 0)
                return number;
            next->field = (uint8_t)number;
        }
        at = next->text.at + next->text.len;
    }
    return 0;
}

/* A line of these parts fits a block: what the literal texts leave is shared out to the values. */
static void share_out(fw_access_log *log)
{
    size_t fixed = 0, values = 0;
    for (size_t i = 0; i < log->part_count; i++) {
        fixed += log->parts[i].what == 'L' ? log->parts[i].text.len : PLAIN_MAX;
        values += strchr("FUaphrmuCI", log->parts[i].what) != NULL;
        values += log->parts[i].what == 'r'; /* it has two */
    }
    size_t each = fixed < FW_LOG_BLOCK && values ? (FW_LOG_BLOCK - fixed) / values : 0;
    each = each > VALUE_LEAST + FW_ACCESS_EXCESS ? each - FW_ACCESS_EXCESS : VALUE_LEAST;
    log->value_max = each < FW_ACCESS_VALUE ? each : FW_ACCESS_VALUE;
}

int fw__access_log_new(fw_access_log **made, const char *program, size_t size)
{
    fw_access_log *log = calloc(1, sizeof *log);
    if (log)
        log->program = malloc(size + 1);
    if (!log || !log->program) {
        free(log);
        return FW_EMEMORY;
    }
    memcpy(log->program, program, size);
    int code = read_program(log, size);
    if (code) {
        free(log->program);
        free(log);
        return code;
    }
    share_out(log);
    *made = log;
    return 0;
}

int fw__access_log_open(fw_access_log *log, int fd)
{
    if (log->writer) {
        fw_log_writer_renew(log->writer, fd);
        return 0;
    }
    log->writer = fw_log_writer_new(fd);
    return log->writer ? 0 : FW_ESYSTEM;
}

int64_t fw__access_log_flush(fw_access_log *log)
{
    return log->writer ? (int64_t)fw_log_writer_flush(log->writer) : 0;
}

uint64_t fw__access_log_lost(fw_access_log *log)
{
    return log->writer ? fw_log_writer_recovered(log->writer) : 0;
}

void fw__access_log_free(fw_access_log *log)
{
    if (log->writer) {
        (void)fw_log_writer_flush(log->writer);
        fw_log_writer_free(log->writer);
    }
    while (log->free) {
        fw_access *gone = log->free;
        log->free = gone->next;
        fw_buffer_clear(&gone->text);
        free(gone);
    }
    fw_buffer_clear(&log->line);
    free(log->program);
    free(log);
}

/* ---- What is remembered ---------------------------------------------------------------------------- */

static fw_access *access_new(fw_access_log *log)
{
    if (!log->writer)
        return NULL;
    fw_access *access = log->free;
    size_t size = sizeof *access + log->field_count * sizeof access->fields[0];
    if (access) {
        log->free = access->next;
        log->free_count--;
        fw_buffer text = access->text;
        memset(access, 0, size);
        access->text = text;
        access->text.start = access->text.end = 0;
    } else {
        access = calloc(1, size);
        if (!access)
            return NULL; /* a line less */
    }
    access->began = uv_hrtime();
    access->minor = -1;
    return access;
}

/* span must be the last in the text. */
static void add(fw_access *access, fw_span *span, const char *bytes, size_t len)
{
    size_t room = FW_ACCESS_VALUE - span->len;
    size_t taken = len < room ? len : room;
    span->cut = span->cut || taken < len;
    if (fw_buffer_append(&access->text, bytes, taken) == 0)
        span->len = (uint16_t)(span->len + taken);
}

static fw_span keep(fw_access *access, const char *bytes, size_t len)
{
    fw_span kept = {(uint32_t)access->text.end, 0, false};
    add(access, &kept, bytes, len);
    return kept;
}

/* A name that occurs again adds its value behind a comma (RFC 9110 5.3). All of one name are taken before
 * the next name's, so that they stand in a row and each byte is kept once. */
static fw_span keep_field(fw_access *access, const fw_head *head, fw_slice name)
{
    fw_span kept = {(uint32_t)access->text.end, 0, false};
    for (size_t i = 0; i < head->field_count; i++) {
        const fw_field *field = &head->fields[i];
        if (field->name.len != name.len || !fw_slice_is(field->name, name.at, name.len))
            continue;
        if (kept.len)
            add(access, &kept, ", ", 2);
        add(access, &kept, field->value.at, field->value.len);
    }
    return kept;
}

fw_access *fw__access_request(fw_access_log *log, const fw_head *head)
{
    fw_access *access = access_new(log);
    if (!access)
        return NULL;
    access->minor = head->minor;
    access->method = keep(access, head->method.at, head->method.len);
    access->target = keep(access, head->target.at, head->target.len);
    fw_slice host = head->authority;
    if (host.len == 0 && head->host >= 0)
        host = head->fields[head->host].value;
    access->host = keep(access, host.at, host.len);
    for (size_t n = 0; n < log->field_count; n++)
        access->fields[n] = keep_field(access, head, log->fields[n]);
    return access;
}

void fw__access_client(fw_access *access, const char *client, size_t size)
{
    if (access->client.len == 0)
        access->client = keep(access, client, size);
}

void fw__access_name(fw_access *access, const char *name, size_t size)
{
    if (access->name.len == 0)
        access->name = keep(access, name, size);
}

fw_access *fw__access_unreadable(fw_access_log *log, fw_slice bytes)
{
    fw_access *access = access_new(log);
    if (!access)
        return NULL;
    size_t end = 0;
    while (end < bytes.len && end < UNREADABLE && bytes.at[end] != '\r' && bytes.at[end] != '\n')
        end++;
    access->method = keep(access, bytes.at, end);
    access->method.cut = end == UNREADABLE;
    return access;
}

void fw__access_refused(fw_access *access, int status, size_t head_len)
{
    access->status = status;
    access->head += head_len;
}

void fw__access_head(fw_access *access, const char *status, size_t head_len)
{
    access->status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
    access->head += head_len;
}

void fw__access_interim(fw_access *access, size_t len)
{
    access->head += len;
}

void fw__access_sent(fw_access *access, size_t len)
{
    access->sent += len;
}

void fw__access_cut(fw_access *access, int status)
{
    access->cut = true;
    if (access->status == 0)
        access->status = status;
}

/* ---- The end of a response ---------------------------------------------------------------------------- */

void fw__access_responded(fw_access_log *log, fw_access *access, fw_slice peer)
{
    fw__access_write(log, access, peer);
    if (log->free_count == FREE_MAX || access->text.size > KEPT_MAX)
        fw_buffer_clear(&access->text);
    if (log->free_count == FREE_MAX) {
        free(access);
        return;
    }
    access->next = log->free;
    log->free = access;
    log->free_count++;
}

void fw__access_closed(fw_access_log *log, fw_access *access, size_t unsent, fw_slice peer)
{
    access->sent -= unsent < access->sent ? unsent : access->sent;
    if (access->sent == 0 && !access->cut)
        access->status = 0; /* said, but to nobody: the client had reset the connection */
    fw__access_cut(access, GONE_STATUS);
    fw__access_responded(log, access, peer);
}
