/* access/log.h -- the access log as the rest of the core sees it: what is remembered of a request, and what
 * happens to its response. All but the first few only while there is an fw_access. */
#ifndef FAPWS_ACCESS_LOG_H
#define FAPWS_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/parser.h"

typedef struct fw_access fw_access; /* of one request */
typedef struct fw_access_log fw_access_log;

int fw__access_log_new(fw_access_log **made, const char *program, size_t size); /* 0 or a code */
int fw__access_log_open(fw_access_log *log, int fd);
int64_t fw__access_log_flush(fw_access_log *log);
uint64_t fw__access_log_lost(fw_access_log *log); /* lines lost of which is to be told now */
void fw__access_log_free(fw_access_log *log);

/* NULL: nothing is written, or there is no memory. */
fw_access *fw__access_request(fw_access_log *log, const fw_head *head);
/* For a request that was not read to its end: the first line of what came. */
fw_access *fw__access_unreadable(fw_access_log *log, fw_slice bytes);
void fw__access_client(fw_access *access, const char *client, size_t size); /* the first counts */
void fw__access_name(fw_access *access, const char *name, size_t size);     /* likewise */
void fw__access_refused(fw_access *access, int status, size_t head_len);
void fw__access_head(fw_access *access, const char *status, size_t head_len);
void fw__access_interim(fw_access *access,
                        size_t len);                 /* of what was sent, so much is no content */
void fw__access_sent(fw_access *access, size_t len); /* sent, or kept to be sent */
void fw__access_cut(fw_access *access, int status);  /* not whole; status, if none was said */
/* Both write the line and give access back. peer: "address\nport". unsent: bytes that were kept and
 * never left. */
void fw__access_responded(fw_access_log *log, fw_access *access, fw_slice peer);
void fw__access_closed(fw_access_log *log, fw_access *access, size_t unsent, fw_slice peer);

#endif
