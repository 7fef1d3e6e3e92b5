/* conn/block_content.c -- content above settings.body_memory: it is received into a block of the pool.
 * Owns:   content->block until the caller takes it, and who of all contents has one, within settings.body_pool.
 * Never:  lets one client's slowness take what others could use: a content that comes slowly moves to a
 *         temporary file as soon as another one finds no room.
 *
 *   no block is free -> WAITING, in the socket, for FW_TURN_MS at most -> its block, or a temporary file
 *   a block -> it fills -> the request is given out -> fw_take_memory() -> fw_release_memory()
 *   a block -> slow, and others wait -> a temporary file
 * The kernel tells of 1 MB at a time: a turn of the loop for each piece that comes would cost more. */
#include "conn/conn.h"

#include <string.h>

#include "error.h"
#include "worker.h"

#define READ_MOST (4u << 20)  /* bytes of one turn; about a millisecond */
#define BLOCK_MARK (1u << 20) /* bytes to wait for */
#define ROUND (1u << 20)      /* blocks of like sizes serve for each other */

/* ---- The budget ------------------------------------------------------------------------------------------ */

bool fw__spool_reserve(fw_spool *spool, uint64_t length)
{
    uint64_t most = spool->settings->body_pool;
    spool->reserved -= atomic_exchange(&spool->lost, 0);
    if (length > most - spool->reserved)
        return false;
    spool->reserved += length;
    if (spool->pool.kept > most - spool->reserved)
        fw__pool_clear(&spool->pool);
    return true;
}

static char *block_for(fw_spool *spool, uint64_t length)
{
    uint64_t most = spool->settings->body_pool;
    char *block = fw__pool_find(&spool->pool, (size_t)length);
    if (block) {
        spool->reserved += fw__block_size(block); /* it was kept within the same limit */
        return block;
    }
    uint64_t size = (length + ROUND - 1) / ROUND * ROUND;
    if (size > most)
        size = most;
    if (!fw__spool_reserve(spool, size))
        return NULL;
    block = fw__block_new((size_t)size);
    if (!block)
        spool->reserved -= size;
    return block;
}

/* Those that wait look again, in their order. */
static void wake(fw_spool *spool)
{
    fw_link *head = &spool->waiting.head;
    for (fw_link *link = head->next; link != head; link = link->next)
        fw__conn_queue(FW_CONTAINER(link, fw_content, link)->conn, FW_READY_READ);
}

void fw__spool_give_back(fw_spool *spool, char *block)
{
    spool->reserved -= fw__block_size(block);
    fw__pool_keep(&spool->pool, block);
    wake(spool);
}

/* ---- Who has a block ----------------------------------------------------------------------------------- */

static bool take_block(fw_content *content)
{
    size_t len = fw_buffer_len(&content->memory);
    content->block = block_for(content->spool, content->size + (uint64_t)content->left);
    if (!content->block)
        return false;
    if (len)
        memcpy(content->block, fw_buffer_at(&content->memory), len);
    fw_buffer_clear(&content->memory);
    fw_link_remove(&content->link);
    fw_list_append(&content->spool->holders, &content->link);
    content->waiting = false;
    return true;
}

/* Moves the oldest of those that come slowly to a file; false: there is none, or no room there. */
static bool make_room(fw_spool *spool)
{
    fw_link *head = &spool->holders.head;
    for (fw_link *link = head->next; link != head; link = link->next) {
        fw_content *content = FW_CONTAINER(link, fw_content, link);
        if (content->late)
            return fw__content_spill(content) == 0;
    }
    return false;
}

static bool get_block(fw_content *content)
{
    while (!take_block(content))
        if (!make_room(content->spool))
            return false;
    return true;
}

/* ---- While it comes ------------------------------------------------------------------------------------ */

/* Until more has come: with each BLOCK_MARK a content that comes fast has FW_MARK_MS for the next. */
static void wait_for_more(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    size_t more = content->left < (int64_t)BLOCK_MARK ? (size_t)content->left : BLOCK_MARK;
    if (content->late) {
        fw__conn_wait(conn, FW_DEADLINE_CONTENT);
        return;
    }
    content->marked = fw__low_water(conn->socket.fd, more);
    if (content->size - content->timed < BLOCK_MARK)
        return;
    content->timed = content->size;
    fw__conn_wait(conn, FW_DEADLINE_MARK);
}

static void begin_to_receive(fw_conn *conn)
{
    conn->request.content->timed = conn->request.content->size;
    fw__conn_wait(conn, FW_DEADLINE_MARK);
    wait_for_more(conn);
}

bool fw__block_begin(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    const fw_settings *settings = content->spool->settings;
    uint64_t length = content->size + (uint64_t)content->left;
    if (content->chunked || content->file >= 0 || settings->body_memory == 0 ||
        length <= settings->body_memory || length <= settings->memory_body ||
        length > settings->body_pool)
        return false;
    content->place = FW_CONTENT_HELD;
    content->conn = conn;
    if (get_block(content)) {
        begin_to_receive(conn);
    } else {
        content->waiting = true;
        fw_list_append(&content->spool->waiting, &content->link);
        fw__conn_wait(conn, FW_DEADLINE_TURN);
    }
    return true;
}

static int64_t read_to_block(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    size_t most = content->left < (int64_t)READ_MOST ? (size_t)content->left : READ_MOST;
    int64_t came = fw__recv(conn->socket.fd, content->block + content->size, most);
    if (came > 0)
        fw__content_count(conn, came);
    return came;
}

static void whole(fw_conn *conn)
{
    fw__content_unmark(conn);
    fw_link_remove(&conn->request.content->link); /* not to be moved any more */
    fw__request_whole(conn);
}

void fw__block_readable(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    if (content->waiting) {
        if (!get_block(content))
            return;
        begin_to_receive(conn);
        fw__conn_listen(conn);
    }
    int64_t came = read_to_block(conn);
    if (fw__content_given_up(conn, came))
        return;
    if (content->left == 0)
        whole(conn);
    else if (came > 0)
        wait_for_more(conn);
}

void fw__block_late(fw_conn *conn)
{
    fw_content *content = conn->request.content;
    if (content->waiting) {
        fw_link_remove(&content->link);
        content->waiting = false;
        content->place = FW_CONTENT_READ; /* to a temporary file */
        fw__conn_listen(conn);
        return;
    }
    content->late = true;
    wake(content->spool);
}

/* ---- The caller has it --------------------------------------------------------------------------------- */

char *fw_take_memory(fw_worker *worker, int64_t connection, uint64_t *size)
{
    fw_conn *conn = fw__on_thread(worker) ? fw__table_find(&worker->table, connection) : NULL;
    fw_content *content = conn ? conn->request.content : NULL;
    if (!content || content->left)
        return NULL;
    char *block = content->block;
    content->block = NULL;
    *size = content->size;
    return block;
}

void fw_release_memory(fw_worker *worker, char *memory)
{
    if (worker && worker->health.generation == fw__fork_generation() && fw__on_thread(worker)) {
        fw__spool_give_back(&worker->spool, memory);
        return;
    }
    if (worker)
        atomic_fetch_add(&worker->spool.lost, fw__block_size(memory));
    fw__block_free(memory);
}
