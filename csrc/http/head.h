/* http/head.h -- what the files that parse a request head share; private to them.
 * parser.c reads the request line and steers, target.c and fields.c read what their names say. */
#ifndef FAPWS_HEAD_H
#define FAPWS_HEAD_H

#include "error.h"
#include "http/parser.h"
#include "http/template.h"

/* Where reading stands. end is the end of the bytes received or of max_size, whichever is first. */
typedef struct {
    const char *at;
    const char *end;
} fw_reader;

/* Each returns 0 and moves on, FW_MORE when the bytes end first, or the code of what is wrong. */

/* What to say of the byte at which an element unexpectedly stops: code, or line_code if it is the
 * CRLF of a line that is too short; a bare CR or LF is always FW_ELINE_END. */
int fw__refuse(const char *at, const char *end, int code, int line_code);

/* target.c: splits head->target and checks its form against head->method. */
int fw__read_target(fw_head *head);

/* fields.c: field lines and the empty line after them, and what they mean together. */
int fw__read_fields(fw_reader *reader, size_t max_fields, fw_head *head);

/* template.c: reads all of them by a template; false: nothing is read, and they are to be read as above. */
bool fw__fields_like(fw_reader *reader, size_t max_fields, fw_head *head, fw_template *known);
void fw__template_keep(fw_template *known, const fw_head *head, const char *end);

#endif
