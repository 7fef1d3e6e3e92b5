/* batch/batch.c -- what one fw_poll() gives out: records, their text and the requests' contents.
 * Owns:   the buffers of a batch. fw__batch_new() makes them once; they never move, because Python
 *         keeps views of them.
 * Never:  overflows: fw__batch_full() is asked before bytes are turned into a request, and beyond
 *         "full" there is room for the largest single request that the limits allow. */
#include "batch/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "http/template.h"

#define TEXT_MARGIN 2048 /* bytes: the peer, the method, the version, a record of another kind */
#define SHAPE_MARGIN 64  /* bytes: ":1.1:", the listener's number, ":Content-Length", ":Host" */
#define SEPARATORS 2     /* bytes that a name may take in a shape beyond what it had in the head */
#define RECORDS_KEPT 4   /* one request with its shape, FW_LOG_LOST, FW_FAULT */
#define TWO_DIGITS 10    /* listeners with such a number and above have two */

/* The largest request's text: path and query and target, its values, and its names twice (a shape
 * that is defined and used, or given along), with the separators. */
static size_t largest_text(const fw_settings *settings)
{
    size_t targets = 2 * (size_t)settings->max_uri;        /* path with query, and target */
    size_t fields = 3 * (size_t)settings->max_header_size; /* values, and names twice */
    size_t separators = 4 * (size_t)settings->max_headers; /* of names twice, of values, CR LF */
    return targets + fields + separators + TEXT_MARGIN;
}

int fw__batch_new(fw_batch *batch, const fw_settings *settings)
{
    batch->text_size = FW_BATCH_BYTES + largest_text(settings);
    batch->content_size = FW_BATCH_BYTES + (size_t)settings->memory_body;
    batch->shape_size =
        (size_t)settings->max_header_size + SEPARATORS * FW_FIELDS_MAX + SHAPE_MARGIN;
    batch->records = malloc((FW_BATCH_RECORDS * FW_RECORD_WORDS + 1) * sizeof *batch->records);
    batch->text = malloc(batch->text_size);
    batch->content = malloc(batch->content_size);
    batch->shape = malloc(batch->shape_size);
    if (!batch->records || !batch->text || !batch->content || !batch->shape)
        return FW_EMEMORY;
    fw__batch_start(batch);
    fw__batch_end(batch); /* an empty one, for a caller that looks before the first poll */
    return 0;
}

void fw__batch_free(fw_batch *batch)
{
    free(batch->records);
    free(batch->text);
    free(batch->content);
    free(batch->shape);
}

void fw__batch_start(fw_batch *batch)
{
    batch->words = 1;
    batch->text_used = 0;
    batch->content_used = 0;
    batch->requests = 0;
    batch->woken = 0;
    batch->filling = true;
}

void fw__batch_end(fw_batch *batch)
{
    batch->filling = false;
    batch->records[0] = (int64_t)batch->text_used;
}

bool fw__batch_crowded(const fw_batch *batch)
{
    /* The last places are kept for FW_WAKE records, which are never put off, and for RECORDS_KEPT others. */
    const size_t words_max = (FW_BATCH_RECORDS - FW_WATCHES - RECORDS_KEPT) * FW_RECORD_WORDS;
    return !batch->filling || batch->words >= words_max;
}

bool fw__batch_full(const fw_batch *batch)
{
    return fw__batch_crowded(batch) || batch->requests >= FW_BATCH_REQUESTS ||
           batch->text_used >= FW_BATCH_BYTES || batch->content_used >= FW_BATCH_BYTES;
}

static void add_record(fw_batch *batch, int64_t kind, int64_t connection, int64_t content)
{
    int64_t *record = batch->records + batch->words;
    record[0] = kind;
    record[1] = connection;
    record[2] = content;
    batch->words += FW_RECORD_WORDS;
}

void fw__batch_event(fw_batch *batch, int64_t kind, int64_t connection)
{
    add_record(batch, kind, connection, 0);
}

static size_t put(char *out, size_t at, const char *bytes, size_t len)
{
    memcpy(out + at, bytes, len);
    return at + len;
}

static void add_field(fw_batch *batch, const char *bytes, size_t len)
{
    memcpy(batch->text + batch->text_used, bytes, len);
    batch->text_used += len;
    batch->text[batch->text_used++] = '\n';
}

