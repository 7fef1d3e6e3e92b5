/* http/chunked.c -- the chunked transfer coding, decoded where it stands.
 * Owns:   nothing; the state is the caller's, so a content may be split at any byte.
 * Called: conn.c.
 * Never:  keeps extensions or trailers: they are checked, counted and dropped (RFC 9112 7.1.1,
 *         7.1.2 allow both).
 *
 *   SIZE -> [PAD ->] [EXTENSION ->] SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *   SIZE_LF after the chunk of size 0 -> LINE -> NAME -> VALUE -> VALUE_LF -> LINE -> LAST_LF, done */
#include "http/chunked.h"

#include <stdbool.h>
#include <string.h>

#include "error.h"
#include "http/scan.h"

/* Bytes of extensions in a whole content. They mean nothing to anybody, so a content that is
 * mostly extensions is an attack on the reader's time, past what max_body_size sees. */
#define EXTENSIONS_MAX 16384

/* Bytes of the trailer section with its line ends: room for a signature and some checksums. */
#define TRAILER_MAX 8192

/* Digits of a chunk size; 16 are 64 bits, and none of them may set the highest bit. */
#define DIGITS_MAX 16

typedef enum {
    SIZE,
    PAD,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE,
    NAME,
    VALUE,
    VALUE_LF,
    LAST_LF,
    DONE
} state;

/* What is still to be read, and where content goes. */
typedef struct {
    const char *at;
    const char *end;
    char *out;
} reader;

static void go(fw_chunked *decoder, state next)
{
    decoder->state = (uint8_t)next;
}

static int expect(fw_chunked *decoder, reader *r, char byte, state next, int code)
{
    if (*r->at != byte)
        return code;
    r->at++;
    go(decoder, next);
    return 0;
}

/* ---- Size line ------------------------------------------------------------------------------- */

static int end_size(fw_chunked *decoder, reader *r)
{
    if (decoder->digits == 0)
        return FW_ECHUNK;
    switch (*r->at) {
    case '\r':
        go(decoder, SIZE_LF);
        r->at++;
        return 0;
    case ';': go(decoder, EXTENSION); return 0;
    case ' ':
    case '\t': go(decoder, PAD); return 0;
    default: return FW_ECHUNK;
    }
}

static int read_size(fw_chunked *decoder, reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (!fw_is(*r->at, FW_HEX))
            return end_size(decoder, r);
        if (decoder->digits == DIGITS_MAX || decoder->left > (uint64_t)INT64_MAX >> 4)
            return FW_ECHUNK;
        decoder->digits++;
        decoder->left = decoder->left << 4 | fw_hex_value(*r->at);
    }
    return 0;
}

static int count_extension(fw_chunked *decoder, reader *r, const char *stop)
{
    decoder->overhead += (uint64_t)(stop - r->at);
    r->at = stop;
    return decoder->overhead > EXTENSIONS_MAX ? FW_ECHUNK_OVERHEAD : 0;
}

/* BWS before ";": a recipient must read over it (RFC 9110 5.6.3). Only there: a size that just
 * ends in spaces is malformed. */
static int read_pad(fw_chunked *decoder, reader *r)
{
    const char *stop = r->at;
    while (stop < r->end && (*stop == ' ' || *stop == '\t'))
        stop++;
    int code = count_extension(decoder, r, stop);
    if (code != 0 || stop == r->end)
        return code;
    go(decoder, EXTENSION);
    return *stop == ';' ? 0 : FW_ECHUNK;
}

static int read_extension(fw_chunked *decoder, reader *r)
{
    const char *stop = fw_scan_value(r->at, r->end);
    int code = count_extension(decoder, r, stop);
    if (code != 0 || stop == r->end)
        return code;
    return expect(decoder, r, '\r', SIZE_LF, FW_ECHUNK);
}

static int read_size_lf(fw_chunked *decoder, reader *r)
{
    decoder->digits = 0;
    return expect(decoder, r, '\n', decoder->left == 0 ? LINE : DATA, FW_ECHUNK);
}

/* ---- Data ------------------------------------------------------------------------------------ */

static int read_data(fw_chunked *decoder, reader *r)
{
    size_t here = (size_t)(r->end - r->at);
    if (here > decoder->left)
        here = (size_t)decoder->left;
    memmove(r->out, r->at, here);
    r->out += here;
    r->at += here;
    decoder->left -= here;
    if (decoder->left == 0)
        go(decoder, DATA_CR);
    return 0;
}

/* ---- Trailer section: the head's rules for field lines --------------------------------------- */

static int count_trailer(fw_chunked *decoder, reader *r, const char *stop)
{
    if ((size_t)(stop - r->at) > TRAILER_MAX - decoder->trailer)
        return FW_ETRAILER_TOO_LARGE;
    decoder->trailer += (uint32_t)(stop - r->at);
    r->at = stop;
    return 0;
}

static int read_line(fw_chunked *decoder, reader *r)
{
    if (*r->at == '\r')
        return expect(decoder, r, '\r', LAST_LF, 0);
    if (!fw_is(*r->at, FW_TOKEN))
        return FW_ETRAILER;
    go(decoder, NAME);
    return 0;
}

static int read_name(fw_chunked *decoder, reader *r)
{
    const char *stop = fw_scan_token(r->at, r->end);
    int code = count_trailer(decoder, r, stop);
    if (code != 0 || stop == r->end)
        return code;
    return expect(decoder, r, ':', VALUE, FW_ETRAILER);
}

static int read_value(fw_chunked *decoder, reader *r)
{
    const char *stop = fw_scan_value(r->at, r->end);
    int code = count_trailer(decoder, r, stop);
    if (code != 0 || stop == r->end)
        return code;
    return expect(decoder, r, '\r', VALUE_LF, FW_ETRAILER);
}

/* The colon and the line end are counted here, together. */
static int read_value_lf(fw_chunked *decoder, reader *r)
{
    if (decoder->trailer > TRAILER_MAX - 3)
        return FW_ETRAILER_TOO_LARGE;
    decoder->trailer += 3;
    return expect(decoder, r, '\n', LINE, FW_ETRAILER);
}

/* ---------------------------------------------------------------------------------------------- */

#define STOP 1 /* the content is complete; what follows belongs to somebody else */

static int step(fw_chunked *decoder, reader *r)
{
    switch ((state)decoder->state) {
    case SIZE: return read_size(decoder, r);
    case PAD: return read_pad(decoder, r);
    case EXTENSION: return read_extension(decoder, r);
    case SIZE_LF: return read_size_lf(decoder, r);
    case DATA: return read_data(decoder, r);
    case DATA_CR: return expect(decoder, r, '\r', DATA_LF, FW_ECHUNK);
    case DATA_LF: return expect(decoder, r, '\n', SIZE, FW_ECHUNK);
    case LINE: return read_line(decoder, r);
    case NAME: return read_name(decoder, r);
    case VALUE: return read_value(decoder, r);
    case VALUE_LF: return read_value_lf(decoder, r);
    case LAST_LF: return expect(decoder, r, '\n', DONE, FW_ETRAILER);
    case DONE: return STOP;
    }
    return FW_ECHUNK; /* was not zeroed at its start */
}

int64_t fw_decode_chunked(fw_chunked *decoder, char *buf, size_t *len)
{
    reader r = {buf, buf + *len, buf};
    int code = 0;
    while (code == 0 && r.at < r.end)
        code = step(decoder, &r);
    *len = (size_t)(r.out - buf);
    if (code < 0)
        return code;
    return decoder->state == DONE ? r.end - r.at : FW_MORE;
}
