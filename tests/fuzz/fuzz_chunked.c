/* fuzz_chunked.c -- any bytes as a chunked content (csrc/http/chunked.c).
 * Input: the coded content, perhaps with bytes behind it.
 * Holds: the same content and verdict whether it comes whole, byte by byte or in random pieces, and
 *        on either width of the scans; what is behind the end is not moved; a second reading of the
 *        decoded content, coded anew, gives it back. */
#include "fuzz.h"

#include "http/chunked.h"
#include "http/scan.h"
#include "error.h"
#include "fapws.h"

/* Of portable_core.c. */
int64_t portable_decode_chunked(fw_chunked *decoder, char *buf, size_t *len);

#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

typedef int64_t decode(fw_chunked *decoder, char *buf, size_t *len);

typedef struct {
    int64_t verdict; /* as of fw_decode_chunked(), a rest counted to the end of the whole */
    char *content;
    size_t len;
} outcome;

/* In pieces of 1 to largest bytes, each in a place of its own. */
static outcome feed(decode *how, const char *bytes, size_t total, size_t largest,
                    fuzz_random *random)
{
    outcome result = {FW_MORE, fuzz_copy(bytes, total), 0};
    fw_chunked decoder = {0};
    size_t used = 0;
    while (result.verdict == FW_MORE && used < total) {
        size_t size = largest == 1 ? 1 : 1 + fuzz_pick(random, largest);
        if (size > total - used)
            size = total - used;
        char *piece = fuzz_copy(bytes + used, size);
        size_t len = size;
        result.verdict = how(&decoder, piece, &len);
        MUST(len <= size);
        memcpy(result.content + result.len, piece, len);
        result.len += len;
        used += size;
        if (result.verdict >= 0) {
            size_t rest = (size_t)result.verdict;
            MUST(rest <= size - len);
            MUST(memcmp(piece + size - rest, bytes + used - rest, rest) == 0);
            result.verdict += (int64_t)(total - used);
        }
        free(piece);
    }
    return result;
}

static void check_same(const outcome *whole, outcome other)
{
    MUST(other.verdict == whole->verdict && other.len == whole->len);
    MUST(memcmp(other.content, whole->content, whole->len) == 0);
    free(other.content);
}

static outcome decode_whole(const char *bytes, size_t total)
{
    outcome whole = {0, fuzz_copy(bytes, total), total};
    fw_chunked decoder = {0};
    whole.verdict = fw_decode_chunked(&decoder, whole.content, &whole.len);
    MUST(whole.len <= total);
    if (whole.verdict < 0) {
        MUST(whole.verdict == FW_MORE || fw_error_status((int)whole.verdict) >= 400);
        return whole;
    }
    size_t rest = (size_t)whole.verdict;
    MUST(rest <= total - whole.len);
    MUST(memcmp(whole.content + total - rest, bytes + total - rest, rest) == 0);
    /* Spent: whatever comes now is left alone. */
    char byte = '5';
    size_t one = 1;
    MUST(fw_decode_chunked(&decoder, &byte, &one) == 1 && one == 0 && byte == '5');
    return whole;
}

/* RFC 9112 7.1.1 once more, plainly: what of a line is a run of such bytes. */
static size_t span(const char *at, size_t len, const char *members)
{
    size_t count = 0;
    while (count < len && at[count] && strchr(members, at[count]))
        count++;
    return count;
}

static size_t extension_value(const char *at, size_t len)
{
    if (len == 0 || at[0] != '"')
        return span(at, len, TOKEN);
    for (size_t i = 1; i < len; i++) {
        if (at[i] == '"')
            return i + 1;
        i += at[i] == '\\';
        MUST(i < len && (at[i] == '\t' || (unsigned char)at[i] >= ' ') && at[i] != 0x7f);
    }
    return 0;
}

/* line: what stands behind a size, without CRLF. */
static void check_extensions(const char *line, size_t len)
{
    size_t at = 0;
    while (at < len) {
        at += span(line + at, len - at, " \t");
        MUST(at < len && line[at] == ';');
        at++;
        at += span(line + at, len - at, " \t");
        size_t name = span(line + at, len - at, TOKEN);
        MUST(name > 0);
        at += name;
        size_t pad = span(line + at, len - at, " \t");
        if (at + pad == len || line[at + pad] != '=')
            continue;
        at += pad + 1;
        at += span(line + at, len - at, " \t");
        size_t value = extension_value(line + at, len - at);
        MUST(value > 0);
        at += value;
    }
}

/* The size lines of a content that was accepted. */
static void check_size_lines(const char *bytes, size_t total)
{
    size_t at = 0;
    for (;;) {
        const char *feed = memchr(bytes + at, '\n', total - at);
        MUST(feed != NULL && feed > bytes + at && feed[-1] == '\r');
        size_t line = (size_t)(feed - bytes) - 1 - at;
        size_t digits = span(bytes + at, line, "0123456789abcdefABCDEF");
        uint64_t left = 0;
        for (size_t i = 0; i < digits; i++)
            left = left << 4 | (uint64_t)fw_hex_value(bytes[at + i]);
        MUST(digits > 0 && digits <= 16);
        check_extensions(bytes + at + digits, line - digits);
        at += line + 2;
        if (left == 0)
            return;
        MUST(left + 2 <= total - at);
        at += (size_t)left + 2;
    }
}

static void check_coded_anew(const outcome *whole)
{
    char *coded = malloc(whole->len + 64);
    if (!coded)
        abort();
    int head = whole->len ? snprintf(coded, 32, "%zx\r\n", whole->len) : 0;
    size_t len = (size_t)head;
    memcpy(coded + len, whole->content, whole->len);
    len += whole->len;
    const char *tail = whole->len ? "\r\n0\r\n\r\n" : "0\r\n\r\n";
    memcpy(coded + len, tail, strlen(tail));
    len += strlen(tail);
    fw_chunked decoder = {0};
    MUST(fw_decode_chunked(&decoder, coded, &len) == 0 && len == whole->len);
    MUST(memcmp(coded, whole->content, len) == 0);
    free(coded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    fuzz_random random = fuzz_seed(data, size);
    outcome whole = decode_whole(bytes, size);
    check_same(&whole, feed(fw_decode_chunked, bytes, size, 1, &random));
    check_same(&whole, feed(fw_decode_chunked, bytes, size, 7, &random));
    check_same(&whole, feed(fw_decode_chunked, bytes, size, 100, &random));
    check_same(&whole, feed(portable_decode_chunked, bytes, size, 60, &random));
    check_coded_anew(&whole);
    if (whole.verdict >= 0)
        check_size_lines(bytes, size);
    free(whole.content);

    /* No decoder starts like this, but none may go astray on it either. */
    fw_chunked odd = {.state = (uint8_t)(size ? data[0] : 0), .digits = 3, .left = 9};
    char *copy = fuzz_copy(data, size);
    size_t len = size;
    (void)fw_decode_chunked(&odd, copy, &len);
    MUST(len <= size);
    free(copy);
    return 0;
}
