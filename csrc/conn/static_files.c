/* conn/static_files.c -- sends the files that the core serves itself.
 * Owns:   worker->statics; conn->request.sending, from the head of such a response to its last byte.
 * Never:  blocks on the socket, sends more than TURN_BYTES at once, so that others have their turn. A disk that is
 *         slow holds up the worker for the time that one piece takes: pieces become smaller then. */
#include "conn/static_files.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conn/conn.h"
#include "conn/last_requests.h"
#include "error.h"
#include "worker.h"

#define TURN_BYTES 1048576u    /* of a file, at most */
#define TURN_BYTES_SLOW 65536u /* as little as that of one that is on a slow disk */
#define SLOW_NS 10000000u      /* a piece that takes longer was large enough to hold up others */
#define QUICK_NS 2000000u      /* one that takes less may be larger */
#define CROWD 64               /* files under way; beyond that the kernel takes little of each */
#define SWEEP_MS 5000          /* between two looks for files that nobody has asked for */
#define SETTLE_MS 2 /* between two looks whether a file that has just changed is settled */

/* ---- What is there from the first file on --------------------------------------------------------- */

static void on_sweep(uv_timer_t *timer)
{
    fw_worker *worker = timer->data;
    fw_static_cache *cache = &worker->statics->cache;
    fw__cache_sweep(cache, uv_now(timer->loop));
    worker->accepting.made_room = true;
    if (cache->count == 0)
        uv_timer_stop(timer);
}

static void on_settled(uv_timer_t *timer)
{
    fw_worker *worker = timer->data;
    fw_list waited = {0};
    fw_link *link;
    fw_list_init(&waited);
    fw_list_take(&waited, &worker->statics->settling);
    while ((link = fw_list_first(&waited)) != NULL) {
        fw_link_remove(link);
        fw__static_go_on(FW_CONTAINER(link, fw_sending, link)->conn);
    }
    if (!fw_list_first(&worker->statics->settling))
        uv_timer_stop(timer);
}

static fw_statics *statics_of(fw_worker *worker)
{
    if (worker->statics)
        return worker->statics;
    fw_statics *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    fw__cache_new(&made->cache, worker->settings.static_cache, &worker->spool.files);
    (void)uv_timer_init(&worker->loop, &made->timer); /* cannot fail */
    made->timer.data = worker;
    (void)uv_timer_init(&worker->loop, &made->settled);
    made->settled.data = worker;
    fw_list_init(&made->settling);
    made->turn = TURN_BYTES;
    worker->statics = made;
    worker->spool.cache = &made->cache;
    return made;
}

void fw__statics_free(fw_statics *statics)
{
    if (statics)
        fw__cache_clear(&statics->cache);
    free(statics);
}

/* ---- The response ----------------------------------------------------------------------------------- */

const fw_folder *fw__static_asked(const fw_folder *folders, const fw_head *head,
                                  fw_static_path *path)
{
    fw__static_path(path, head->path);
    return fw__folder_of(folders, path);
}

void fw__static_drop(fw_conn *conn)
{
    fw_sending *sending = conn->request.sending;
    if (!sending)
        return;
    fw_link_remove(&sending->link);
    fw__file_release(sending->file);
    free(sending);
    conn->request.sending = NULL;
    conn->worker->statics->sending--;
    conn->worker->accepting.made_room = true; /* a descriptor */
}

static int make(fw_worker *worker, const fw_folder *folder, const fw_static_path *path,
                fw_static_reply *reply)
{
    fw_statics *statics = statics_of(worker);
    if (!statics)
        return FW_EMEMORY;
    fw_cache_time now = {uv_now(&worker->loop), (int64_t)worker->date.second};
    fw_static_site site = {folder, &worker->head, &statics->cache, now};
    int code = fw__static_reply(&site, path, &worker->head, &worker->date, reply, &worker->scratch);
    if (statics->cache.count && !uv_is_active((uv_handle_t *)&statics->timer))
        (void)uv_timer_start(&statics->timer, on_sweep, SWEEP_MS, SWEEP_MS);
    return code;
}

