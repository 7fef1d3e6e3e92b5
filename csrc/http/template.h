/* http/template.h -- a field section that was read before, for clients that send nearly the same again. */
#ifndef FAPWS_TEMPLATE_H
#define FAPWS_TEMPLATE_H

#include <stdint.h>

#include "http/parser.h"

#define FW_TEMPLATE_LINES 32   /* a section with more is not kept */
#define FW_TEMPLATE_BYTES 1536 /* the same; a browser's has 500 to 1,000 */
#define FW_METHOD_NOTED 8      /* bytes; nothing is noted for a longer method */

typedef struct {
    uint16_t start; /* where it stands in bytes */
    uint16_t kept; /* bytes that stand there: with CR LF, or up to the value if any value will do */
    uint16_t prefix; /* up to the value: name, ":" and white space */
    uint16_t name_len;
    uint16_t value_len;
    bool steers; /* another value might change what is done with the connection */
} fw_template_line;

/* What a caller has found out of a head with these names, for the next one. It sees to it that nothing but names,
 * version and what stands here decided about it; another template begins without. */
typedef struct {
    uint64_t serial; /* of the shape (batch/shapes.h); 0: nothing is noted */
    int number;      /* of the shape */
    int listener;
    bool nameless;
    uint8_t method_len;
    char method[FW_METHOD_NOTED];
} fw_template_note;

typedef struct fw_template {
    unsigned count; /* 0: nothing is known */
    int minor;
    int host;
    bool keep_alive;
    fw_template_note note;
    fw_template_line lines[FW_TEMPLATE_LINES];
    char bytes[FW_TEMPLATE_BYTES];
} fw_template;

/* fw_parse_head() with its results, faster where the fields are those of the template with at most other values;
 * otherwise the template becomes these. known NULL: without one. */
int64_t fw_parse_head_like(const char *buf, size_t len, size_t seen, const fw_head_limits *limits,
                           fw_head *head, fw_template *known);

#endif
