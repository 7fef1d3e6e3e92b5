/* static/file.h -- one file that the core serves: what its responses say of it, and its bytes, in memory or behind
 * a descriptor.
 * Never:  sends. */
#ifndef FAPWS_STATIC_FILE_H
#define FAPWS_STATIC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http/parser.h"
#include "static/encodings.h"
#include "static/path.h"
#include "sys/beneath.h"

#define FW_SMALL_FILE 16384u /* bytes of a file that are kept in memory, without a descriptor */
#define FW_FILE_NAME (FW_STATIC_PATH + 16) /* bytes of a path below a folder, with what is added */

/* Where files are looked for, and what is said of all of them; see fw_folder_rules. */
typedef struct {
    int fd; /* of the folder */
    fw_links links;
    fw_slice cache_control;
    fw_slice immutable;
    fw_slice types;
} fw_place;

/* What tells one state of a file from another. */
typedef struct {
    dev_t device;
    ino_t inode;
    uint64_t size;
    int64_t modified, changed; /* seconds since 1970; changed: name or rights, too */
    long modified_ns, changed_ns;
} fw_file_stamp;

typedef struct fw_static_file {
    uint32_t users; /* fw__file_release() by the last of them frees it */
    int fd;         /* -1: content has all bytes */
    char *content;  /* NULL: fd has them */
    uint32_t *open; /* counts the descriptors that files have */
    struct fw_static_file
        *coded[FW_ENCODINGS]; /* its precompressed siblings, as it has them; NULL: none */
    unsigned there;           /* a bit for each of them */
    bool weak;                /* its tag: it was opened before fw__file_tells() */
    fw_file_stamp stamp;
    size_t weight; /* bytes of memory, with its siblings */
    fw_slice etag; /* with its quotes; of a weak one no request's is taken for the same */
    fw_slice
        date; /* as Last-Modified tells when it was modified; len 0: that is in the future, or too far */
    /* Fields of the head, one behind the other in text: */
    fw_slice common;         /* of 200, 206 and 304 (RFC 9110 15.3.7, 15.4.5) */
    fw_slice content_fields; /* of 200 and 206, but not of a 206 after If-Range */
    fw_slice length;         /* of 200 */
    fw_slice whole;          /* all of these, and the empty line behind them */
    char text[];
} fw_static_file;

/* Opens name below the place, and what lies beside it under the same name with .br, .zst or .gz behind. known: what
 * it was before, which is returned if the file has not changed; NULL: nothing. The caller is one user more of the result. NULL: *status says why: 404, 308 (a folder), 500 or 503.
 * open: counts the descriptor. */
fw_static_file *fw__file_open(const fw_place *place, const char *name, fw_static_file *known,
                              uint32_t *open, int *status);
void fw__file_release(fw_static_file *file);
uint32_t fw__file_descriptors(const fw_static_file *file); /* with its siblings */

/* Whether the file behind fd was written to since it was opened, as far as its time and size tell. */
bool fw__file_rewritten(const fw_static_file *file);
/* False: one more change now might leave it the time that it has, so that nobody could tell. */
bool fw__file_tells(const fw_static_file *file);
/* False: it changed so short a time ago that its time may not tell of another change. now: seconds since 1970 */
bool fw__file_settled(const fw_static_file *file, int64_t now);

#endif