static void add_token(fw_batch *batch, const char *token)
{
    static const char before[] = " (request ";
    char *text = batch->text;
    size_t at = put(text, batch->text_used, token, strlen(token));
    if (batch->name.len) {
        at = put(text, at, before, sizeof before - 1);
        at = put(text, at, batch->name.at, batch->name.len);
        text[at++] = ')';
    }
    text[at++] = '\n';
    batch->text_used = at;
}

void fw__batch_debug(fw_batch *batch, int64_t connection, fw_slice peer, const char *token,
                     fw_slice bytes)
{
    if (!batch->debug || fw__batch_crowded(batch) || batch->text_used >= FW_BATCH_BYTES)
        return;
    add_token(batch, token);
    add_field(batch, peer.at, peer.len);
    for (size_t i = 0; i < bytes.len && i < FW_DEBUG_BYTES; i++) {
        char byte = bytes.at[i];
        batch->text[batch->text_used++] = byte >= ' ' && byte <= '~' ? byte : '?';
    }
    batch->text[batch->text_used++] = '\n';
    add_record(batch, FW_DEBUG, connection, 0);
}

void fw__batch_fault(fw_batch *batch, const char *from, const char *to)
{
    add_field(batch, from, strlen(from));
    add_field(batch, to, strlen(to));
    add_record(batch, FW_FAULT, 0, 0);
}

/* Proxy would become HTTP_PROXY (httpoxy), and a name with "_" the environ key of its twin with "-". */
static bool hidden(fw_slice name)
{
    if (memchr(name.at, '_', name.len))
        return true;
    return name.len == 5 && fw_slice_is(name, "proxy", 5);
}

/* RFC 9112 7.1.3: once the chunked coding is removed, the length of what it held takes its place. */
static fw_slice decoded_length(fw_batch *batch, const fw_given *given)
{
    int len = snprintf(batch->length, sizeof batch->length, "%llu",
                       (unsigned long long)given->content_size);
    fw_slice value = {batch->length, len > 0 ? (size_t)len : 0};
    return value;
}

/* METHOD:1.x:LISTENER[?]:NAME:NAME... Also collects the values that go with the names. */
static size_t shape_text(fw_batch *batch, const fw_given *given, const fw_head *head,
                         fw_slice *values, size_t *value_count)
{
    char *text = batch->shape;
    size_t at = put(text, 0, head->method.at, head->method.len);
    at = put(text, at, head->minor ? ":1.1:" : ":1.0:", 5);
    if (given->listener >= TWO_DIGITS)
        text[at++] = (char)('0' + given->listener / TWO_DIGITS);
    text[at++] = (char)('0' + given->listener % TWO_DIGITS);
    if (given->nameless)
        text[at++] = '?';
    size_t count = 0;
    const fw_field *told = NULL;
    for (size_t i = 0; i < head->field_count; i++) {
        const fw_field *field = &head->fields[i];
        if (hidden(field->name)) {
            told = told ? told : field;
            continue;
        }
        text[at++] = ':';
        if (head->chunked && fw_slice_is(field->name, "transfer-encoding", 17)) {
            if (given->elsewhere == FW_COMING) {
                at--; /* nobody knows its length */
                continue;
            }
            at = put(text, at, "Content-Length", 14);
            values[count++] = decoded_length(batch, given);
            continue;
        }
        at = put(text, at, field->name.at, field->name.len);
        /* RFC 9112 3.2.2: the authority of an absolute-form target replaces Host. */
        bool overridden = (int)i == head->host && head->authority.len;
        values[count++] = overridden ? head->authority : field->value;
    }
    if (head->host < 0 && head->authority.len) {
        at = put(text, at, ":Host", 5);
        values[count++] = head->authority;
    }
    if (told)
        fw__batch_debug(batch, given->connection, given->peer, "hidden_field", told->name);
    *value_count = count;
    return at;
}

static int64_t add_content(fw_batch *batch, const fw_given *given)
{
    if (given->elsewhere)
        return given->elsewhere;
    size_t len = given->content.len;
    if (len)
        memcpy(batch->content + batch->content_used, given->content.at, len);
    batch->content_used += len;
    return (int64_t)len;
}

