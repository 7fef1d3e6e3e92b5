/* static/path.h -- which folder a request's path lies in, and which file of it is meant. Pure. */
#ifndef FAPWS_STATIC_PATH_H
#define FAPWS_STATIC_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "http/parser.h"

#define FW_STATIC_PATH 2048 /* bytes of a decoded path; a longer one is not found */

typedef struct {
    char text[FW_STATIC_PATH]; /* decoded, NUL-terminated */
    size_t len;
    bool undecoded; /* text is not what raw means, see fw__static_path() */
} fw_static_path;

/* Decodes a path. Undecoded is one that is too long, or has an encoded slash, or "%" without two digits. */
void fw__static_path(fw_static_path *path, fw_slice raw);
/* Whether no file may be looked for by it: undecoded, or with an empty segment but at its end, a segment that begins
 * with a dot (but ".well-known"), a backslash or a NUL. */
bool fw__static_path_bad(const fw_static_path *path);

/* Whether the path is prefix, or goes on behind it with a slash. prefix: "" or "/..." without slash at its end. */
bool fw__static_within(const fw_static_path *path, const char *prefix, size_t prefix_len);

#endif
