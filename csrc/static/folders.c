/* static/folders.c -- see folders.h. */
#include "static/folders.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

#define INDEX "index.html"

/* ---- Which folder ---------------------------------------------------------------------------------- */

/* A copy at the end of what the folder has already. */
static fw_slice keep(fw_folder *folder, size_t *used, const char *bytes, size_t len)
{
    char *at = folder->text + *used;
    if (len)
        memcpy(at, bytes, len);
    *used += len;
    return (fw_slice){at, len};
}

static fw_folder *make(fw_slice prefix, int fd, const fw_folder_rules *rules)
{
    size_t used = 0, control = strlen(rules->cache_control);
    fw_folder *made =
        malloc(sizeof *made + prefix.len + control + rules->immutable_size + rules->types_size + 1);
    if (!made)
        return NULL;
    made->prefix = keep(made, &used, prefix.at, prefix.len).at;
    made->prefix_len = prefix.len;
    made->fallthrough = rules->fallthrough != 0;
    made->only_files = rules->only_files != 0;
    made->place.fd = fd;
    made->place.links = (fw_links)rules->links;
    made->place.cache_control = keep(made, &used, rules->cache_control, control);
    made->place.immutable = keep(made, &used, rules->immutable, rules->immutable_size);
    made->place.types = keep(made, &used, rules->types, rules->types_size);
    return made;
}

int fw__folder_add(fw_folder **folders, fw_slice prefix, int fd, const fw_folder_rules *rules)
{
    fw_folder **at = folders;
    for (; *at && (*at)->prefix_len >= prefix.len; at = &(*at)->next)
        if (fw_slice_equals(prefix, (*at)->prefix, (*at)->prefix_len))
            return FW_ESTATE;
    fw_folder *made = make(prefix, fd, rules);
    if (!made)
        return FW_EMEMORY;
    made->next = *at;
    *at = made;
    return 0;
}

void fw__folders_free(fw_folder *folders)
{
    while (folders) {
        fw_folder *next = folders->next;
        if (folders->place.fd >= 0)
            close(folders->place.fd);
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

/* The path below the folder into name, of FW_FILE_NAME bytes, and 200; or what the client hears instead. */
static int name_of(const fw_folder *folder, const fw_static_path *path, char *name, bool *index)
{
    if (fw__static_path_bad(path))
        return 404;
    if (path->len == folder->prefix_len)
        return 308;
    size_t len = path->len - folder->prefix_len - 1; /* without the first slash */
    memcpy(name, path->text + folder->prefix_len + 1, len + 1);
    *index = len == 0 || name[len - 1] == '/';
    if (*index)
        memcpy(name + len, INDEX, sizeof INDEX);
    return 200;
}

/* In the encoding that the client prefers. */
static fw_static_file *choose(const fw_static_site *site, fw_static_file *file)
{
    if (!file->there)
        return file;
    fw_encoding choice = fw__choose_encoding(site->head, file->there);
    if (choice == FW_ENCODINGS)
        return file;
    fw_static_file *coded = file->coded[choice];
    coded->users++;
    fw__file_release(file);
    return coded;
}

/* A folder without a slash behind it is told to the client as one, or links in its page would lead nowhere. */
static fw_static_file *get(const fw_static_site *site, const fw_static_path *path, int *status)
{
    char name[FW_FILE_NAME];
    bool index = false;
    *status = name_of(site->folder, path, name, &index);
    if (*status != 200)
        return NULL;
    fw_static_file *file =
        fw__cache_get(site->cache, path, &site->folder->place, name, site->now, status);
    if (index && *status == 308) /* a folder of the name index.html */
        *status = 404;
    return file;
}

/* What is kept was found by that path before, so that this was a good one. */
fw_static_file *fw__folder_find(const fw_static_site *site, const fw_static_path *path, int *status)
{
    fw_static_file *file = fw__cache_kept(site->cache, path, site->now.ms);
    *status = 200;
    if (!file)
        file = get(site, path, status);
    if (!file)
        return NULL;
    file = choose(site, file);
    if (!fw__file_rewritten(file))
        return file;
    fw__file_release(file); /* what its head would say is no longer true */
    fw__cache_forget(site->cache, path);
    file = get(site, path, status);
    return file ? choose(site, file) : NULL;
}
