/* http/parser.c -- the request line, and the order in which a head is read.
 * Owns:   nothing; every slice points into the caller's bytes.
 * Never:  keeps state between calls. A head is read from its start each time, and reading stops at
 *         the first byte that is wrong, so more bytes never change a verdict. */
#include "http/parser.h"

#include <string.h>

#include "error.h"
#include "http/head.h"
#include "http/scan.h"

/* Longer than any registered method (18), short enough for an eye and a log line. */
#define METHOD_MAX 32

/* What may stand before the target: the skipped CRLF, a method and its space. */
#define BEFORE_TARGET_MAX (2 + METHOD_MAX + 1)

int fw__refuse(const char *at, const char *end, int code, int line_code)
{
    if (at == end)
        return FW_MORE;
    if (*at == '\n')
        return FW_ELINE_END;
    if (*at != '\r')
        return code;
    if (at + 1 == end)
        return FW_MORE;
    return at[1] == '\n' ? line_code : FW_ELINE_END;
}

/* RFC 9112 2.2: clients of old sent a CRLF after a POST's content. One is skipped, not many. */
static int skip_empty_line(fw_reader *reader)
{
    const char *at = reader->at;
    if (at == reader->end)
        return FW_MORE;
    if (*at != '\r' && *at != '\n')
        return 0;
    int code = fw__refuse(at, reader->end, 0, 0);
    if (code == 0)
        reader->at = at + 2;
    return code;
}

static int read_method(fw_reader *reader, fw_head *head)
{
    const char *start = reader->at;
    const char *end = reader->end;
    if (end - start > METHOD_MAX + 1)
        end = start + METHOD_MAX + 1;
    const char *stop = fw_scan_class(start, end, FW_TOKEN);
    if (stop - start > METHOD_MAX)
        return FW_EMETHOD;
    if (stop == reader->end || *stop != ' ')
        return fw__refuse(stop, reader->end, FW_EMETHOD, FW_EREQLINE);
    if (stop == start)
        return FW_EMETHOD;
    head->method = (fw_slice){start, (size_t)(stop - start)};
    reader->at = stop + 1;
    return 0;
}

static int read_target_bytes(fw_reader *reader, size_t max_target, fw_head *head)
{
    const char *start = reader->at;
    const char *end = reader->end;
    if ((size_t)(end - start) > max_target)
        end = start + max_target + 1;
    const char *stop = fw_scan_target(start, end);
    if ((size_t)(stop - start) > max_target)
        return FW_EURI_TOO_LONG;
    if (stop == reader->end || *stop != ' ')
        return fw__refuse(stop, reader->end, FW_ETARGET, FW_EREQLINE);
    if (stop == start)
        return FW_EREQLINE;
    head->target = (fw_slice){start, (size_t)(stop - start)};
    reader->at = stop + 1;
    return 0;
}

/* RFC 9112 2.3: "HTTP/" DIGIT "." DIGIT, in capitals, and nothing before the CRLF. "9" stands for
 * any digit. */
static int match_version(const char *at, const char *end)
{
    static const char pattern[] = "HTTP/9.9";
    for (size_t i = 0; i < sizeof pattern - 1; i++, at++) {
        if (at == end)
            return FW_MORE;
        if (pattern[i] == '9' ? !fw_is(*at, FW_DIGIT) : *at != pattern[i])
            return fw__refuse(at, end, FW_EVERSION, FW_EVERSION);
    }
    return fw__refuse(at, end, FW_EVERSION, 0);
}

static int read_version(fw_reader *reader, fw_head *head)
{
    const char *at = reader->at;
    int code = match_version(at, reader->end);
    if (code != 0)
        return code;
    if (at[5] >= '2')
        return FW_EVERSION_UNSUPPORTED;
    if (at[5] != '1')
        return FW_EVERSION;
    head->minor = at[7] != '0'; /* RFC 9110 2.5: a higher one is the highest that is known */
    reader->at = at + sizeof "HTTP/1.1\r\n" - 1;
    return 0;
}

static int read_request_line(fw_reader *reader, const fw_head_limits *limits, fw_head *head)
{
    int code = read_method(reader, head);
    if (code == 0)
        code = read_target_bytes(reader, limits->max_target, head);
    if (code == 0)
        code = read_version(reader, head); /* before the form, so that "PRI * HTTP/2.0" is 505 */
    if (code == 0)
        code = fw__read_target(head);
    return code;
}

/* Whether the bytes after seen cannot have changed the verdict FW_MORE. A line that begins, ends
 * or may be ending is always read, so each line costs a few passes and no byte costs one; the same
 * goes for the few lengths at which a target can become too long. */
static bool still_incomplete(const char *buf, size_t len, size_t seen, const fw_head_limits *limits)
{
    if (seen == 0 || seen > len || len >= limits->max_size)
        return false;
    if (len > limits->max_target && seen <= limits->max_target + BEFORE_TARGET_MAX)
        return false;
    if (buf[seen - 1] == '\r' || buf[seen - 1] == '\n')
        return false;
    return fw_scan_line(buf + seen, buf + len) == buf + len;
}

static void clear_head(fw_head *head)
{
    fw_field *fields = head->fields;
    *head = (fw_head){.fields = fields, .content_length = -1, .host = -1};
}

static int read_fields(fw_reader *reader, const fw_head_limits *limits, fw_head *head,
                       fw_template *known)
{
    if (known && fw__fields_like(reader, limits->max_fields, head, known))
        return 0;
    int code = fw__read_fields(reader, limits->max_fields, head);
    if (code == 0 && known)
        fw__template_keep(known, head, reader->at);
    return code;
}

int64_t fw_parse_head_like(const char *buf, size_t len, size_t seen, const fw_head_limits *limits,
                           fw_head *head, fw_template *known)
{
    if (still_incomplete(buf, len, seen, limits))
        return FW_MORE;

    clear_head(head);
    fw_reader reader = {buf, buf + (len < limits->max_size ? len : limits->max_size)};
    int code = skip_empty_line(&reader);
    if (code == 0)
        code = read_request_line(&reader, limits, head);
    if (code == 0)
        code = read_fields(&reader, limits, head, known);
    if (code == 0)
        return reader.at - buf;
    if (code == FW_MORE && len >= limits->max_size)
        return FW_EHEAD_TOO_LARGE;
    return code;
}

int64_t fw_parse_head(const char *buf, size_t len, size_t seen, const fw_head_limits *limits,
                      fw_head *head)
{
    return fw_parse_head_like(buf, len, seen, limits, head, NULL);
}
