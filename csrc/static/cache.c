/* static/cache.c -- see cache.h. */
#include "static/cache.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"

struct fw_cached {
    fw_link link;    /* in cache->recent */
    fw_cached *next; /* at the same place of the table */
    fw_static_file *file;
    uint64_t hash;
    uint64_t checked; /* ms, when it was compared with the folder */
    uint64_t used;    /* ms */
    size_t len;
    char path[];
};

void fw__cache_new(fw_static_cache *cache, uint64_t budget, uint32_t *open)
{
    memset(cache, 0, sizeof *cache);
    fw_list_init(&cache->recent);
    cache->budget = budget;
    cache->open = open;
}

/* ---- The table ----------------------------------------------------------------------------------------- */

static uint64_t weight_of(const fw_cached *cached)
{
    return sizeof *cached + cached->len + cached->file->weight;
}

static fw_cached *find(const fw_static_cache *cache, const fw_static_path *path, uint64_t hash)
{
    fw_cached *at = cache->places[hash % FW_CACHE_PLACES];
    while (at && !(at->hash == hash && at->len == path->len &&
                   memcmp(at->path, path->text, path->len) == 0))
        at = at->next;
    return at;
}

static void drop(fw_static_cache *cache, fw_cached *cached)
{
    fw_cached **at = &cache->places[cached->hash % FW_CACHE_PLACES];
    while (*at != cached)
        at = &(*at)->next;
    *at = cached->next;
    fw_link_remove(&cached->link);
    cache->weight -= weight_of(cached);
    cache->count--;
    cache->described -= fw__file_descriptors(cached->file);
    fw__file_release(cached->file);
    free(cached);
}

static fw_cached *oldest(const fw_static_cache *cache)
{
    fw_link *link = fw_list_first(&cache->recent);
    return link ? FW_CONTAINER(link, fw_cached, link) : NULL;
}

/* The one that was just added goes, too, if it alone is more than the budget. */
static void fit(fw_static_cache *cache)
{
    while (cache->weight > cache->budget || cache->count > FW_CACHE_FILES ||
           cache->described > FW_CACHE_OPEN)
        drop(cache, oldest(cache));
}

static void touch(fw_static_cache *cache, fw_cached *cached, uint64_t now)
{
    cached->used = now;
    if (cached->link.next == &cache->recent.head)
        return;
    fw_link_remove(&cached->link);
    fw_list_append(&cache->recent, &cached->link);
}

/* Without memory for it, it is not kept. */
static void keep(fw_static_cache *cache, fw_static_file *file, const fw_static_path *path,
                 uint64_t hash, uint64_t now)
{
    fw_cached *made = malloc(sizeof *made + path->len);
    if (!made)
        return;
    fw_cached **place = &cache->places[hash % FW_CACHE_PLACES];
    *made = (fw_cached){
        .next = *place, .file = file, .hash = hash, .checked = now, .used = now, .len = path->len};
    memcpy(made->path, path->text, path->len);
    *place = made;
    file->users++;
    fw_list_append(&cache->recent, &made->link);
    cache->count++;
    cache->weight += weight_of(made);
    cache->described += fw__file_descriptors(file);
    fit(cache);
}

/* ---- Asked for ----------------------------------------------------------------------------------------- */

static fw_static_file *open_anew(fw_static_cache *cache, const fw_place *place, const char *name,
                                 fw_static_file *known, int *status)
{
    fw_static_file *file = fw__file_open(place, name, known, cache->open, status);
    if (!file && *status == 503 && fw__cache_give_back(cache))
        file = fw__file_open(place, name, NULL, cache->open, status);
    return file;
}

fw_static_file *fw__cache_kept(fw_static_cache *cache, const fw_static_path *path, uint64_t now)
{
    if (path->undecoded || cache->count == 0)
        return NULL;
    fw_cached *cached = find(cache, path, fw_hash_text(path->text, path->len));
    if (!cached || now - cached->checked >= FW_CACHE_CHECK_MS)
        return NULL;
    touch(cache, cached, now);
    cached->file->users++;
    return cached->file;
}

fw_static_file *fw__cache_get(fw_static_cache *cache, const fw_static_path *path,
                              const fw_place *place, const char *name, fw_cache_time now,
                              int *status)
{
    fw_static_file *file = fw__cache_kept(cache, path, now.ms);
    *status = 200;
    if (file)
        return file;
    uint64_t hash = fw_hash_text(path->text, path->len);
    fw_cached *cached = find(cache, path, hash);
    fw_static_file *known = cached ? cached->file : NULL;
    if (known)
        known->users++; /* whatever becomes of the cache's own use meanwhile */
    file = open_anew(cache, place, name, known, status);
    cached = find(cache, path, hash);
    if (cached && file == known) {
        cached->checked = now.ms;
        touch(cache, cached, now.ms);
    } else {
        if (cached)
            drop(cache, cached);
        if (file && cache->budget && fw__file_settled(file, now.second))
            keep(cache, file, path, hash, now.ms);
    }
    if (known)
        fw__file_release(known);
    return file;
}

void fw__cache_forget(fw_static_cache *cache, const fw_static_path *path)
{
    fw_cached *cached = find(cache, path, fw_hash_text(path->text, path->len));
    if (cached)
        drop(cache, cached);
}

/* ---- Given back ---------------------------------------------------------------------------------------- */

void fw__cache_sweep(fw_static_cache *cache, uint64_t now)
{
    fw_cached *cached;
    while ((cached = oldest(cache)) != NULL && now - cached->used >= FW_CACHE_AGE_MS)
        drop(cache, cached);
}

bool fw__cache_give_back(fw_static_cache *cache)
{
    uint32_t before = *cache->open;
    fw_link *link = cache->recent.head.next;
    while (link != &cache->recent.head) {
        fw_cached *cached = FW_CONTAINER(link, fw_cached, link);
        link = link->next;
        if (fw__file_descriptors(cached->file))
            drop(cache, cached);
    }
    return *cache->open < before;
}

void fw__cache_clear(fw_static_cache *cache)
{
    fw_cached *cached;
    while ((cached = oldest(cache)) != NULL)
        drop(cache, cached);
}

static void let_go(fw_static_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

void fw__cache_let_go(fw_static_cache *cache)
{
    for (fw_link *link = cache->recent.head.next; link != &cache->recent.head; link = link->next) {
        fw_static_file *file = FW_CONTAINER(link, fw_cached, link)->file;
        let_go(file);
        for (int i = 0; i < FW_ENCODINGS; i++)
            if (file->coded[i])
                let_go(file->coded[i]);
    }
}
