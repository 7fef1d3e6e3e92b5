/* static/reply.h -- the response to a request for a file of a folder.
 * Never:  sends, or reads a file's content. */
#ifndef FAPWS_STATIC_REPLY_H
#define FAPWS_STATIC_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "http/date.h"
#include "http/parser.h"
#include "static/folders.h"
#include "static/ranges.h"

typedef struct {
    int status;
    fw_static_file
        *file;       /* to be sent behind the head, the caller is a user of it; NULL: nothing */
    fw_range part;   /* of the file that is sent */
    size_t head_len; /* bytes of out that are the head; what is behind them is the content */
    fw_slice fields; /* in: lines that every response has behind its first */
    bool close;      /* in: the connection ends with it; out: it does in any case */
    bool passed_on;  /* out: the request is the application's, and nothing was written */
} fw_static_reply;

/* Writes head, and content if it is no file's, to the end of out. 0 or FW_EMEMORY. */
int fw__static_reply(const fw_static_site *site, const fw_static_path *path, const fw_head *head,
                     const fw_date *date, fw_static_reply *reply, fw_buffer *out);

#endif
