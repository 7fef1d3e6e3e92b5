/* static/path.c -- see path.h. */
#include "static/path.h"

#include <string.h>

#include "http/scan.h"

static bool bad_segment(const char *at, size_t len, bool last)
{
    static const char known[] = ".well-known"; /* RFC 8615 */
    if (len == 0)
        return !last;
    if (at[0] == '.')
        return len != sizeof known - 1 || memcmp(at, known, len) != 0;
    return memchr(at, '\\', len) || memchr(at, '\0', len);
}

static bool bad_segments(const fw_static_path *path)
{
    const char *at = path->text + 1;
    const char *end = path->text + path->len;
    for (;;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        if (bad_segment(at, (size_t)(stop - at), !slash))
            return true;
        if (!slash)
            return false;
        at = slash + 1;
    }
}

void fw__static_path(fw_static_path *path, fw_slice raw)
{
    path->len = 0;
    path->bad = false;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        if (path->len == sizeof path->text - 1) {
            path->bad = true;
            break;
        }
        if (c == '%') {
            if (raw.len - i < 3 || !fw_is(raw.at[i + 1], FW_HEX) || !fw_is(raw.at[i + 2], FW_HEX)) {
                path->bad = true;
            } else {
                c = (char)(fw_hex_value(raw.at[i + 1]) << 4 | fw_hex_value(raw.at[i + 2]));
                path->bad = path->bad || c == '/';
                i += 2;
            }
        }
        path->text[path->len++] = c;
    }
    path->text[path->len] = '\0';
    path->bad = path->bad || path->len == 0 || path->text[0] != '/' || bad_segments(path);
}

bool fw__static_within(const fw_static_path *path, const char *prefix, size_t prefix_len)
{
    return path->len >= prefix_len && memcmp(path->text, prefix, prefix_len) == 0 &&
           (path->len == prefix_len ? prefix_len > 0 : path->text[prefix_len] == '/');
}
