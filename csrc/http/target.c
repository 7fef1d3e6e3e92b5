/* http/target.c -- the forms of a request target (RFC 9112 3.2), its host, and percent-decoding.
 * Owns:   nothing.
 * Never:  normalises: what a client wrote is what the application reads. */
#include <string.h>

#include "http/head.h"
#include "http/scan.h"

static bool equals(fw_slice slice, const char *text, size_t len)
{
    return slice.len == len && memcmp(slice.at, text, len) == 0;
}

/* rest begins with the path and holds the query. */
static void split_path(fw_head *head, fw_slice rest)
{
    const char *mark = memchr(rest.at, '?', rest.len);
    if (mark == NULL) {
        head->path = rest;
        return;
    }
    size_t path_len = (size_t)(mark - rest.at);
    head->path = (fw_slice){rest.at, path_len};
    head->query = (fw_slice){mark + 1, rest.len - path_len - 1};
}

static size_t scheme_len(fw_slice target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (target.len >= len && fw_slice_is((fw_slice){target.at, len}, schemes[i], len))
            return len;
    }
    return 0;
}

/* http and https with a host (RFC 9110 4.2.1: an empty one is invalid) and without userinfo, which
 * fw_valid_host refuses with its "@" (RFC 9110 4.2.4: it is there to deceive). */
static int read_absolute(fw_head *head)
{
    fw_slice target = head->target;
    size_t scheme = scheme_len(target);
    if (scheme == 0)
        return FW_ETARGET;
    const char *authority = target.at + scheme;
    size_t left = target.len - scheme;
    size_t len = 0;
    while (len < left && authority[len] != '/' && authority[len] != '?')
        len++;
    head->authority = (fw_slice){authority, len};
    if (!fw_valid_host(head->authority))
        return FW_ETARGET;
    split_path(head, (fw_slice){authority + len, left - len});
    if (head->path.len == 0)
        head->path = (fw_slice){authority - 1, 1}; /* an empty path is "/": there is one in "//" */
    return 0;
}

int fw__read_target(fw_head *head)
{
    fw_slice target = head->target;
    head->authority = (fw_slice){target.at, 0};
    head->query = (fw_slice){target.at + target.len, 0};
    if (equals(head->method, "CONNECT", 7))
        return FW_ECONNECT;
    if (target.at[0] == '/') {
        split_path(head, target);
        return 0;
    }
    if (!equals(target, "*", 1))
        return read_absolute(head);
    if (!equals(head->method, "OPTIONS", 7))
        return FW_ETARGET;
    head->path = target;
    return 0;
}

/* ---- host[:port] ----------------------------------------------------------------------------- */

/* dec-octet, RFC 3986 3.2.2: no leading zero, which some read as octal. Returns bytes used or 0. */
static size_t match_octet(fw_slice in)
{
    unsigned value = 0;
    size_t len = 0;
    while (len < in.len && len < 3 && fw_is(in.at[len], FW_DIGIT))
        value = value * 10 + (unsigned)(in.at[len++] - '0');
    if (len == 0 || value > 255 || (len > 1 && in.at[0] == '0'))
        return 0;
    return len;
}

static bool is_ipv4(fw_slice in)
{
    for (int octet = 0; octet < 4; octet++) {
        if (octet > 0) {
            if (in.len == 0 || in.at[0] != '.')
                return false;
            in = (fw_slice){in.at + 1, in.len - 1};
        }
        size_t used = match_octet(in);
        if (used == 0)
            return false;
        in = (fw_slice){in.at + used, in.len - used};
    }
    return in.len == 0;
}

/* IPv6address of RFC 3986 3.2.2: eight groups of 1 to 4 hex digits, one "::" for at least one of
 * them, the last two perhaps an IPv4 address. No zone. */
