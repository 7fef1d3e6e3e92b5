/* static/folders.h -- the folders whose files the core serves, and the file that a request means.
 * Owns:   the descriptors of the folders.
 * Never:  reads a file's content. */
#ifndef FAPWS_STATIC_FOLDERS_H
#define FAPWS_STATIC_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

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

#define FW_INDEX "index.html"

typedef struct {
    int fd;     /* the caller's from now on; -1: none */
    int status; /* 200: fd is a file; otherwise what the client hears */
    char name[FW_STATIC_PATH + sizeof FW_INDEX]; /* below the folder */
    struct stat known;
} fw_found;

void fw__folder_find(const fw_folder *folder, const fw_static_path *path, fw_found *file);

#endif
