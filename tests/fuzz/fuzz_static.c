/* fuzz_static.c -- any request head against a file that the core has (csrc/static/: conditions.c, ranges.c,
 * encodings.c, path.c).
 * Input: a byte for the file's size and which siblings it has, then field lines of a request, each with a line feed
 *        behind it; the first line is its path.
 * Holds: a part lies in the file and is what a plain reading of one range says; what is chosen is there; 206 and 416
 *        come from a Range field alone, 304 and 412 from a condition, and never for a head without them; a path that
 *        is good leads nowhere but below its folder. */
#include "fuzz.h"

#include "http/parser.h"
#include "static/conditions.h"
#include "static/encodings.h"
#include "static/path.h"

#define FIELDS 64

static const char etag[] = "\"5-1.2-3\"";
static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
static const uint64_t sizes[] = {0, 1, 10, 1000, (uint64_t)1 << 32, INT64_MAX, 11, 255};

static fw_field fields[FIELDS];

/* ---- The head ------------------------------------------------------------------------------------------ */

static fw_slice trimmed(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (fw_slice){at, (size_t)(end - at)};
}

static const char *line_end(const char *at, const char *end)
{
    const char *found = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return found ? found : end;
}

static fw_head read_head(const char *at, const char *end)
{
    fw_head head = {.method = {"GET", 3}, .minor = 1, .fields = fields, .content_length = -1};
    const char *stop = line_end(at, end);
    head.path = (fw_slice){at, (size_t)(stop - at)};
    while (stop < end && head.field_count < FIELDS) {
        at = stop + 1;
        stop = line_end(at, end);
        const char *colon = at < stop ? memchr(at, ':', (size_t)(stop - at)) : NULL;
        if (!colon || colon == at)
            continue;
        fw_slice name = {at, (size_t)(colon - at)};
        if (!fw_is_token(name)) /* the parser lets no other pass */
            continue;
        fields[head.field_count].name = name;
        fields[head.field_count++].value = trimmed(colon + 1, stop);
    }
    return head;
}

static size_t count_of(const fw_head *head, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++)
        count += fw_slice_is(head->fields[i].name, name, strlen(name));
    return count;
}

static fw_slice value_of(const fw_head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (fw_slice_is(head->fields[i].name, name, strlen(name)))
            return head->fields[i].value;
    return (fw_slice){NULL, 0};
}

/* ---- Range, once more and plainly ------------------------------------------------------------------------ */

/* "bytes=F-L" of short numbers, the common case; false: it is another. */
static bool plain_range(fw_slice value, unsigned long long *first, unsigned long long *last)
{
    char text[32], more;
    if (value.len >= sizeof text || value.len < 9 || memcmp(value.at, "bytes=", 6) != 0)
        return false;
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    size_t hyphens = 0;
    for (size_t i = 6; i < value.len; i++) {
        hyphens += text[i] == '-';
        if ((text[i] < '0' || text[i] > '9') && text[i] != '-')
            return false;
    }
    return hyphens == 1 && text[6] != '-' && memchr(value.at, '\0', value.len) == NULL &&
           sscanf(text, "bytes=%9llu-%9llu%c", first, last, &more) == 2;
}

static void check_range(const fw_head *head, uint64_t size, int status, const fw_range *range)
{
    unsigned long long first, last;
    if (status == 206) {
        MUST(range->size > 0 && range->first < size && range->size <= size - range->first);
    }
    if (!plain_range(value_of(head, "range"), &first, &last) || count_of(head, "if-range"))
        return;
    if (last < first)
        MUST(status == 200);
    else if (first >= size)
        MUST(status == 416);
    else
        MUST(status == 206 && range->first == first &&
             range->size == (last < size ? last : size - 1) - first + 1);
}

/* ---- All ------------------------------------------------------------------------------------------------- */

static void check_conditions(const fw_head *head, uint64_t size)
{
    fw_file_state file = {
        {etag, sizeof etag - 1}, 784111777, 1000000000, size, {date, sizeof date - 1}};
    fw_range range = {0}, none = {0};
    int status = fw__conditions(head, &file, &range);
    int of_head = fw__conditions(head, &file, NULL);
    bool wanted = count_of(head, "if-match") || count_of(head, "if-unmodified-since");
    bool had = count_of(head, "if-none-match") || count_of(head, "if-modified-since");
    MUST(status == 200 || status == 206 || status == 304 || status == 412 || status == 416);
    MUST(of_head == (status == 206 || status == 416 ? 200 : status));
    MUST(status != 412 || wanted);
    MUST(status != 304 || had);
    if (status == 206 || status == 416)
        MUST(count_of(head, "range") == 1);
    if (!wanted && !had && count_of(head, "range") == 1)
        check_range(head, size, status, &range);
    fw_range_verdict read = fw__range_read(value_of(head, "range"), size, &none);
    if (status == 206)
        MUST(read == FW_RANGE_PART && none.first == range.first && none.size == range.size);
}

static void check_encoding(const fw_head *head, unsigned there)
{
    fw_encoding choice = fw__choose_encoding(head, there);
    MUST(choice == FW_ENCODINGS || (choice < FW_ENCODINGS && (there >> choice & 1)));
    if (!count_of(head, "accept-encoding"))
        MUST(choice == FW_ENCODINGS);
}

static void check_path(fw_slice raw)
{
    static fw_static_path path;
    fw__static_path(&path, raw);
    MUST(path.len < sizeof path.text && path.text[path.len] == '\0');
    if (fw__static_path_bad(&path))
        return;
    MUST(path.text[0] == '/' && strlen(path.text) == path.len);
    MUST(!strstr(path.text, "//") && !strstr(path.text, "/../") && !strchr(path.text, '\\'));
    for (const char *at = path.text; (at = strstr(at, "/.")) != NULL; at++)
        MUST(strncmp(at, "/.well-known", 12) == 0 && (at[12] == '/' || at[12] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *copy = fuzz_copy(data + 1, size - 1);
    fw_head head = read_head(copy, copy + size - 1);
    check_conditions(&head, sizes[data[0] & 7]);
    check_encoding(&head, data[0] >> 3 & ((1u << FW_ENCODINGS) - 1));
    check_path(head.path);
    free(copy);
    return 0;
}