bool fw__static_make(fw_conn *conn, const fw_folder *folder, const fw_static_path *path,
                     fw_slice behind, fw_static_reply *reply)
{
    char room[FW_OWN_FIELDS];
    fw_worker *worker = conn->worker;
    fw_date_refresh(&worker->date, time(NULL), worker->settings.server);
    *reply = (fw_static_reply){.close = !worker->head.keep_alive ||
                                        (worker->closing && fw__conn_ends(conn, behind)),
                               .fields = fw__own_fields(conn, &worker->head, room)};
    fw_buffer_rewind(&worker->scratch);
    return make(worker, folder, path, reply) == 0;
}

void fw__static_note(fw_conn *conn, const fw_static_reply *reply)
{
    fw_worker *worker = conn->worker;
    const fw_head *head = &worker->head;
    bool content = fw_head_has_content(head);
    if (conn->request.access)
        fw__access_refused(conn->request.access, reply->status, reply->head_len);
    fw__response_reset(conn, content ? FW_BY_CORE : FW_BY_FILES);
    conn->response.last = reply->close;
    conn->response.digit = (uint8_t)(reply->status / 100);
    if (worker->last) /* how long a client takes to read the file is not asked */
        fw__last_own(worker->last, conn->id, reply->status, head->method, head->target);
    if (content) {
        fw_buffer_clear(&conn->in);
        worker->score->refused++;
        return;
    }
    worker->score->requests++;
    conn->request.began = uv_now(&worker->loop);
}

/* From now on the response is a user of the file. */
static bool hold_file(fw_conn *conn, const fw_static_reply *reply)
{
    fw_sending *sending = malloc(sizeof *sending);
    if (!sending)
        return false;
    *sending = (fw_sending){.conn = conn,
                            .file = reply->file,
                            .told = !reply->file->weak,
                            .offset = reply->part.first,
                            .left = reply->part.size};
    conn->request.sending = sending;
    if (++conn->worker->statics->sending > CROWD && !conn->socket.bounded) {
        conn->socket.bounded = true;
        fw__bound_unsent(conn->socket.fd);
    }
    return true;
}

/* The head, and with it content that is in memory; what the socket does not take is kept. */
static int send_head(fw_conn *conn, const fw_static_reply *reply)
{
    fw_buffer *head = &conn->worker->scratch;
    struct iovec pieces[2] = {{fw_buffer_at(head), fw_buffer_len(head)}};
    int count = 1;
    if (reply->file && reply->file->content) {
        pieces[1].iov_base = reply->file->content + reply->part.first;
        pieces[1].iov_len = (size_t)reply->part.size;
        count = 2;
    }
    int64_t sent = fw__out_send(conn, pieces, count);
    if (sent < 0)
        return (int)sent;
    size_t taken = (size_t)sent;
    for (int i = 0; i < count; i++) {
        size_t used = taken < pieces[i].iov_len ? taken : pieces[i].iov_len;
        taken -= used;
        if (fw__out_keep(conn, (char *)pieces[i].iov_base + used, pieces[i].iov_len - used))
            return FW_EMEMORY;
    }
    return 0;
}

void fw__static_begin(fw_conn *conn, const fw_static_reply *reply)
{
    bool entered = fw__conn_enter(conn, FW_CONN_FLUSHING);
    int code = entered ? send_head(conn, reply) : 0;
    bool held = entered && code == 0 && reply->file && !reply->file->content;
    if (held && !hold_file(conn, reply)) {
        code = FW_EMEMORY;
        held = false;
    }
    if (reply->file && !held)
        fw__file_release(reply->file);
    if (!entered)
        return;
    if (code) {
        fw__conn_lost(conn);
    } else if (fw_buffer_len(&conn->out)) {
        fw__conn_wait_to_send(conn);
        fw__conn_listen(conn);
    } else if (held) {
        fw__static_go_on(conn);
    } else {
        fw__conn_responded(conn);
    }
}

