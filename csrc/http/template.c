/* http/template.c -- a field section compared with one that was read before: lines that are the same were
 * judged then, and of others with the same name only the value is.
 * Owns:   nothing; the template is the caller's.
 * Never:  gives another verdict than fields.c: what it does not know, it leaves to that. Keeps no value of Cookie
 *         or Authorization. */
#include "http/template.h"

#include <string.h>

#include "http/head.h"
#include "http/scan.h"

#define NAMED(slice, text) fw_slice_is(slice, text, sizeof text - 1)

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- Comparing ----------------------------------------------------------------------------------- */

/* A line whose name is known; its value is read as fields.c does. False: something is wrong or missing. */
static bool read_value(fw_reader *reader, const fw_template_line *line, fw_field *field)
{
    const char *name = reader->at;
    const char *value = name + line->prefix;
    while (value < reader->end && is_space(*value))
        value++;
    const char *stop = fw_scan_value(value, reader->end);
    if (reader->end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
        return false;
    reader->at = stop + 2;
    while (stop > value && is_space(stop[-1]))
        stop--;
    field->name = (fw_slice){name, line->name_len};
    field->value = (fw_slice){value, (size_t)(stop - value)};
    return true;
}

static bool read_like(fw_reader *reader, const fw_template *known, const fw_template_line *line,
                      fw_field *field)
{
    const char *at = reader->at;
    const char *same = known->bytes + line->start;
    size_t left = (size_t)(reader->end - at);
    if (left < line->kept)
        return false;
    bool whole = line->kept > line->prefix;
    if (memcmp(at, same, line->kept) == 0) {
        if (!whole)
            return read_value(reader, line, field);
        field->name = (fw_slice){at, line->name_len};
        field->value = (fw_slice){at + line->prefix, line->value_len};
        reader->at = at + line->kept;
        return true;
    }
    return whole && !line->steers && memcmp(at, same, line->prefix) == 0 &&
           read_value(reader, line, field);
}

bool fw__fields_like(fw_reader *reader, size_t max_fields, fw_head *head, fw_template *known)
{
    if (known->count == 0 || known->count > max_fields || known->minor != head->minor ||
        head->authority.len != 0)
        return false;
    fw_reader here = *reader;
    for (unsigned i = 0; i < known->count; i++)
        if (!read_like(&here, known, &known->lines[i], &head->fields[i]))
            return false;
    if (here.end - here.at < 2 || here.at[0] != '\r' || here.at[1] != '\n')
        return false;
    reader->at = here.at + 2;
    head->field_count = known->count;
    head->host = known->host;
    head->keep_alive = known->keep_alive;
    head->like = known;
    return true;
}

/* ---- Keeping --------------------------------------------------------------------------------------- */

/* Those of note_field() in fields.c whose value matters; the others matter only when they are repeated. */
static bool steers(fw_slice name)
{
    return NAMED(name, "host") || NAMED(name, "connection") || NAMED(name, "expect");
}

static bool is_private(fw_slice name)
{
    return NAMED(name, "cookie") || NAMED(name, "authorization");
}

/* A line from its name to behind its CR LF. */
static bool keep_line(fw_template *known, size_t *used, const fw_field *field, const char *next)
{
    fw_template_line *line = &known->lines[known->count];
    const char *name = field->name.at;
    size_t prefix = (size_t)(field->value.at - name);
    size_t kept = is_private(field->name) ? prefix : (size_t)(next - name);
    if (kept > sizeof known->bytes - *used)
        return false;
    memcpy(known->bytes + *used, name, kept);
    *line = (fw_template_line){.start = (uint16_t)*used,
                               .kept = (uint16_t)kept,
                               .prefix = (uint16_t)prefix,
                               .name_len = (uint16_t)field->name.len,
                               .value_len = (uint16_t)field->value.len,
                               .steers = steers(field->name)};
    *used += kept;
    known->count++;
    return true;
}

/* end: behind the empty line. */
void fw__template_keep(fw_template *known, const fw_head *head, const char *end)
{
    if (head->repeated || head->content_length >= 0 || head->chunked || head->expect_continue ||
        head->authority.len != 0 || head->field_count > FW_TEMPLATE_LINES)
        return; /* what is known may come again behind it */
    size_t used = 0;
    known->count = 0;
    known->note = (fw_template_note){0};
    for (size_t i = 0; i < head->field_count; i++) {
        bool last = i + 1 == head->field_count;
        const char *next = last ? end - 2 : head->fields[i + 1].name.at;
        if (!keep_line(known, &used, &head->fields[i], next)) {
            known->count = 0;
            return;
        }
    }
    known->minor = head->minor;
    known->host = head->host;
    known->keep_alive = head->keep_alive;
}
