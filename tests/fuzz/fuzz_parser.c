/* fuzz_parser.c -- any bytes as a request head (csrc/http/parser.c, fields.c, target.c, bytes.c).
 * Input: one byte that chooses the limits, then the head.
 * Holds: what is accepted keeps the rules that the parser is there for; every slice lies in the
 *        input; the verdict depends neither on how the bytes arrive nor on the width of the scans, nor on
 *        the head that was read before (template.c). */
#include "fuzz.h"

#include "error.h"
#include "fapws.h"
#include "http/parser.h"
#include "http/template.h"

#define CAPACITY 256

/* Of portable_core.c. */
int64_t portable_parse_head(const char *buf, size_t len, size_t seen, const fw_head_limits *limits,
                            fw_head *head);
size_t portable_percent_decode(fw_slice in, char *out, bool *has_lf);
bool portable_valid_host(fw_slice host);

static const fw_head_limits all_limits[] = {
    {65536, 8192, CAPACITY}, {65536, 8192, 100}, {200, 40, 4}, {64, 64, 1},
    {1000, 20, 0},           {0, 0, 0}};

static fw_field fields[CAPACITY];
static fw_field other_fields[CAPACITY];

typedef struct {
    const char *at;
    size_t len;
    const fw_head_limits *limits;
    fw_head head; /* of the whole */
    int64_t verdict;
} message;

static int64_t parse(const message *m, size_t len, size_t seen, fw_head *head)
{
    memset(head, 0x55, sizeof *head); /* nothing may be left unset */
    head->fields = other_fields;
    return fw_parse_head(m->at, len, seen, m->limits, head);
}

/* ---- One verdict, however the bytes arrive ------------------------------------------------------ */

static bool same_slice(fw_slice a, fw_slice b)
{
    return a.at == b.at && a.len == b.len;
}

static void check_same_head(const fw_head *a, const fw_head *b)
{
    MUST(same_slice(a->method, b->method) && same_slice(a->target, b->target));
    MUST(same_slice(a->path, b->path) && same_slice(a->query, b->query));
    MUST(same_slice(a->authority, b->authority) && a->minor == b->minor && a->host == b->host);
    MUST(a->content_length == b->content_length && a->chunked == b->chunked);
    MUST(a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue);
    MUST(a->repeated == b->repeated && a->field_count == b->field_count);
    for (size_t i = 0; i < a->field_count; i++) {
        MUST(same_slice(a->fields[i].name, b->fields[i].name));
        MUST(same_slice(a->fields[i].value, b->fields[i].value));
    }
}

static void check_verdict(const message *m, int64_t got, const fw_head *head)
{
    MUST(got == m->verdict);
    if (got > 0)
        check_same_head(&m->head, head);
}

/* A caller that says how much was seen may be told of a fault only when its line is complete. */
static void check_told(const message *m, int64_t got, size_t seen, const fw_head *head)
{
    if (got != FW_MORE || m->verdict == FW_MORE) {
        check_verdict(m, got, head);
        return;
    }
    char *more = malloc(m->len + 2);
    if (!more)
        abort();
    memcpy(more, m->at, m->len);
    memcpy(more + m->len, "\r\n", 2);
    fw_head after = {.fields = other_fields};
    MUST(fw_parse_head(more, m->len + 2, seen, m->limits, &after) == m->verdict);
    free(more);
}

/* In pieces of 1 to largest bytes; each call is told how many bytes the one before has seen. */
static void check_drip(const message *m, size_t largest, fuzz_random *random)
{
    fw_head head;
    int64_t got = parse(m, 0, 0, &head);
    size_t len = 0;
    while (got == FW_MORE && len < m->len) {
        size_t seen = len;
        size_t piece = largest == 1 ? 1 : 1 + fuzz_pick(random, largest);
        len = m->len - len < piece ? m->len : len + piece;
        got = parse(m, len, seen, &head);
    }
    check_told(m, got, m->len, &head);
}

/* Two pieces, and the verdict on the first alone, for a caller that remembers nothing. */
static void check_split(const message *m, size_t first)
{
    fw_head head;
    int64_t got = parse(m, first, 0, &head);
    if (got != FW_MORE) {
        check_verdict(m, got, &head);
        return;
    }
    MUST(m->verdict < 0 || first < (size_t)m->verdict);
    got = parse(m, m->len, first, &head);
    check_told(m, got, m->len, &head);
}

/* ---- The same verdict after another head ---------------------------------------------------------- */

static void check_like(const message *m, const char *bytes, fw_template *known)
{
    message changed = {.at = bytes, .len = m->len, .limits = m->limits};
    fw_head head;
    changed.verdict = parse(&changed, m->len, 0, &head);
    changed.head = head;
    static fw_field alone[CAPACITY];
    memcpy(alone, other_fields, sizeof alone);
    changed.head.fields = alone;
    memset(&head, 0x55, sizeof head);
    head.fields = other_fields;
    int64_t got = fw_parse_head_like(bytes, m->len, 0, m->limits, &head, known);
    check_verdict(&changed, got, &head);
}

/* This head twice, and with a byte changed before and after: of what was known none may be taken for more. */
static void check_template(const message *m, fuzz_random *random)
{
    static const char bytes[] = "\r\n:,; \tax0AX\x7F";
    fw_template known = {.count = 0};
    char *changed = fuzz_copy(m->at, m->len);
    check_like(m, m->at, &known);
    check_like(m, m->at, &known);
    for (int i = 0; i < 4 && m->len; i++) {
        size_t place = fuzz_pick(random, m->len);
        char before = changed[place];
        changed[place] = bytes[fuzz_pick(random, sizeof bytes - 1)];
        check_like(m, changed, &known);
        check_like(m, m->at, &known);
        changed[place] = before;
    }
    free(changed);
}

