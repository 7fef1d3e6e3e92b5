/* http/refusal.h -- the core's own responses: what it says to a request that it refuses. */
#ifndef FAPWS_REFUSAL_H
#define FAPWS_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "http/parser.h"

#define FW_REFUSAL_SIZE 1024 /* bytes; the longest refusal has about 600 */

/* The response to a code of error.h that has a status, into FW_REFUSAL_SIZE bytes; how many they are.
 * bodiless: the request was HEAD, so the content is left out. fields: lines that every response has. */
size_t fw_refusal_write(char *out, int code, bool bodiless, fw_slice fields);
size_t fw_refusal_content(int code); /* bytes of content among them, unless it is left out */

#endif
