/* http/fields.c -- the field section of a head: its lines, and the fields that steer the connection.
 * Owns:   nothing; what is learnt on the way lives on the stack for one head.
 * Never:  joins or drops fields. A name with "_" is a name like any other here; it never counts as
 *         its "-" twin, because names are compared whole. */
#include <string.h>

#include "http/head.h"
#include "http/scan.h"

/* Bytes compared, in one head, to tell whether a name is repeated. Ordinary heads need a handful;
 * long names made to differ late would cost their length times n^2, so after this many the verdict
 * is a safe "perhaps", which is to say yes. */
#define COMPARED_MAX 16384

#define SEEN_WORDS 8
#define SEEN_SHIFT (64 - 9) /* the top bits of a hash that number SEEN_WORDS * 64 bits */

typedef struct {
    uint64_t seen[SEEN_WORDS]; /* hashes of the names so far */
    size_t compared;           /* bytes, see COMPARED_MAX */
    bool content_type;
    bool authorization;
    bool close;      /* Connection: close */
    bool keep_alive; /* Connection: keep-alive */
    fw_slice coding; /* value of Transfer-Encoding; at is NULL if there is none */
} field_notes;

/* ---- Lines ----------------------------------------------------------------------------------- */

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 9112 5: token ":" OWS value OWS CRLF. A space before the colon is an error (5.1). */
static int read_line(fw_reader *reader, fw_field *field)
{
    const char *name = reader->at;
    const char *end = reader->end;
    const char *colon = fw_scan_token(name, end);
    if (colon == end || *colon != ':')
        return fw__refuse(colon, end, FW_EFIELD_NAME, FW_EFIELD_NAME);
    if (colon == name)
        return FW_EFIELD_NAME;

    const char *value = colon + 1;
    while (value < end && is_ows(*value))
        value++;
    const char *stop = fw_scan_value(value, end);
    int code = fw__refuse(stop, end, FW_EFIELD_VALUE, 0);
    if (code != 0)
        return code;
    reader->at = stop + 2;
    while (stop > value && is_ows(stop[-1]))
        stop--;
    field->name = (fw_slice){name, (size_t)(colon - name)};
    field->value = (fw_slice){value, (size_t)(stop - value)};
    return 0;
}

/* What the first byte of a line tells: 0 for a field line, 1 for the end of the section. */
static int begin_line(const fw_reader *reader, bool full)
{
    const char *at = reader->at;
    if (at == reader->end)
        return FW_MORE;
    if (*at == '\r' || *at == '\n')
        return fw__refuse(at, reader->end, 0, 1);
    if (is_ows(*at))
        return FW_EFOLD; /* RFC 9112 5.2, and 2.2 for the first line */
    return full ? FW_ETOO_MANY_FIELDS : 0;
}

/* ---- Repeated names -------------------------------------------------------------------------- */

static uint64_t load(const char *at, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, at, len);
    return word;
}

/* Mixes length, first and last eight bytes, without case. Only a filter: it may mistake different
 * names for equal, never equal ones for different. */
static uint64_t hash_name(fw_slice name)
{
    uint64_t head;
    uint64_t tail;
    if (name.len >= 8) {
        head = load(name.at, 8);
        tail = load(name.at + name.len - 8, 8);
    } else if (name.len >= 4) {
        head = load(name.at, 4);
        tail = load(name.at + name.len - 4, 4);
    } else {
        head = load(name.at, 1);
        tail = load(name.at + name.len / 2, 1) << 8 | load(name.at + name.len - 1, 1);
    }
    const uint64_t caseless = UINT64_C(0x2020202020202020);
    uint64_t mixed = (head | caseless) * UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= mixed >> 32;
    mixed += (tail | caseless) + name.len;
    return mixed * UINT64_C(0xD6E8FEB86659FD93);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* How far two names of one length agree. */
static size_t common_start(fw_slice a, fw_slice b)
{
    size_t i = 0;
    while (i < a.len && (a.at[i] == b.at[i] || lower(a.at[i]) == lower(b.at[i])))
        i++;
    return i;
}

/* Whether the newest field's name stands among the earlier ones. */
static bool find_name(const fw_head *head, field_notes *notes)
{
    fw_slice name = head->fields[head->field_count - 1].name;
    for (size_t i = 0; i + 1 < head->field_count; i++) {
        fw_slice other = head->fields[i].name;
        if (other.len != name.len)
            continue;
        size_t same = common_start(other, name);
        notes->compared += same;
        if (same == name.len || notes->compared > COMPARED_MAX)
            return true;
    }
    return false;
}

static void note_name(fw_head *head, field_notes *notes)
{
    uint64_t hash = hash_name(head->fields[head->field_count - 1].name) >> SEEN_SHIFT;
    uint64_t bit = UINT64_C(1) << (hash & 63);
    uint64_t *word = &notes->seen[hash >> 6];
    if ((*word & bit) != 0 && !head->repeated)
        head->repeated = find_name(head, notes);
    *word |= bit;
}

/* ---- The fields that steer ------------------------------------------------------------------- */

#define IS(slice, text) fw_slice_is(slice, text, sizeof text - 1)

/* Empty says that the target has no authority (RFC 9112 3.2). */
static int note_host(fw_head *head, fw_slice value)
{
    if (head->host >= 0)
        return FW_EHOST_REPEATED;
    head->host = (int)head->field_count - 1;
    if (value.len == 0)
        return head->authority.len == 0 ? 0 : FW_EHOST;
    return fw_valid_host(value) ? 0 : FW_EHOST;
}

/* RFC 9112 6.3 lets a list of equal numbers pass; refused here, since not every proxy accepts one. */
static int note_content_length(fw_head *head, fw_slice value)
{
    if (head->content_length >= 0 || value.len == 0)
        return FW_ECONTENT_LENGTH;
    int64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!fw_is(value.at[i], FW_DIGIT))
            return FW_ECONTENT_LENGTH;
        int digit = value.at[i] - '0';
        if (length > (INT64_MAX - digit) / 10)
            return FW_ECONTENT_LENGTH;
        length = length * 10 + digit;
    }
    head->content_length = length;
    return 0;
}

