/* static/folders.h -- the folders whose files the core serves, and the response to a request for one.
 * Owns:   the descriptors of the folders.
 * Never:  sends, or reads a file's content. */
#ifndef FAPWS_STATIC_FOLDERS_H
#define FAPWS_STATIC_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "http/date.h"
#include "http/parser.h"
#include "static/path.h"

typedef struct fw_folder {
    struct fw_folder *next; /* with a shorter prefix, or one as long */
    int fd;
    size_t prefix_len;
    char prefix[]; /* "" or "/..." */
} fw_folder;

/* Adds a folder, and owns fd from now on: 0, FW_EMEMORY or FW_ESTATE (that prefix is there already). */
int fw__folder_add(fw_folder **folders, const char *prefix, size_t len, int fd);
void fw__folders_free(fw_folder *folders);

/* The folder that a path lies in: that of the longest prefix; NULL: none. */
const fw_folder *fw__folder_of(const fw_folder *folders, const fw_static_path *path);

typedef struct {
    int status;
    int file; /* to be sent behind the head, the caller's from now on; -1: nothing */
    uint64_t size;
    size_t head_len; /* bytes of out that are the head; what is behind them is the content */
    bool close;      /* in: the connection ends with it; out: it does in any case */
} fw_static_reply;

/* Writes head, and content if it is no file's, to the end of out. 0 or FW_EMEMORY. */
int fw__static_reply(const fw_folder *folder, const fw_static_path *path, const fw_head *head,
                     const fw_date *date, fw_static_reply *reply, fw_buffer *out);

#endif
