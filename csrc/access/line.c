/* access/line.c -- the text of one line of the access log.
 * Owns:   the log's line and clock.
 * Never:  lets a byte of the client through that could end a line or a field. */
#include "access/access.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "http/date.h"

#define ESCAPE_MAX 6u
#define PEER_MAX 64u  /* bytes of an address; it is the core's own text */
#define USER_MAX 256u /* bytes of a user's name that are written; the rest is cut off */

static bool is_harmless(unsigned char byte, char how)
{
    if (byte < ' ' || byte == '"' || byte == '\\' || byte >= 0x7f)
        return false;
    return how != 'n' || !(byte == ' ' || byte == ',' || byte == ';' || byte == '|');
}

/* The escape sequence of a byte, at most ESCAPE_MAX bytes; where it ends. Bytes above ASCII too: what they
 * mean to a terminal or a reader of JSON is not known. */
static char *escape(unsigned char byte, char how, char *out)
{
    static const char hex[] = "0123456789abcdef";
    *out++ = '\\';
    if (how == 'j' && (byte == '"' || byte == '\\')) {
        *out++ = (char)byte;
        return out;
    }
    if (how == 'j') {
        memcpy(out, "u00", 3);
        out += 3;
    } else {
        *out++ = 'x';
    }
    *out++ = hex[byte >> 4];
    *out++ = hex[byte & 15];
    return out;
}

/* Says that a value was longer. A client cannot write it: its backslashes are escaped, and no byte of
 * its becomes a code point above 255. */
static char *mark_cut(char *out, char how)
{
    const char *mark = how == 'j' ? "\\u2026" : "\\...";
    size_t len = strlen(mark);
    memcpy(out, mark, len);
    return out + len;
}

/* About max bytes at most, see FW_ACCESS_EXCESS. cut: there was more than these bytes. */
static void put_escaped(fw_buffer *line, size_t max, const char *bytes, size_t len, bool cut,
                        char how)
{
    size_t room = len < max / ESCAPE_MAX ? len * ESCAPE_MAX : max;
    char *out = fw_buffer_reserve(line, room + FW_ACCESS_EXCESS);
    if (!out)
        return;
    const char *full = out + max;
    size_t i = 0;
    while (i < len && out < full) {
        unsigned char byte = (unsigned char)bytes[i++];
        if (is_harmless(byte, how))
            *out++ = (char)byte;
        else
            out = escape(byte, how, out);
    }
    if (cut || i < len)
        out = mark_cut(out, how);
    line->end = (size_t)(out - line->data);
}

static void put_text(fw_buffer *line, const char *text, size_t len)
{
    (void)fw_buffer_append(line, text, len); /* without memory the line is shorter */
}

/* A missing value is written as "-"; in JSON nothing is written for it. */
static void put_value(fw_buffer *line, size_t max, const fw_access *access, fw_span value, char how)
{
    if (value.len)
        put_escaped(line, max, access->text.data + value.at, value.len, value.cut, how);
    else if (how != 'j')
        put_text(line, "-", 1);
}

static int base64_value(char letter)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = letter ? strchr(letters, letter) : NULL;
    return found ? (int)(found - letters) : -1;
}

/* The name in credentials of the Basic scheme (RFC 7617 2): what stands before the colon. The password
 * is not decoded. Empty: they are others, or malformed. */
static size_t basic_user(const char *value, size_t len, char user[USER_MAX], bool *cut)
{
    static const char scheme[] = "basic ";
    size_t at = sizeof scheme - 1, count = 0;
    if (len < at || strncasecmp(value, scheme, at) != 0)
        return 0;
    while (at < len && value[at] == ' ')
        at++;
    unsigned bits = 0, held = 0;
    for (; at < len; at++) {
        int six = base64_value(value[at]);
        if (six < 0)
            return 0;
        bits = (bits << 6 | (unsigned)six) & 0xfff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        char byte = (char)(bits >> held & 0xff);
        *cut = byte != ':' && count == USER_MAX;
        if (byte == ':' || *cut)
            return count;
        user[count++] = byte;
    }
    return 0;
}

static void put_user(fw_buffer *line, size_t max, const fw_access *access, fw_span value, char how)
{
    char user[USER_MAX];
    const char *text = access->text.data + value.at;
    bool cut = false;
    size_t len = value.len ? basic_user(text, value.len, user, &cut) : 0;
    if (len)
        put_escaped(line, max, user, len, cut, how);
    else if (how != 'j')
        put_text(line, "-", 1);
}

static void put_number(fw_buffer *line, uint64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    put_text(line, digits, (size_t)len);
}

static void put_milliseconds(fw_buffer *line, uint64_t ms)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%llu.%03u", (unsigned long long)(ms / 1000),
                       (unsigned)(ms % 1000));
    put_text(line, digits, (size_t)len);
}

static void put_version(fw_buffer *line, const fw_access *access)
{
    put_text(line, access->minor ? "HTTP/1.1" : "HTTP/1.0", 8);
}