/* ---- What an accepted head has kept --------------------------------------------------------------- */

static void check_inside(const message *m, fw_slice slice)
{
    MUST(slice.at >= m->at && slice.at + slice.len <= m->at + m->verdict);
}

static void check_path(fw_slice path)
{
    char *out = fuzz_copy(path.at, path.len);
    char *other = fuzz_copy(path.at, path.len);
    bool lf = false;
    bool other_lf = false;
    size_t len = fw_percent_decode(path, out, &lf);
    size_t other_len = portable_percent_decode((fw_slice){other, path.len}, other, &other_lf);
    MUST(len <= path.len && lf == (len && memchr(out, '\n', len) != NULL));
    MUST(len == other_len && lf == other_lf && memcmp(out, other, len) == 0);
    free(out);
    free(other);
}

static void check_target(const message *m)
{
    const fw_head *head = &m->head;
    check_inside(m, head->target);
    check_inside(m, head->path);
    check_inside(m, head->query);
    check_inside(m, head->authority);
    MUST(head->target.len > 0 && head->target.len <= m->limits->max_target);
    MUST(head->path.len > 0 && (head->path.at[0] == '/' || head->path.at[0] == '*'));
    MUST(!memchr(head->path.at, '?', head->path.len) &&
         !memchr(head->target.at, '#', head->target.len));
    for (size_t i = 0; i < head->target.len; i++)
        MUST(head->target.at[i] > ' ' && head->target.at[i] < 0x7F);
    if (head->authority.len > 0)
        MUST(fw_valid_host(head->authority));
    check_path(head->path);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static void check_field(const message *m, const fw_field *field)
{
    check_inside(m, field->name);
    check_inside(m, field->value);
    MUST(fw_is_token(field->name) && fw_is_field_value(field->value));
    MUST(field->name.at[field->name.len] == ':');
    MUST(field->value.at > field->name.at + field->name.len);
    if (field->value.len > 0)
        MUST(!blank(field->value.at[0]) && !blank(field->value.at[field->value.len - 1]));
}

/* What smuggling needs: none of it may be in a head that was let through. */
static void check_framing(const fw_head *head)
{
    size_t hosts = 0;
    size_t lengths = 0;
    size_t codings = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        hosts += fw_slice_is(head->fields[i].name, "host", 4);
        lengths += fw_slice_is(head->fields[i].name, "content-length", 14);
        codings += fw_slice_is(head->fields[i].name, "transfer-encoding", 17);
    }
    MUST(hosts == (head->host >= 0) && (hosts == 1 || head->minor == 0));
    MUST(lengths == (head->content_length >= 0) && codings == head->chunked);
    MUST(lengths + codings <= 1 && (codings == 0 || head->minor == 1));
    if (head->host < 0)
        return;
    MUST((size_t)head->host < head->field_count);
    fw_slice host = head->fields[head->host].value;
    MUST(host.len ? fw_valid_host(host) && portable_valid_host(host) : !head->authority.len);
}

static void check_line_ends(const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] == '\n')
            MUST(i > 0 && at[i - 1] == '\r');
        if (at[i] == '\r')
            MUST(i + 1 < len && at[i + 1] == '\n');
    }
    MUST(len >= 4 && memcmp(at + len - 4, "\r\n\r\n", 4) == 0);
}

static void check_accepted(const message *m)
{
    const fw_head *head = &m->head;
    size_t len = (size_t)m->verdict;
    MUST(len <= m->len && len <= m->limits->max_size);
    check_line_ends(m->at, len);
    check_inside(m, head->method);
    MUST(fw_is_token(head->method) && head->method.len <= 32);
    MUST(head->minor == 0 || head->minor == 1);
    check_target(m);
    MUST(head->field_count <= m->limits->max_fields);
    for (size_t i = 0; i < head->field_count; i++)
        check_field(m, &head->fields[i]);
    check_framing(head);
    fw_head again;
    MUST(parse(m, len - 1, 0, &again) == FW_MORE);
    check_verdict(m, parse(m, len, 0, &again), &again);
}

/* ---- Any bytes as a host ------------------------------------------------------------------------------ */

static void check_host(const char *bytes, size_t len)
{
    fw_slice host = {bytes, len < 300 ? len : 300};
    bool valid = fw_valid_host(host);
    MUST(valid == portable_valid_host(host));
    for (size_t i = 0; valid && i < host.len; i++)
        MUST(!strchr("@/\\, \t\r\n?#", host.at[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy = fuzz_copy(data + 1, size - 1);
    message m = {.at = copy, .len = size - 1};
    m.limits = &all_limits[data[0] % (sizeof all_limits / sizeof all_limits[0])];
    fuzz_random random = fuzz_seed(data, size);

    memset(&m.head, 0x55, sizeof m.head);
    m.head.fields = fields;
    m.verdict = fw_parse_head(m.at, m.len, 0, m.limits, &m.head);
    MUST(m.verdict > 0 || m.verdict == FW_MORE || fw_error_status((int)m.verdict) >= 400);
    if (m.verdict > 0)
        check_accepted(&m);

    fw_head other = {.fields = other_fields};
    check_verdict(&m, portable_parse_head(m.at, m.len, 0, m.limits, &other), &other);
    check_drip(&m, 1, &random);
    check_drip(&m, 40, &random);
    for (int i = 0; i < 4; i++)
        check_split(&m, fuzz_pick(&random, m.len + 1));
    check_template(&m, &random);
    check_host(m.at, m.len);
    free(copy);
    return 0;
}