static bool is_ipv6(fw_slice in)
{
    const char *at = in.at;
    const char *end = at + in.len;
    int groups = 0;
    bool gap = false;

    if (in.len >= 2 && at[0] == ':' && at[1] == ':') {
        gap = true;
        at += 2;
    }
    while (at < end) {
        const char *stop = fw_scan_class(at, end - at > 4 ? at + 4 : end, FW_HEX);
        if (stop < end && *stop == '.') {
            if (!is_ipv4((fw_slice){at, (size_t)(end - at)}))
                return false;
            groups += 2;
            break;
        }
        if (stop == at)
            return false;
        groups++;
        at = stop;
        if (at == end)
            break;
        if (*at++ != ':' || at == end)
            return false;
        if (*at == ':') {
            if (gap)
                return false;
            gap = true;
            at++;
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

/* RFC 3986 reg-name; an IPv4 address is one by its bytes. A comma is refused, though it is a
 * sub-delim: it is what joining two Host fields leaves. */
static size_t match_reg_name(fw_slice in)
{
    size_t len = 0;
    for (;;) {
        if (len < in.len && fw_is(in.at[len], FW_NAME))
            len++;
        else if (in.len - len >= 3 && in.at[len] == '%' && fw_is(in.at[len + 1], FW_HEX) &&
                 fw_is(in.at[len + 2], FW_HEX))
            len += 3;
        else
            return len;
    }
}

/* RFC 3986 3.2.2: "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ); no comma here either. */
static bool is_future(fw_slice in)
{
    const char *end = in.at + in.len;
    if (in.len == 0 || (in.at[0] | 0x20) != 'v')
        return false;
    const char *dot = fw_scan_class(in.at + 1, end, FW_HEX);
    if (dot == in.at + 1 || dot == end || *dot != '.' || dot + 1 == end)
        return false;
    const char *at = dot + 1;
    while (at < end && (*at == ':' || fw_is(*at, FW_NAME)))
        at++;
    return at == end;
}

static size_t match_bracketed(fw_slice in)
{
    const char *close = memchr(in.at, ']', in.len);
    if (close == NULL)
        return 0;
    size_t len = (size_t)(close - in.at) + 1;
    fw_slice literal = {in.at + 1, len - 2};
    return is_ipv6(literal) || is_future(literal) ? len : 0;
}

/* Nothing, or ":" and up to five digits; RFC 3986 3.2.3 lets the digits be missing. */
static bool is_port(fw_slice in)
{
    unsigned value = 0;
    if (in.len == 0)
        return true;
    if (in.at[0] != ':' || in.len > sizeof ":65535" - 1)
        return false;
    for (size_t i = 1; i < in.len; i++) {
        if (!fw_is(in.at[i], FW_DIGIT))
            return false;
        value = value * 10 + (unsigned)(in.at[i] - '0');
    }
    return value <= 65535;
}

bool fw_valid_host(fw_slice host)
{
    if (host.len == 0)
        return false;
    size_t used = host.at[0] == '[' ? match_bracketed(host) : match_reg_name(host);
    return used > 0 && is_port((fw_slice){host.at + used, host.len - used});
}

/* ---- percent-decoding ------------------------------------------------------------------------ */

size_t fw_percent_decode(fw_slice in, char *out, bool *has_lf)
{
    size_t done = 0;
    size_t at = 0;
    while (at < in.len) {
        const char *mark = memchr(in.at + at, '%', in.len - at);
        size_t plain = mark == NULL ? in.len - at : (size_t)(mark - in.at) - at;
        memmove(out + done, in.at + at, plain);
        done += plain;
        at += plain;
        if (mark == NULL)
            break;
        if (in.len - at >= 3 && fw_is(mark[1], FW_HEX) && fw_is(mark[2], FW_HEX)) {
            out[done++] = (char)(fw_hex_value(mark[1]) << 4 | fw_hex_value(mark[2]));
            at += 3;
        } else {
            out[done++] = '%';
            at++;
        }
    }
    *has_lf = done > 0 && memchr(out, '\n', done) != NULL;
    return done;
}
