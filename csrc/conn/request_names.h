/* conn/request_names.h -- the name by which others know a request (X-Request-ID): a trusted peer's, or a made one.
 * Nothing here but fw__own_fields() is called for a worker whose requests have none (worker->names is NULL). */
#ifndef FAPWS_REQUEST_NAMES_H
#define FAPWS_REQUEST_NAMES_H

#include <stddef.h>

#include "fapws.h"
#include "http/date.h"
#include "http/parser.h"

struct fw_conn;

#define FW_NAME_BYTES 16u                    /* random ones of a name that is made */
#define FW_NAME_SIZE (2 * FW_NAME_BYTES + 1) /* its hexadecimal digits, and a NUL */
#define FW_NAMES_AT_ONCE 16u                 /* names that one call of the system makes */

/* What a worker has whose requests have names. */
typedef struct {
    unsigned left; /* names that random is good for */
    unsigned char random[FW_NAMES_AT_ONCE * FW_NAME_BYTES];
    char spare[FW_NAME_SIZE]; /* of a request that has nowhere to keep it */
} fw_names;

/* The name of the connection's request, which has it from the first call on: head says which one its client wants;
 * NULL: none that could be read. A NUL stands behind it. */
fw_slice fw__request_named(struct fw_conn *conn, const fw_head *head);
/* The same, and tells the access log's record of it, if there is one. */
fw_slice fw__request_name_noted(struct fw_conn *conn, const fw_head *head);

#define FW_OWN_FIELDS (sizeof((fw_date *)0)->text + sizeof "X-Request-ID: \r\n" + FW_REQUEST_ID_MAX)

/* The fields that each of the core's own responses has: Server, Date, and the request's name if there are names.
 * head: as above. Valid as long as room and the second of worker->date. */
fw_slice fw__own_fields(struct fw_conn *conn, const fw_head *head, char room[FW_OWN_FIELDS]);

#endif