static int note_transfer_encoding(field_notes *notes, fw_slice value)
{
    if (notes->coding.at != NULL)
        return FW_ETRANSFER_ENCODING;
    notes->coding = value;
    return 0;
}

/* The next element of a comma-separated list (RFC 9110 5.6.1), without OWS; may be empty. */
static fw_slice next_element(fw_slice *list)
{
    const char *comma = list->len == 0 ? NULL : memchr(list->at, ',', list->len);
    size_t len = comma == NULL ? list->len : (size_t)(comma - list->at);
    fw_slice element = {list->at, len};
    size_t used = comma == NULL ? len : len + 1;
    *list = (fw_slice){list->at + used, list->len - used};
    while (element.len > 0 && is_ows(element.at[element.len - 1]))
        element.len--;
    while (element.len > 0 && is_ows(element.at[0]))
        element = (fw_slice){element.at + 1, element.len - 1};
    return element;
}

/* RFC 9110 10.1.1: a 1.0 client cannot mean 100-continue. Empty elements count for nothing (5.6.1.2). */
static int note_expect(fw_head *head, fw_slice value)
{
    while (value.len > 0) {
        fw_slice expectation = next_element(&value);
        if (expectation.len == 0)
            continue;
        if (!IS(expectation, "100-continue"))
            return FW_EEXPECT;
        head->expect_continue = head->minor == 1;
    }
    return 0;
}

/* RFC 9110 7.6.1: several fields are one list. */
static void note_connection(field_notes *notes, fw_slice value)
{
    while (value.len > 0) {
        fw_slice option = next_element(&value);
        if (IS(option, "close"))
            notes->close = true;
        else if (IS(option, "keep-alive"))
            notes->keep_alive = true;
    }
}

/* With two of these a proxy may check one while the application acts on the other: so never two. */
static int note_single(bool *seen)
{
    if (*seen)
        return FW_EREPEATED;
    *seen = true;
    return 0;
}

static int note_field(fw_head *head, field_notes *notes)
{
    const fw_field *field = &head->fields[head->field_count - 1];
    fw_slice name = field->name;
    switch (name.len) {
    case sizeof "host" - 1: return IS(name, "host") ? note_host(head, field->value) : 0;
    case sizeof "expect" - 1: return IS(name, "expect") ? note_expect(head, field->value) : 0;
    case sizeof "connection" - 1:
        if (IS(name, "connection"))
            note_connection(notes, field->value);
        return 0;
    case sizeof "content-type" - 1:
        return IS(name, "content-type") ? note_single(&notes->content_type) : 0;
    case sizeof "authorization" - 1:
        return IS(name, "authorization") ? note_single(&notes->authorization) : 0;
    case sizeof "content-length" - 1:
        return IS(name, "content-length") ? note_content_length(head, field->value) : 0;
    case sizeof "transfer-encoding" - 1:
        return IS(name, "transfer-encoding") ? note_transfer_encoding(notes, field->value) : 0;
    default: return 0;
    }
}

/* ---- What they mean together ----------------------------------------------------------------- */

/* RFC 9112 6.1 and 6.3. chunked twice, or an empty list, is malformed; anything else is a coding
 * that is not known here. Empty elements beside chunked are refused too, though they count for nothing
 * in every other list (RFC 9110 5.6.1.2): two servers in a row that disagree on them read the content
 * of one request as another request. */
static int judge_coding(fw_head *head, fw_slice coding)
{
    if (head->minor == 0 || head->content_length >= 0)
        return FW_ETRANSFER_ENCODING;
    if (IS(coding, "chunked")) {
        head->chunked = true;
        return 0;
    }
    while (coding.len > 0) {
        fw_slice element = next_element(&coding);
        if (element.len > 0 && !IS(element, "chunked"))
            return FW_ECODING;
    }
    return FW_ETRANSFER_ENCODING;
}

static int judge_fields(fw_head *head, const field_notes *notes)
{
    if (head->host < 0 && head->minor == 1)
        return FW_EHOST_MISSING;
    head->keep_alive = !notes->close && (head->minor == 1 || notes->keep_alive);
    return notes->coding.at == NULL ? 0 : judge_coding(head, notes->coding);
}

int fw__read_fields(fw_reader *reader, size_t max_fields, fw_head *head)
{
    field_notes notes = {0};
    for (;;) {
        int code = begin_line(reader, head->field_count >= max_fields);
        if (code == 1)
            break;
        if (code == 0)
            code = read_line(reader, &head->fields[head->field_count]);
        if (code != 0)
            return code;
        head->field_count++;
        note_name(head, &notes);
        code = note_field(head, &notes);
        if (code != 0)
            return code;
    }
    reader->at += 2;
    return judge_fields(head, &notes);
}
