/* worker.c -- one worker: its life, its settings, and what it watches.
 * Owns:   the loop, the settings, the watched descriptors; everything else through its file.
 * Never:  calls back into the program: what happens is told by the records of a batch. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/memory.h"

/* As many descriptors as a worker takes, in pairs: libuv's set, its three pipes, the worker's set. */
#define START_PIPES 4

/* Time between two looks for idle connections while draining. */
#define DRAIN_MS 100

/* In a forked process the thread is another one, although its uv_thread_t is equal. */
bool fw__on_thread(const fw_worker *worker)
{
    uv_thread_t self = uv_thread_self();
    return worker && uv_thread_equal(&worker->thread, &self) != 0 &&
           worker->health.generation == fw__fork_generation();
}

const char *fw_libuv_version(void)
{
    return uv_version_string();
}

static int copy_settings(fw_worker *worker, const fw_settings *settings)
{
    worker->settings = *settings;
    fw_settings *own = &worker->settings;
    own->server = strdup(settings->server ? settings->server : "");
    own->spool_directory = strdup(settings->spool_directory ? settings->spool_directory : "/tmp");
    own->ready_path = strdup(settings->ready_path ? settings->ready_path : "");
    if (own->max_headers > FW_FIELDS_MAX)
        own->max_headers = FW_FIELDS_MAX;
    if (own->accept_burst == 0)
        own->accept_burst = 1;
    worker->head_limits.max_size = own->max_header_size;
    worker->head_limits.max_target = own->max_uri;
    worker->head_limits.max_fields = own->max_headers;
    worker->head.fields = worker->fields;
    if (!own->server || !own->spool_directory || !own->ready_path)
        return FW_EMEMORY;
    worker->ready_len = strlen(own->ready_path);
    return 0;
}

/* ---- Turns --------------------------------------------------------------------------------------------- */

static void watch_polled(fw_worker *worker, int token);

static void on_polled(void *owner, int64_t token, unsigned events)
{
    fw_worker *worker = owner;
    bool useful = false; /* to a client */
    if (token <= FW_TOKEN_WATCH) {
        watch_polled(worker, (int)(FW_TOKEN_WATCH - token));
    } else if (token <= FW_TOKEN_LISTENER) {
        useful = fw__listener_polled(&worker->accepting.listeners[FW_TOKEN_LISTENER - token]);
    } else {
        fw_conn *conn = fw__table_find(&worker->table, token);
        useful = conn != NULL; /* it may have been closed since the turn began */
        if (conn)
            fw__conn_polled(conn, events);
    }
    fw__health_event(&worker->health, useful, uv_now(&worker->loop));
}

/* ---- Life ------------------------------------------------------------------------------------------ */

/* All handles of the worker's own, before anything else: whatever fails later, the code that stops or
 * closes one finds it initialised. libuv 1.48 and later crash on one that is not. */
static int timers_new(fw_worker *worker)
{
    uv_timer_t *const timers[] = {&worker->accepting.timer, &worker->deadlines.timer,
                                  &worker->poll_timer,      &worker->drain_timer,
                                  &worker->crowd.timer,     &worker->spool.pool.timer};
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        int code = uv_timer_init(&worker->loop, timers[i]);
        if (code)
            return code;
    }
    worker->accepting.timer.data = worker;
    worker->poll_timer.data = worker;
    worker->drain_timer.data = worker;
    worker->crowd.timer.data = &worker->crowd;
    worker->spool.pool.timer.data = &worker->spool.pool;
    return 0;
}

static int worker_init(fw_worker *worker, const fw_settings *settings, fw_score *score)
{
    worker->score = score ? score : &worker->own_score;
    worker->pollset.loop = &worker->loop;
    worker->pollset.polled = on_polled;
    worker->pollset.owner = worker;
    worker->spool.settings = &worker->settings;
    worker->spool.open = &worker->table.open;
    worker->spool.pool.score = worker->score;
    worker->crowd.open = &worker->table.open;
    worker->crowd.score = worker->score;
    worker->deadlines.beat = &worker->beat;
    worker->deadlines.expired = fw__conn_expired;
    worker->deadlines.owner = worker;
    if (fw__forks_count() || fw__pollset_new(&worker->pollset))
        return FW_ESYSTEM;
    worker->read_buffer = malloc(FW_READ_SIZE);
    if (copy_settings(worker, settings) || !worker->read_buffer ||
        fw__batch_new(&worker->batch, &worker->settings))
        return FW_EMEMORY;
    fw__deadlines_new(&worker->deadlines, &worker->settings);
    worker->batch.debug = settings->debug > 0;
    if (settings->body_memory)
        fw_memory_reuse();
    fw_date_refresh(&worker->date, time(NULL), worker->settings.server);
    return 0;
}

