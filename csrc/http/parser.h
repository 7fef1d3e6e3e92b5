/* http/parser.h -- the request head: bytes in, slices out (RFC 9112 sections 2 to 7, RFC 9110 section 5).
 * Owns:   nothing; allocates nothing; every slice it returns points into the caller's bytes.
 * Never:  reads beyond buf[len - 1], keeps state between calls. */
#ifndef FAPWS_PARSER_H
#define FAPWS_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *at;
    size_t len;
} fw_slice;

typedef struct {
    fw_slice name;
    fw_slice value; /* without leading and trailing OWS */
} fw_field;

typedef struct {
    size_t max_size;   /* bytes of the whole head: FW_EHEAD_TOO_LARGE above */
    size_t max_target; /* bytes of the target: FW_EURI_TOO_LONG above, also while incomplete */
    size_t max_fields; /* at most the capacity of fw_head.fields: FW_ETOO_MANY_FIELDS above */
} fw_head_limits;

typedef struct {
    fw_slice method;
    fw_slice target;    /* as received */
    fw_slice path;      /* of target, before "?", percent-encoded; absolute-form: "/" if empty (it
                         * then points to a slash before the authority); "*" */
    fw_slice query;     /* of target, after the first "?"; len 0 if there is none */
    fw_slice authority; /* host[:port] of an absolute-form target; len 0 otherwise */
    int minor;          /* HTTP/1.minor: 0, or 1, which a higher one is served as (RFC 9110 2.5) */
    fw_field *fields;   /* the caller's array */
    size_t field_count;
    int64_t content_length; /* -1: none given */
    bool chunked;
    bool keep_alive;          /* what the version and Connection ask for */
    bool expect_continue;     /* Expect: 100-continue, of a 1.1 request (1.0: ignored) */
    int host;                 /* index of the Host field, -1: none */
    bool repeated;            /* some field name occurs twice (compared without case); also set when
                             * many long names are too much alike to tell cheaply */
    struct fw_template *like; /* of the same version and names (template.h), or NULL */
} fw_head;

static inline bool fw_head_has_content(const fw_head *head)
{
    return head->chunked || head->content_length > 0;
}

/* Parses a request head at buf. seen: how many of these bytes an earlier call returned FW_MORE for
 * (0 at first), so that a head that drips in costs a few passes a line, not one a byte.
 * > 0:      bytes of the head, including one leading CRLF if there was one and the final CRLF CRLF.
 * FW_MORE:  valid so far.
 * other:    the code that says what is wrong; nothing after it may be read as a request. In head,
 *           only what stands before the fault is set.
 * A malformed line is told at the latest when it is complete; a bare LF, an oversized target, head
 * or field count also before that. When several things are wrong, the first one in the order of
 * the bytes is told, however they arrive; what only the whole head can tell (a missing Host, the
 * framing) comes last. head->fields is set by the caller; the rest need not be. */
int64_t fw_parse_head(const char *buf, size_t len, size_t seen, const fw_head_limits *limits,
                      fw_head *head);

/* Decodes %XX of a path into out (at least in.len bytes) and returns the length written. A "%" that
 * is not followed by two hex digits stays as it is. *has_lf tells whether out holds a line feed.
 * out may be in.at. */
size_t fw_percent_decode(fw_slice in, char *out, bool *has_lf);

/* host[:port] as RFC 9110 7.2 and 4.2 allow: reg-name without comma, IPv4, [IPv6] without zone or
 * [vX.future]; port of up to five digits and 65535, or none after its colon (RFC 3986 3.2.3). Empty: false. */
bool fw_valid_host(fw_slice host);

/* Case-insensitive comparison with a lower-case literal. */
bool fw_slice_is(fw_slice slice, const char *lower, size_t lower_len);
bool fw_slice_equals(fw_slice slice, const char *text, size_t len); /* byte for byte */

/* tchar of RFC 9110 5.6.2, for names that the application gives too. */
bool fw_is_token(fw_slice slice);
/* field-value bytes: VCHAR, SP, HTAB, 0x80-0xFF; empty is fine. */
bool fw_is_field_value(fw_slice slice);

#endif
