/* static/folders.h -- the folders whose files the core serves, and the file that a request means.
 * Owns:   the descriptors of the folders.
 * Never:  reads a file's content. */
#ifndef FAPWS_STATIC_FOLDERS_H
#define FAPWS_STATIC_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fapws.h"
#include "static/cache.h"
#include "static/file.h"
#include "static/path.h"

typedef struct fw_folder {
    struct fw_folder *next; /* with a shorter prefix, or one as long */
    fw_place place;
    bool fallthrough, only_files; /* as in fw_folder_rules */
    size_t prefix_len;
    const char *prefix; /* "" or "/..." */
    char text[];        /* what prefix and place point to */
} fw_folder;

/* Adds a folder, and owns fd from now on: 0, FW_EMEMORY or FW_ESTATE (that prefix is there already). */
int fw__folder_add(fw_folder **folders, fw_slice prefix, int fd, const fw_folder_rules *rules);
void fw__folders_free(fw_folder *folders);

/* The folder that a path lies in: that of the longest prefix; NULL: none. */
const fw_folder *fw__folder_of(const fw_folder *folders, const fw_static_path *path);

/* Where a file is looked for. */
typedef struct {
    const fw_folder *folder;
    const fw_head *head; /* of the request */
    fw_static_cache *cache;
    fw_cache_time now;
} fw_static_site;

/* The file that the path means, in the encoding that the client prefers, of which the caller is a user; NULL: *status says what the client hears. */
fw_static_file *fw__folder_find(const fw_static_site *site, const fw_static_path *path,
                                int *status);

#endif