static void close_handle(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(fw_worker *worker)
{
    uv_walk(&worker->loop, close_handle, NULL); /* those that were initialised */
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    uv_loop_close(&worker->loop);
}

/* libuv makes a pipe for its signals with the process's first loop, after the kernel's set, and calls
 * abort() when it cannot. So what a loop and our own set need is asked for first. 0 or errno's value. */
static int ask_for_descriptors(void)
{
    int ends[START_PIPES][2];
    int count = 0;
    while (count < START_PIPES && pipe(ends[count]) == 0)
        count++;
    int error = count < START_PIPES ? errno : 0;
    for (int i = 0; i < count; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
    return error;
}

/* The loop and the worker's handles in it; 0, or errno's value and there is no loop. */
static int loop_new(fw_worker *worker)
{
    int error = ask_for_descriptors();
    if (error == 0)
        error = -uv_loop_init(&worker->loop);
    if (error)
        return error;
    error = -timers_new(worker);
    if (error)
        close_loop(worker);
    return error;
}

fw_worker *fw_worker_new(const fw_settings *settings, fw_score *score)
{
    fw_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->thread = uv_thread_self();
    worker->health.generation = fw__fork_generation();
    worker->health.children = fw__fork_children();
    worker->pollset.fd = -1;
    fw_list_init(&worker->ready);
    fw_list_init(&worker->leaving);
    fw_list_init(&worker->closed);
    fw_list_init(&worker->spool.holders);
    fw_list_init(&worker->spool.waiting);
    fw__pool_new(&worker->spool.pool);
    int error = loop_new(worker);
    if (error) {
        free(worker);
        errno = error;
        return NULL;
    }
    if (worker_init(worker, settings, score)) {
        error = errno;
        fw_worker_free(worker);
        errno = error;
        return NULL;
    }
    return worker;
}

int fw_count(fw_worker *worker, fw_tally *tally)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    worker->tally = tally;
    fw__beat_of_loop(worker);
    worker->given_out = worker->beat;
    return 0;
}

int fw_remember(fw_worker *worker, fw_last *last)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    worker->last = last;
    return 0;
}

static void close_inherited(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Closed, and nothing else: the sets of epoll are shared with the parent, which still needs what is in them. */
int fw_let_go(fw_worker *worker)
{
    uint32_t at = 0;
    fw_conn *conn;
    if (!worker || worker->health.generation == fw__fork_generation())
        return FW_ESTATE;
    while ((conn = fw__table_next(&worker->table, &at)) != NULL) {
        close_inherited(&conn->socket.fd);
        if (conn->request.content)
            close_inherited(&conn->request.content->file);
        if (conn->request.sending)
            close_inherited(&conn->request.sending->file->fd);
    }
    for (int i = 0; i < worker->accepting.count; i++)
        close_inherited(&worker->accepting.listeners[i].fd);
    for (fw_folder *folder = worker->folders; folder; folder = folder->next)
        close_inherited(&folder->place.fd);
    if (worker->statics)
        fw__cache_let_go(&worker->statics->cache);
    close_inherited(&worker->pollset.fd);
    return 0;
}

void fw_worker_free(fw_worker *worker)
{
    if (!worker || worker->health.generation != fw__fork_generation() ||
        !fw__loop_works(&worker->loop))
        return; /* what is left is the parent's, or its loop cannot run any more */
    uint32_t at = 0;
    fw_conn *conn;
    while ((conn = fw__table_next(&worker->table, &at)) != NULL)
        fw__conn_cut(conn);
    fw__conns_free_closed(worker);
    fw__listeners_close(worker, false);
    for (int token = 0; token < FW_WATCHES; token++)
        (void)fw_unwatch(worker, token);
    close_loop(worker);
    fw__statics_free(worker->statics);
    fw__pool_clear(&worker->spool.pool);
    fw__pollset_free(&worker->pollset);
    if (worker->access_log)
        fw__access_log_free(worker->access_log);
    fw__folders_free(worker->folders);
    fw__shapes_free(&worker->shapes);
    fw__batch_free(&worker->batch);
    fw_buffer_clear(&worker->scratch);
    fw__known_heads_free(&worker->known_heads);
    fw__table_free(&worker->table);
    free(worker->read_buffer);
    free(worker->names);
    free((void *)(uintptr_t)worker->settings.server);
    free((void *)(uintptr_t)worker->settings.spool_directory);
    free((void *)(uintptr_t)worker->settings.ready_path);
    free(worker);
}

void fw_view_batch(const fw_worker *worker, fw_batch_view *view)
{
    const fw_batch *batch = &worker->batch;
    view->records = batch->records;
    view->record_words = FW_BATCH_RECORDS * FW_RECORD_WORDS + 1;
    view->text = batch->text;
    view->text_size = batch->text_size;
    view->content = batch->content;
    view->content_size = batch->content_size;
}

int fw_batch_count(const fw_worker *worker)
{
    return fw__batch_count(&worker->batch);
}

int fw_set_debug(fw_worker *worker, uint32_t level)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    worker->settings.debug = level;
    worker->batch.debug = level > 0;
    return 0;
}

