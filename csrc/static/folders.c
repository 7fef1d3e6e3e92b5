/* static/folders.c -- see folders.h. */
#include "static/folders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "sys/beneath.h"

/* ---- Which folder ---------------------------------------------------------------------------------- */

int fw__folder_add(fw_folder **folders, const char *prefix, size_t len, int fd)
{
    fw_folder **at = folders;
    for (; *at && (*at)->prefix_len >= len; at = &(*at)->next)
        if ((*at)->prefix_len == len && memcmp((*at)->prefix, prefix, len) == 0)
            return FW_ESTATE;
    fw_folder *made = malloc(sizeof *made + len + 1);
    if (!made)
        return FW_EMEMORY;
    made->fd = fd;
    made->prefix_len = len;
    memcpy(made->prefix, prefix, len);
    made->prefix[len] = '\0';
    made->next = *at;
    *at = made;
    return 0;
}

void fw__folders_free(fw_folder *folders)
{
    while (folders) {
        fw_folder *next = folders->next;
        if (folders->fd >= 0)
            close(folders->fd);
        free(folders);
        folders = next;
    }
}

const fw_folder *fw__folder_of(const fw_folder *folders, const fw_static_path *path)
{
    while (folders && !fw__static_within(path, folders->prefix, folders->prefix_len))
        folders = folders->next;
    return folders;
}

/* ---- Which file -------------------------------------------------------------------------------------- */

static int status_of(int error)
{
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return 503;
    return error == EIO ? 500 : 404;
}

/* A folder without a slash behind it is told to the client as one, or links in its page would lead nowhere. */
static void look(int folder, fw_found *file)
{
    file->fd = fw__open_beneath(folder, file->name);
    if (file->fd < 0) {
        file->status = status_of(-file->fd);
        file->fd = -1;
        return;
    }
    file->status = 404;
    if (fstat(file->fd, &file->known) == 0) {
        if (S_ISREG(file->known.st_mode))
            file->status = 200;
        else if (S_ISDIR(file->known.st_mode))
            file->status = 308;
    }
    if (file->status != 200) {
        close(file->fd);
        file->fd = -1;
    }
}

void fw__folder_find(const fw_folder *folder, const fw_static_path *path, fw_found *file)
{
    file->fd = -1;
    file->status = 404;
    if (path->bad)
        return;
    if (path->len == folder->prefix_len) {
        file->status = 308;
        return;
    }
    size_t len = path->len - folder->prefix_len - 1; /* without the first slash */
    memcpy(file->name, path->text + folder->prefix_len + 1, len + 1);
    bool index = len == 0 || file->name[len - 1] == '/';
    if (index)
        memcpy(file->name + len, FW_INDEX, sizeof FW_INDEX);
    look(folder->fd, file);
    if (index && file->status == 308) /* a folder of the name index.html */
        file->status = 404;
}