/* ---- Piece by piece --------------------------------------------------------------------------------- */

/* The file is no longer what its head says: no response that looks whole is made of it. */
static void cut(fw_conn *conn)
{
    if (conn->request.access)
        fw__access_cut(conn->request.access, 0);
    if (conn->request.sending->left ==
        0) /* only so can what the kernel has not sent yet look cut */
        fw__reset_on_close(conn->socket.fd);
    fw__conn_close(conn);
}

/* The kernel does not say beforehand whether a file's bytes are in memory: the time that a piece took does. */
static void adapt(fw_statics *statics, uint64_t wanted, uint64_t took)
{
    if (took > SLOW_NS && statics->turn > TURN_BYTES_SLOW)
        statics->turn /= 2;
    else if (took < QUICK_NS && wanted == statics->turn && statics->turn < TURN_BYTES)
        statics->turn *= 2;
}

/* One turn; what the last call said of it. */
static int64_t send_turn(fw_conn *conn, uint64_t *done)
{
    fw_worker *worker = conn->worker;
    fw_sending *sending = conn->request.sending;
    fw_statics *statics = worker->statics;
    uint64_t turn = sending->left < statics->turn ? sending->left : statics->turn;
    uint64_t began = uv_hrtime();
    int64_t sent = 1;
    *done = 0;
    while (*done < turn) {
        sent = fw__sendfile(conn->socket.fd, sending->file->fd, (int64_t)sending->offset,
                            (size_t)(turn - *done), worker->read_buffer, FW_READ_SIZE);
        if (sent <= 0)
            break;
        *done += (uint64_t)sent;
        sending->offset += (uint64_t)sent;
        sending->left -= (uint64_t)sent;
    }
    adapt(statics, *done, uv_hrtime() - began);
    worker->score->bytes_out += *done;
    if (*done && conn->request.access)
        fw__access_sent(conn->request.access, (size_t)*done);
    return sent;
}

/* No byte of a file is sent while another change to it could not be told from this one: bytes of two states would
 * look like a file. That is a tick of the file system's clock, or two seconds where its times are whole ones. */
static bool waits(fw_conn *conn)
{
    fw_sending *sending = conn->request.sending;
    fw_statics *statics = conn->worker->statics;
    if (sending->told || fw__file_tells(sending->file)) {
        sending->told = true;
        return false;
    }
    if (!fw_link_linked(&sending->link))
        fw_list_append(&statics->settling, &sending->link);
    if (!uv_is_active((uv_handle_t *)&statics->settled))
        (void)uv_timer_start(&statics->settled, on_settled, SETTLE_MS, SETTLE_MS);
    conn->response.wants_writable = false;
    fw__conn_wait_to_send(conn); /* it is not the client who waits */
    fw__conn_listen(conn);
    return true;
}

void fw__static_go_on(fw_conn *conn)
{
    fw_sending *sending = conn->request.sending;
    uint64_t done;
    if (waits(conn))
        return;
    int64_t sent = send_turn(conn, &done);
    conn->response.wants_writable = false;
    if (sent == FW_EGONE) {
        fw__conn_lost(conn);
    } else if ((sent <= 0 && sent != FW_MORE) || (done && fw__file_rewritten(sending->file))) {
        cut(conn);
    } else if (sending->left == 0) {
        fw__static_drop(conn);
        fw__conn_responded(conn);
    } else {
        conn->response.wants_writable = true;
        if (done)
            fw__conn_wait_to_send(conn);
        if (sent > 0) /* the kernel would take more; only others have their turn first */
            fw__conn_queue(conn, FW_READY_WRITE);
        else
            fw__conn_listen(conn);
    }
}