static void add_target(fw_batch *batch, const fw_given *given, const fw_head *head, size_t path_len)
{
    batch->text_used += path_len;
    batch->text[batch->text_used++] = '\n';
    add_field(batch, head->query.at, head->query.len);
    fw__request_line_add(batch, given->connection, head->method, batch->text_used,
                         head->target.len);
    add_field(batch, head->target.at, head->target.len);
    add_field(batch, given->peer.at, given->peer.len);
}

/* The shape's number, if a head with the same names brought it before and it is still there; or -1. */
static int noted_shape(const fw_shapes *shapes, const fw_given *given, const fw_head *head)
{
    if (!head->like || head->like->note.serial == 0)
        return -1;
    const fw_template_note *note = &head->like->note;
    if (shapes->slots[note->number].serial != note->serial || note->listener != given->listener ||
        note->nameless != given->nameless || note->method_len != head->method.len ||
        memcmp(note->method, head->method.at, head->method.len) != 0)
        return -1;
    return note->number;
}

/* For the next head with the same names. Only if each field became a value: another one has the same, hidden
 * ones are told to the log each time, and authority and chunked coding are never in a template. */
static void note_shape(const fw_shapes *shapes, const fw_given *given, const fw_head *head,
                       int number)
{
    if (!head->like || head->method.len > FW_METHOD_NOTED)
        return;
    fw_template_note *note = &head->like->note;
    *note = (fw_template_note){.serial = shapes->slots[number].serial,
                               .number = number,
                               .listener = given->listener,
                               .nameless = given->nameless,
                               .method_len = (uint8_t)head->method.len};
    memcpy(note->method, head->method.at, head->method.len);
}

/* A request of which only the values are to be told; false: nothing is added. */
static bool add_noted(fw_batch *batch, const fw_shapes *shapes, const fw_given *given,
                      const fw_head *head)
{
    int kind = noted_shape(shapes, given, head);
    if (kind < 0)
        return false;
    bool has_lf = false;
    size_t path_len = fw_percent_decode(head->path, batch->text + batch->text_used, &has_lf);
    if (has_lf)
        return false;
    add_target(batch, given, head, path_len);
    for (size_t i = 0; i < head->field_count; i++)
        add_field(batch, head->fields[i].value.at, head->fields[i].value.len);
    add_record(batch, kind, given->connection, add_content(batch, given));
    return true;
}

static void add_described(fw_batch *batch, fw_shapes *shapes, const fw_given *given,
                          const fw_head *head)
{
    fw_slice values[FW_FIELDS_MAX + 1];
    size_t value_count = 0;
    bool has_lf = false;
    bool define = false;
    size_t shape_len = shape_text(batch, given, head, values, &value_count);
    /* Decoded straight into the batch, as if the shape were known already; if not, it is decoded again
     * behind the shape. */
    char *path = batch->text + batch->text_used;
    size_t path_len = fw_percent_decode(head->path, path, &has_lf);
    int kind = -1;
    if (!head->repeated && !has_lf)
        kind = fw__shape_find(shapes, batch->shape, shape_len, &define);
    if (kind >= 0 && value_count == head->field_count)
        note_shape(shapes, given, head, kind);
    if (kind < 0 || define) {
        add_field(batch, batch->shape, shape_len);
        path = batch->text + batch->text_used;
        path_len = head->path.len;
        if (has_lf)
            memcpy(path, head->path.at, path_len);
        else
            path_len = fw_percent_decode(head->path, path, &has_lf);
    }
    if (define)
        add_record(batch, FW_SHAPE, kind, 0);
    if (kind < 0)
        kind = has_lf ? FW_REQUEST_RAW : FW_REQUEST;
    add_target(batch, given, head, path_len);
    for (size_t i = 0; i < value_count; i++)
        add_field(batch, values[i].at, values[i].len);
    add_record(batch, kind, given->connection, add_content(batch, given));
}

void fw__batch_request(fw_batch *batch, fw_shapes *shapes, const fw_given *given,
                       const fw_head *head)
{
    if (!add_noted(batch, shapes, given, head))
        add_described(batch, shapes, given, head);
    batch->requests++;
}
