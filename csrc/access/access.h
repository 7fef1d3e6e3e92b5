/* access/access.h -- what the two files of the access log share; private to them.
 * log.c knows the format and remembers requests, line.c writes their lines. */
#ifndef FAPWS_ACCESS_H
#define FAPWS_ACCESS_H

#include <time.h>

#include "access/log.h"
#include "access/writer.h"
#include "base/buffer.h"
#include "fapws.h"

#define FW_ACCESS_VALUE 8192u /* bytes of a value that are kept, and that are written */

#define FW_ACCESS_EXCESS                                                                           \
    12u /* bytes that a value may take beyond its share: an escape and a mark */

typedef struct {
    uint32_t at;  /* in access->text */
    uint16_t len; /* at most FW_ACCESS_VALUE */
    bool cut;     /* there was more */
} fw_span;

struct fw_access {
    fw_access *next; /* in the list of free ones */
    uint64_t began;  /* ns, uv_hrtime() */
    uint64_t sent;   /* bytes given to the kernel or kept for it */
    uint64_t head;   /* bytes among them that are no content */
    int status;      /* 0: none was said yet */
    int minor;       /* -1: the request line could not be read */
    bool cut;        /* the response is not whole */
    fw_span method;  /* holds an unreadable request line as it came */
    fw_span target;
    fw_span host;
    fw_span client; /* as a trusted proxy named it; empty: only the peer is known */
    fw_span name;   /* of the request, if requests have names */
    fw_buffer text;
    fw_span fields[]; /* as many as the format names */
};

typedef struct {
    char what;
    char how;
    uint8_t field; /* 'F', 'U': which of the fields */
    fw_slice text; /* in program */
} fw_access_part;

struct fw_access_log {
    fw_log_writer *writer; /* NULL: off, only the format is known */
    char *program;
    fw_access_part parts[FW_ACCESS_PARTS_MAX];
    size_t part_count;
    fw_slice fields[FW_ACCESS_FIELDS_MAX]; /* names in lower case, in program */
    size_t field_count;
    fw_access *free;
    unsigned free_count;
    size_t value_max; /* bytes that one value may take of a line */
    fw_buffer line;
    time_t second; /* of the texts below */
    char local[32];
    char iso[32];
};

/* line.c: one line to the log's writer. peer: "address\nport". */
void fw__access_write(fw_access_log *log, const fw_access *access, fw_slice peer);

#endif