static void put_request(fw_buffer *line, size_t max, const fw_access *access, char how)
{
    put_value(line, max, access, access->method, how);
    if (access->minor < 0)
        return;
    const char *space = how == 'n' ? "\\x20" : " ";
    put_text(line, space, strlen(space));
    put_value(line, max, access, access->target, how);
    put_text(line, space, strlen(space));
    put_version(line, access);
}

static void put_peer(fw_buffer *line, fw_slice peer, bool port, char how)
{
    const char *feed = memchr(peer.at, '\n', peer.len);
    fw_slice text = {peer.at, feed ? (size_t)(feed - peer.at) : peer.len};
    if (port && feed) {
        text.at = feed + 1;
        text.len = peer.len - text.len - 1;
    }
    if (text.len)
        put_escaped(line, PEER_MAX, text.at, text.len, false, how);
    else if (!port)
        put_text(line, "unix:", 5);
    else if (how != 'j')
        put_text(line, "-", 1);
}

static void put_client(fw_buffer *line, size_t max, const fw_access *access, fw_slice peer,
                       char how)
{
    if (access->client.len)
        put_value(line, max, access, access->client, how);
    else
        put_peer(line, peer, false, how);
}

static void refresh_clock(fw_access_log *log, time_t now)
{
    struct tm tm;
    if (now == log->second || !localtime_r(&now, &tm))
        return;
    log->second = now;
    long minutes = tm.tm_gmtoff / 60;
    char sign = minutes < 0 ? '-' : '+';
    unsigned east = (unsigned)(minutes < 0 ? -minutes : minutes);
    unsigned year = (unsigned)(tm.tm_year + 1900) % 10000;
    (void)snprintf(log->local, sizeof log->local, "%02u/%s/%04u:%02u:%02u:%02u %c%02u%02u",
                   (unsigned)tm.tm_mday % 100, fw_month_names[tm.tm_mon], year,
                   (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
                   sign, east / 60 % 100, east % 60);
    (void)snprintf(log->iso, sizeof log->iso, "%04u-%02u-%02uT%02u:%02u:%02u%c%02u:%02u", year,
                   (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
                   (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
                   sign, east / 60 % 100, east % 60);
}

static uint64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void put_part(const fw_access_log *log, fw_buffer *line, const fw_access *access,
                     fw_slice peer, const fw_access_part *now, uint64_t wall)
{
    size_t max = log->value_max;
    switch (now->what) {
    case 'L': put_text(line, now->text.at, now->text.len); break;
    case 'F': put_value(line, max, access, access->fields[now->field], now->how); break;
    case 'U': put_user(line, max, access, access->fields[now->field], now->how); break;
    case 'a': put_peer(line, peer, false, now->how); break;
    case 'p': put_peer(line, peer, true, now->how); break;
    case 'C': put_client(line, max, access, peer, now->how); break;
    case 'h': put_value(line, max, access, access->host, now->how); break;
    case 'I': put_value(line, max, access, access->name, now->how); break;
    case 't': put_text(line, log->local, strlen(log->local)); break;
    case 'i': put_text(line, log->iso, strlen(log->iso)); break;
    case 'e': put_milliseconds(line, wall); break;
    case 'r': put_request(line, max, access, now->how); break;
    case 'm': put_value(line, max, access, access->method, now->how); break;
    case 'u': put_value(line, max, access, access->target, now->how); break;
    case 'v':
        if (access->minor >= 0)
            put_version(line, access);
        else if (now->how != 'j')
            put_text(line, "-", 1);
        break;
    case 's': put_number(line, (uint64_t)access->status); break;
    case 'b':
        put_number(line, access->sent > access->head ? access->sent - access->head : 0);
        break;
    case 'B': put_number(line, access->sent); break;
    case 'd': put_milliseconds(line, (uv_hrtime() - access->began) / 1000000); break;
    case 'c': put_text(line, access->cut ? "cut" : "whole", access->cut ? 3 : 5); break;
    case 'P': put_number(line, (uint64_t)getpid()); break;
    default: break; /* read_program() lets no other through */
    }
}

/* Only a format with very long texts or very many values comes here. */
static void cut_line(fw_buffer *line)
{
    static const char end[] = "\\...\n";
    line->end = line->start + FW_LOG_BLOCK - (sizeof end - 1);
    put_text(line, end, sizeof end - 1);
}

void fw__access_write(fw_access_log *log, const fw_access *access, fw_slice peer)
{
    uint64_t wall = wall_ms();
    refresh_clock(log, (time_t)(wall / 1000));
    log->line.start = log->line.end = 0;
    for (size_t i = 0; i < log->part_count; i++)
        put_part(log, &log->line, access, peer, &log->parts[i], wall);
    put_text(&log->line, "\n", 1);
    if (fw_buffer_len(&log->line) > FW_LOG_BLOCK)
        cut_line(&log->line);
    if (fw_buffer_len(&log->line))
        fw_log_writer_add(log->writer, fw_buffer_at(&log->line), fw_buffer_len(&log->line));
    if (log->line.size > FW_LOG_BLOCK)
        fw_buffer_clear(&log->line);
}
