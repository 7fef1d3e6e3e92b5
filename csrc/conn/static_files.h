/* conn/static_files.h -- files that the core serves itself, without the application. */
#ifndef FAPWS_STATIC_FILES_H
#define FAPWS_STATIC_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/list.h"
#include "http/parser.h"
#include "static/cache.h"
#include "static/folders.h"
#include "static/reply.h"

struct fw_conn;
struct fw_worker;

/* What a worker has of files, from the first request for one on. */
typedef struct {
    fw_static_cache cache;
    uv_timer_t timer; /* forgets files of the cache; runs while there are some */
    uint32_t turn;    /* bytes of a file before others have their turn */
    uint32_t sending; /* responses under way whose files are not in memory */
    fw_list
        settling; /* of these: those whose files changed so short a time ago that they wait (fw_sending.link) */
    uv_timer_t settled; /* goes on with them; runs while there are some */
} fw_statics;

void fw__statics_free(fw_statics *statics); /* its timer is closed; NULL: nothing */

/* What is still to be sent of a file, behind the bytes of conn->out. */
typedef struct fw_sending {
    struct fw_conn *conn;
    fw_link link; /* in settling */
    fw_static_file *file;
    bool told; /* file's time tells of all changes from now on */
    uint64_t offset;
    uint64_t left;
} fw_sending;

/* NULL: the request is the application's. path: what is made of head's. */
const fw_folder *fw__static_asked(const fw_folder *folders, const fw_head *head,
                                  fw_static_path *path);
/* Makes the connection's response to worker->head in worker->scratch, or passes it on to the application; behind: what
 * the client has sent after its head; false: there is no memory. */
bool fw__static_make(struct fw_conn *conn, const fw_folder *folder, const fw_static_path *path,
                     fw_slice behind, fw_static_reply *reply);
/* The connection is going to send it. A request with content is refused (conn->response.by is FW_BY_CORE): what more
 * may come of it is thrown away. */
void fw__static_note(struct fw_conn *conn, const fw_static_reply *reply);
/* Sends it. */
void fw__static_begin(struct fw_conn *conn, const fw_static_reply *reply);
/* Sends more of the file; conn->out is empty. */
void fw__static_go_on(struct fw_conn *conn);
/* Closes the file, if there is one. */
void fw__static_drop(struct fw_conn *conn);

#endif
