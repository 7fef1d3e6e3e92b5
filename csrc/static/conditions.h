/* static/conditions.h -- whether a request is to be answered in view of what the client has (RFC 9110 13). Pure. */
#ifndef FAPWS_STATIC_CONDITIONS_H
#define FAPWS_STATIC_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "http/parser.h"

/* 200: yes; 304: the client has it; 412: it wanted another one. In the order of RFC 9110 13.2.2, for GET and HEAD.
 * etag: strong, with its quotes; modified: seconds since 1970. */
int fw__conditions(const fw_head *head, fw_slice etag, int64_t modified);

#endif
