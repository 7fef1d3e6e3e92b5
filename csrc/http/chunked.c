/* http/chunked.c -- the chunked transfer coding, decoded where it stands.
 * Owns:   nothing; the state is the caller's, so a content may be split at any byte.
 * Never:  keeps extensions or trailers: they are checked, counted and dropped (RFC 9112 7.1.1,
 *         7.1.2 allow both).
 *
 *   SIZE -> [extensions ->] SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *   SIZE_LF after the chunk of size 0 -> LINE -> NAME -> VALUE -> VALUE_LF -> LINE -> LAST_LF, done
 *   extensions: EXT_NEXT ";" EXT_BEGIN token EXT_NAME [EXT_EQUALS "=" EXT_VALUE, and then EXT_TOKEN or
 *   EXT_QUOTED with EXT_ESCAPED], EXT_NEXT or SIZE_LF. */
#include "http/chunked.h"

#include <stdbool.h>
#include <string.h>

#include "error.h"
#include "http/scan.h"

/* Bytes of extensions in a whole content. No application sees them, so a content that is
 * mostly extensions is an attack on the reader's time, past what max_body_size sees. */
#define EXTENSIONS_MAX 16384

/* Bytes of the trailer section with its line ends: room for a signature and some checksums. */
#define TRAILER_MAX 8192

/* Digits of a chunk size; 16 are 64 bits, and none of them may set the highest bit. */
#define DIGITS_MAX 16

typedef enum {
    SIZE,
    EXT_NEXT,    /* BWS, and ";" must follow */
    EXT_BEGIN,   /* BWS, and a name must follow */
    EXT_NAME,    /* within a name */
    EXT_EQUALS,  /* BWS after a name: "=" or ";" must follow */
    EXT_VALUE,   /* BWS, and a value must follow */
    EXT_TOKEN,   /* within a value that is a token */
    EXT_QUOTED,  /* within a quoted string */
    EXT_ESCAPED, /* behind its backslash */
    EXT_CLOSED,  /* behind its end */
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
    case ';':
    case ' ':
    case '\t': go(decoder, EXT_NEXT); return 0;
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

static int take_extension_byte(fw_chunked *decoder, reader *r, state next)
{
    go(decoder, next);
    return count_extension(decoder, r, r->at + 1);
}

/* chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ): RFC 9112 7.1.1.
 *
 * BWS: a recipient must read over it (RFC 9110 5.6.3), where the grammar has it. A line that just ends
 * in spaces is malformed. *more: a byte that is none comes next. */
static int skip_bws(fw_chunked *decoder, reader *r, bool *more)
{
    const char *stop = r->at;
    while (stop < r->end && (*stop == ' ' || *stop == '\t'))
        stop++;
    *more = stop < r->end;
    return count_extension(decoder, r, stop);
}

static int read_ext_next(fw_chunked *decoder, reader *r)
{
    bool more;
    int code = skip_bws(decoder, r, &more);
    if (code != 0 || !more)
        return code;
    return *r->at == ';' ? take_extension_byte(decoder, r, EXT_BEGIN) : FW_ECHUNK;
}

static int read_ext_equals(fw_chunked *decoder, reader *r)
{
    bool more;
    int code = skip_bws(decoder, r, &more);
    if (code != 0 || !more)
        return code;
    if (*r->at == '=')
        return take_extension_byte(decoder, r, EXT_VALUE);
    return *r->at == ';' ? take_extension_byte(decoder, r, EXT_BEGIN) : FW_ECHUNK;
}

static int read_ext_begin(fw_chunked *decoder, reader *r)
{
    bool more;
    int code = skip_bws(decoder, r, &more);
    if (code != 0 || !more)
        return code;
    go(decoder, EXT_NAME);
    return fw_is(*r->at, FW_TOKEN) ? 0 : FW_ECHUNK;
}

static int read_ext_value(fw_chunked *decoder, reader *r)
{
    bool more;
    int code = skip_bws(decoder, r, &more);
    if (code != 0 || !more)
        return code;
    if (*r->at == '"')
        return take_extension_byte(decoder, r, EXT_QUOTED);
    go(decoder, EXT_TOKEN);
    return fw_is(*r->at, FW_TOKEN) ? 0 : FW_ECHUNK;
}

/* What may stand behind a whole name or value. */
static int end_extension(fw_chunked *decoder, reader *r, state padded)
{
    switch (*r->at) {
    case '\r': return expect(decoder, r, '\r', SIZE_LF, 0);
    case ';':
    case ' ':
    case '\t': go(decoder, padded); return 0;
    case '=': go(decoder, padded); return padded == EXT_EQUALS ? 0 : FW_ECHUNK;
    default: return FW_ECHUNK;
    }
}

/* padded: what comes when the token has ended, but not the line. */
static int read_ext_token(fw_chunked *decoder, reader *r, state padded)
{
    int code = count_extension(decoder, r, fw_scan_token(r->at, r->end));
    if (code != 0 || r->at == r->end)
        return code;
    return end_extension(decoder, r, padded);
}

static int read_ext_quoted(fw_chunked *decoder, reader *r)
{
    const char *stop = r->at;
    while (stop < r->end && fw_is(*stop, FW_VALUE) && *stop != '"' && *stop != '\\')
        stop++;
    int code = count_extension(decoder, r, stop);
    if (code != 0 || stop == r->end)
        return code;
    if (*stop == '"')
        return take_extension_byte(decoder, r, EXT_CLOSED);
    return *stop == '\\' ? take_extension_byte(decoder, r, EXT_ESCAPED) : FW_ECHUNK;
}

static int read_ext_escaped(fw_chunked *decoder, reader *r)
{
    return fw_is(*r->at, FW_VALUE) ? take_extension_byte(decoder, r, EXT_QUOTED) : FW_ECHUNK;
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

#define STOP 1 /* the content is complete; what follows is not part of it */

static int step(fw_chunked *decoder, reader *r)
{
    switch ((state)decoder->state) {
    case SIZE: return read_size(decoder, r);
    case EXT_NEXT: return read_ext_next(decoder, r);
    case EXT_BEGIN: return read_ext_begin(decoder, r);
    case EXT_NAME: return read_ext_token(decoder, r, EXT_EQUALS);
    case EXT_EQUALS: return read_ext_equals(decoder, r);
    case EXT_VALUE: return read_ext_value(decoder, r);
    case EXT_TOKEN: return read_ext_token(decoder, r, EXT_NEXT);
    case EXT_QUOTED: return read_ext_quoted(decoder, r);
    case EXT_ESCAPED: return read_ext_escaped(decoder, r);
    case EXT_CLOSED: return end_extension(decoder, r, EXT_NEXT);
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
