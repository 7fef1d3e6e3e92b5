/* static/cache.h -- files that were asked for not long ago, by the path of the request.
 * Owns:   a use of each of them; small ones are in memory, larger ones have their descriptor.
 * Never:  answers from what it has not compared with the folder for longer than FW_CACHE_CHECK_MS. */
#ifndef FAPWS_STATIC_CACHE_H
#define FAPWS_STATIC_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "static/file.h"

#define FW_CACHE_CHECK_MS 1000 /* after which a file is opened and compared again */
#define FW_CACHE_AGE_MS 30000  /* a file that nobody asks for is forgotten after that time */
#define FW_CACHE_FILES 1024u   /* at once, so that looking through all of them takes no time */
#define FW_CACHE_OPEN 256u     /* descriptors that they have */
#define FW_CACHE_PLACES 512u   /* of the table; a power of two */

typedef struct fw_cached fw_cached;

typedef struct {
    fw_cached *places[FW_CACHE_PLACES];
    fw_list recent;  /* the first was asked for the longest time ago */
    uint64_t budget; /* bytes of memory; 0: nothing is kept */
    uint64_t weight; /* bytes of those that are kept */
    uint32_t count;
    uint32_t described; /* descriptors that they have */
    uint32_t *open;     /* counts all descriptors of files */
} fw_static_cache;

void fw__cache_new(fw_static_cache *cache, uint64_t budget, uint32_t *open); /* an empty one */

typedef struct {
    uint64_t ms;    /* of any clock that does not jump */
    int64_t second; /* since 1970 */
} fw_cache_time;

/* The file that is kept under a path, and was compared with its folder not long ago, of which the caller is a user;
 * NULL: there is none. */
fw_static_file *fw__cache_kept(fw_static_cache *cache, const fw_static_path *path, uint64_t now);
/* The file that is called name below folder, of which the caller is a user; NULL: see fw__file_open(). path: of the
 * request. */
fw_static_file *fw__cache_get(fw_static_cache *cache, const fw_static_path *path,
                              const fw_place *place, const char *name, fw_cache_time now,
                              int *status);
void fw__cache_forget(fw_static_cache *cache, const fw_static_path *path);

/* Forgets what nobody has asked for. */
void fw__cache_sweep(fw_static_cache *cache, uint64_t now);
/* Closes the descriptors that are kept only in case that somebody asks for their files; whether there were some. */
bool fw__cache_give_back(fw_static_cache *cache);
void fw__cache_clear(fw_static_cache *cache);
/* In a child that was forked: closes its copies of the descriptors, and nothing else. */
void fw__cache_let_go(fw_static_cache *cache);

#endif