int fw_serve_folder(fw_worker *worker, const char *prefix, size_t prefix_size, int fd,
                    const fw_folder_rules *rules)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    return fw__folder_add(&worker->folders, (fw_slice){prefix, prefix_size}, fd, rules);
}

int64_t fw_open_connections(const fw_worker *worker)
{
    return worker->table.open;
}

/* ---- Watched descriptors ----------------------------------------------------------------------------- */

/* Any event will do: an error is news too, and the next read tells of it. */
static void watch_polled(fw_worker *worker, int token)
{
    /* Once a batch: the kernel may be asked again and again in one turn. */
    fw_batch *batch = &worker->batch;
    unsigned bit = 1u << token;
    if (!worker->watches[token].used || !batch->filling || (batch->woken & bit))
        return;
    batch->woken |= bit;
    fw__batch_event(batch, FW_WAKE, token);
}

int fw_watch(fw_worker *worker, int fd)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    for (int token = 0; token < FW_WATCHES; token++) {
        fw_watched *watched = &worker->watches[token];
        if (watched->used)
            continue;
        if (fw__pollset_set(&worker->pollset, fd, FW_TOKEN_WATCH - token, 0, FW_POLL_READ))
            return FW_ESYSTEM;
        watched->fd = fd;
        watched->used = true;
        return token;
    }
    return FW_EFULL;
}

int fw_unwatch(fw_worker *worker, int token)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    if (token < 0 || token >= FW_WATCHES || !worker->watches[token].used)
        return FW_ESTATE;
    worker->watches[token].used = false;
    (void)fw__pollset_set(&worker->pollset, worker->watches[token].fd, 0, FW_POLL_READ, 0);
    return 0;
}

void fw__beat(fw_worker *worker)
{
    worker->beat = worker->score->beat = fw__clock(worker->tally != NULL);
}

void fw__beat_of_loop(fw_worker *worker)
{
    worker->beat = worker->score->beat = uv_now(&worker->loop);
}

/* ---- Drain ----------------------------------------------------------------------------------------------- */

static void on_drain_timer(uv_timer_t *timer)
{
    fw_worker *worker = timer->data;
    int closed = 0;
    uint32_t at = 0;
    fw_conn *conn;
    while ((conn = fw__table_next(&worker->table, &at)) != NULL) {
        if (conn->state != FW_CONN_IDLE || fw_link_linked(&conn->ready_link))
            continue;
        if (fw__pending(conn->socket.fd))
            fw__conn_queue(conn, FW_READY_READ); /* a request came in at the last moment */
        else if (++closed > FW_CROWD_TURN)
            break;
        else
            fw__conn_close(conn);
    }
    if (closed > FW_CROWD_TURN) /* the rest soon, after clients with a request */
        (void)uv_timer_start(timer, on_drain_timer, 1, DRAIN_MS);
}

int fw_set_ready(fw_worker *worker, int ready)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    worker->away = !ready || worker->stopping;
    worker->closing = worker->away || worker->draining || worker->renewing;
    return 0;
}

int64_t fw_renew_connections(fw_worker *worker)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    uint32_t at = 0;
    fw_conn *conn;
    while ((conn = fw__table_next(&worker->table, &at)) != NULL)
        conn->ends = true;
    worker->renewing = worker->renewing || worker->table.open > 0;
    worker->closing = worker->closing || worker->renewing;
    return worker->table.open;
}

int fw_drain(fw_worker *worker, int accept_rest, uint32_t linger_ms)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    worker->draining = worker->closing = true;
    worker->stopping = worker->stopping || accept_rest;
    worker->away = worker->away || worker->stopping;
    worker->group = worker->score->group = 0;
    fw__listeners_close(worker, accept_rest != 0);
    uv_update_time(&worker->loop); /* it stood still while the application worked */
    /* Repeated, because a connection may become idle a moment after the first look. */
    return uv_timer_start(&worker->drain_timer, on_drain_timer, linger_ms, DRAIN_MS) ? FW_ESYSTEM
                                                                                     : 0;
}

/* ---- The access log ---------------------------------------------------------------------------------------- */

int fw_set_access_format(fw_worker *worker, const char *program, size_t size)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    if (worker->access_log)
        return FW_ESTATE;
    return fw__access_log_new(&worker->access_log, program, size);
}

int fw_set_access_log(fw_worker *worker, int fd)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    return worker->access_log ? fw__access_log_open(worker->access_log, fd) : FW_ESTATE;
}

int64_t fw_flush_access_log(fw_worker *worker)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    int64_t lost = worker->access_log ? fw__access_log_flush(worker->access_log) : 0;
    if (lost > 0 && worker->tally)
        worker->tally->log_lost += (uint64_t)lost;
    return lost;
}

int fw_name_client(fw_worker *worker, int64_t connection, const char *client, size_t size)
{
    fw_conn *conn;
    int code = fw__find_given(worker, connection, &conn);
    if (code == 0 && conn->request.access)
        fw__access_client(conn->request.access, client, size);
    return code;
}
