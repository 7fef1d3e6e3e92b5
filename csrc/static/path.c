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

bool fw__static_path_bad(const fw_static_path *path)
{
    return path->undecoded || path->len == 0 || path->text[0] != '/' || bad_segments(path);
}

static void decode(fw_static_path *path, fw_slice raw)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        if (c == '%') {
            if (raw.len - i < 3 || !fw_is(raw.at[i + 1], FW_HEX) || !fw_is(raw.at[i + 2], FW_HEX)) {
                path->undecoded = true;
            } else {
                c = (char)(fw_hex_value(raw.at[i + 1]) << 4 | fw_hex_value(raw.at[i + 2]));
                path->undecoded = path->undecoded || c == '/';
                i += 2;
            }
        }
        if (len == sizeof path->text - 1) {
            path->undecoded = true;
            break;
        }
        path->text[len++] = c;
    }
    path->len = len;
}

/* Most paths have no "%". */
void fw__static_path(fw_static_path *path, fw_slice raw)
{
    path->undecoded = false;
    path->len = raw.len;
    if (raw.len < sizeof path->text && !memchr(raw.at, '%', raw.len))
        memcpy(path->text, raw.at, raw.len);
    else
        decode(path, raw);
    path->text[path->len] = '\0';
}

bool fw__static_within(const fw_static_path *path, const char *prefix, size_t prefix_len)
{
    return path->len >= prefix_len && memcmp(path->text, prefix, prefix_len) == 0 &&
           (path->len == prefix_len ? prefix_len > 0 : path->text[prefix_len] == '/');
}
