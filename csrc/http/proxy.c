/* http/proxy.c -- see proxy.h. */
#include "http/proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "error.h"

#define LINE_MAX_V1 107    /* bytes with CRLF, section 2.1 */
#define HEAD_V2 16         /* signature, version and command, family, length */
#define FAMILY_MAX_V2 3    /* UNSPEC, INET, INET6, UNIX */
#define TRANSPORT_MAX_V2 2 /* UNSPEC, STREAM, DGRAM */

static const char signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

/* ---- Version 1: a line of text ------------------------------------------------------------------- */

typedef struct {
    const char *at;
    size_t len;
} word;

/* The words between single spaces; false if there are not exactly count of them. */
static bool split_words(const char *at, const char *end, word *words, int count)
{
    for (int i = 0; i < count; i++) {
        const char *stop = at;
        while (stop < end && *stop != ' ')
            stop++;
        words[i].at = at;
        words[i].len = (size_t)(stop - at);
        if (words[i].len == 0 || (stop == end) != (i == count - 1))
            return false;
        at = stop + 1;
    }
    return true;
}

static bool parse_port(word text, uint16_t *port)
{
    unsigned value = 0;
    if (text.len > 5 || (text.len > 1 && text.at[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= 65535;
}

static bool parse_address(word text, int family, unsigned char *address)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len >= sizeof copy || memchr(text.at, 0, text.len))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return inet_pton(family == 4 ? AF_INET : AF_INET6, copy, address) == 1;
}

/* line: what stands behind "PROXY ", without CRLF. */
static bool parse_line(const char *line, const char *end, fw_proxy *proxy)
{
    word words[5];
    unsigned char destination[16];
    uint16_t destination_port;
    if (end - line >= 7 && memcmp(line, "UNKNOWN", 7) == 0 && (end - line == 7 || line[7] == ' '))
        return true; /* the rest of such a line is to be ignored */
    if (!split_words(line, end, words, 5) || words[0].len != 4)
        return false;
    if (memcmp(words[0].at, "TCP4", 4) == 0)
        proxy->family = 4;
    else if (memcmp(words[0].at, "TCP6", 4) == 0)
        proxy->family = 6;
    else
        return false;
    return parse_address(words[1], proxy->family, proxy->address) &&
           parse_address(words[2], proxy->family, destination) &&
           parse_port(words[3], &proxy->port) && parse_port(words[4], &destination_port);
}

static int64_t parse_v1(const char *buf, size_t len, fw_proxy *proxy)
{
    size_t limit = len < LINE_MAX_V1 ? len : LINE_MAX_V1;
    const char *stop = memchr(buf, '\n', limit);
    if (!stop)
        return len >= LINE_MAX_V1 ? FW_EPROXY : FW_MORE;
    if (stop - buf < 6 || stop[-1] != '\r' || !parse_line(buf + 6, stop - 1, proxy))
        return FW_EPROXY;
    return stop + 1 - buf;
}

/* ---- Version 2: binary ----------------------------------------------------------------------------- */

static int64_t parse_v2(const char *buf, size_t len, fw_proxy *proxy)
{
    if (len < HEAD_V2)
        return FW_MORE;
    const unsigned char *bytes = (const unsigned char *)buf;
    unsigned version = bytes[12] >> 4, command = bytes[12] & 0xf, transport = bytes[13];
    size_t size = (size_t)bytes[14] << 8 | bytes[15];
    if (version != 2 || command > 1 || size + HEAD_V2 > FW_PROXY_MAX)
        return FW_EPROXY;
    /* Unassigned values "must be rejected as invalid"; LOCAL's are ignored (section 2.2). */
    if (command == 1 && (transport >> 4 > FAMILY_MAX_V2 || (transport & 0xf) > TRANSPORT_MAX_V2))
        return FW_EPROXY;
    size_t addresses = transport == 0x11 ? 12 : transport == 0x21 ? 36 : 0;
    if (command == 1 && size < addresses)
        return FW_EPROXY;
    if (len < HEAD_V2 + size)
        return FW_MORE;
    if (command == 1 && addresses) {
        /* Source address, destination address, source port, destination port. */
        size_t address = addresses == 12 ? 4 : 16;
        const unsigned char *port = bytes + HEAD_V2 + 2 * address;
        proxy->family = addresses == 12 ? 4 : 6;
        memcpy(proxy->address, bytes + HEAD_V2, address);
        proxy->port = (uint16_t)(port[0] << 8 | port[1]);
    }
    return (int64_t)(HEAD_V2 + size);
}

int64_t fw_parse_proxy(const char *buf, size_t len, fw_proxy *proxy)
{
    memset(proxy, 0, sizeof *proxy);
    size_t v2 = len < sizeof signature ? len : sizeof signature;
    size_t v1 = len < 6 ? len : 6;
    if (len == 0)
        return FW_MORE;
    if (memcmp(buf, signature, v2) == 0)
        return v2 < sizeof signature ? FW_MORE : parse_v2(buf, len, proxy);
    if (memcmp(buf, "PROXY ", v1) == 0)
        return v1 < 6 ? FW_MORE : parse_v1(buf, len, proxy);
    return FW_EPROXY;
}
