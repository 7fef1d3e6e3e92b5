/* batch_reader.h -- what fw_poll() gave, record by record, for applications written in C.
 * Owns:   its copies of the shapes that the core has defined.
 * Called: the case player and the connection fuzzer.
 * Never:  trusts the core: a batch that is not what fapws.h promises ends the program. */
#ifndef BATCH_READER_H
#define BATCH_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fapws.h"
#include "http/parser.h"

#define BATCH_FIELDS 300 /* more than max_headers can be, with the Host of a target */

#define PROMISED(condition)                                                                        \
    ((condition) ? (void)0 : batch_broken(#condition " does not hold", __FILE__, __LINE__))

_Noreturn static inline void batch_broken(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

typedef struct {
    fw_batch_view view;
    int left;              /* records */
    const int64_t *record; /* the next one */
    const char *at;        /* in text */
    const char *end;
    const char *content;
    const char *content_end;
    char *shapes[FW_SHAPES]; /* NULL: not defined */
    size_t shape_lens[FW_SHAPES];
} batch_reader;

typedef struct {
    int64_t kind; /* of fapws.h; FW_REQUEST for requests of every kind but FW_REQUEST_RAW */
    int64_t connection;
    fw_slice method, version, listener; /* of the shape */
    fw_slice path, query, target, address, port;
    fw_slice token, bytes; /* FW_DEBUG */
    fw_field fields[BATCH_FIELDS];
    size_t field_count;
    fw_slice content;
    bool spooled;
    bool unread, coming; /* in the socket, for fw_read_content() */
    bool pooled;         /* for fw_take_memory() */
} batch_record;

static inline void batch_start(batch_reader *reader, const fw_worker *worker, int count)
{
    fw_view_batch(worker, &reader->view);
    PROMISED(count >= 0);
    PROMISED(1 + (size_t)count * FW_RECORD_WORDS <= reader->view.record_words);
    PROMISED((uint64_t)reader->view.records[0] <= reader->view.text_size);
    reader->left = count;
    reader->record = reader->view.records + 1;
    reader->at = reader->view.text;
    reader->end = reader->at + reader->view.records[0];
    reader->content = reader->view.content;
    reader->content_end = reader->content + reader->view.content_size;
}

static inline fw_slice batch_field(batch_reader *reader)
{
    PROMISED(reader->at < reader->end);
    const char *stop = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    if (!stop)
        stop = reader->end;
    fw_slice field = {reader->at, (size_t)(stop - reader->at)};
    reader->at = stop < reader->end ? stop + 1 : stop;
    return field;
}

/* The next part of a shape, which colons join. */
static inline fw_slice batch_part(fw_slice *shape)
{
    PROMISED(shape->at != NULL);
    const char *stop = shape->len ? memchr(shape->at, ':', shape->len) : NULL;
    if (!stop) {
        fw_slice last = *shape;
        *shape = (fw_slice){NULL, 0};
        return last;
    }
    fw_slice part = {shape->at, (size_t)(stop - shape->at)};
    *shape = (fw_slice){stop + 1, shape->len - part.len - 1};
    return part;
}

static inline void batch_define(batch_reader *reader, int64_t number)
{
    PROMISED(number >= 0 && number < FW_SHAPES);
    fw_slice shape = batch_field(reader);
    char *copy = malloc(shape.len + 1);
    PROMISED(copy != NULL);
    memcpy(copy, shape.at, shape.len);
    free(reader->shapes[number]);
    reader->shapes[number] = copy;
    reader->shape_lens[number] = shape.len;
}

static inline void batch_request(batch_reader *reader, int64_t content, batch_record *record)
{
    fw_slice shape;
    if (record->kind >= 0) {
        PROMISED(record->kind < FW_SHAPES && reader->shapes[record->kind] != NULL);
        shape = (fw_slice){reader->shapes[record->kind], reader->shape_lens[record->kind]};
        record->kind = FW_REQUEST;
    } else {
        shape = batch_field(reader);
    }
    record->method = batch_part(&shape);
    record->version = batch_part(&shape);
    record->listener = batch_part(&shape);
    record->path = batch_field(reader);
    record->query = batch_field(reader);
    record->target = batch_field(reader);
    record->address = batch_field(reader);
    record->port = batch_field(reader);
    record->field_count = 0;
    while (shape.at) {
        PROMISED(record->field_count < BATCH_FIELDS);
        fw_field *field = &record->fields[record->field_count++];
        field->name = batch_part(&shape);
        field->value = batch_field(reader);
        PROMISED(fw_is_token(field->name) && fw_is_field_value(field->value));
    }
    record->spooled = content == FW_SPOOLED;
    record->unread = content == FW_UNREAD;
    record->coming = content == FW_COMING;
    record->pooled = content == FW_POOLED;
    record->content = (fw_slice){reader->content, content < 0 ? 0 : (size_t)content};
    PROMISED(content >= FW_POOLED);
    PROMISED(record->content.len <= (size_t)(reader->content_end - reader->content));
    reader->content += record->content.len;
}

static inline void batch_debug(batch_reader *reader, batch_record *record)
{
    record->token = batch_field(reader);
    record->address = batch_field(reader);
    record->port = batch_field(reader);
    record->bytes = batch_field(reader);
    PROMISED(record->token.len > 0);
}

/* False at the end of the batch. Shapes are kept and not shown. The slices die with the batch. */
static inline bool batch_next(batch_reader *reader, batch_record *record)
{
    while (reader->left > 0) {
        const int64_t *words = reader->record;
        reader->record += FW_RECORD_WORDS;
        reader->left--;
        record->kind = words[0];
        record->connection = words[1];
        PROMISED(record->kind >= FW_DEBUG);
        if (record->kind == FW_SHAPE) {
            batch_define(reader, words[1]);
            continue;
        }
        if (record->kind >= FW_REQUEST_RAW)
            batch_request(reader, words[2], record);
        else if (record->kind == FW_DEBUG)
            batch_debug(reader, record);
        return true;
    }
    PROMISED(reader->at == reader->end);
    return false;
}

static inline void batch_forget(batch_reader *reader)
{
    for (int i = 0; i < FW_SHAPES; i++)
        free(reader->shapes[i]);
    memset(reader, 0, sizeof *reader);
}

#endif
