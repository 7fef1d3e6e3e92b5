/* poll.c -- the poll that fills a batch: turns of the loop until there is something for the program.
 * Owns:   the order in which waiting connections, leaving ones and the system have their turn.
 * Never:  calls back into the program: what happens is told by the records of a batch. */
#include <errno.h>
#include <time.h>

#include "worker.h"

/* Batches filled by waiting connections alone before the loop is asked again. */
#define POLLS_OFF_LOOP 8

/* Time between two looks at the resident memory; each costs one to three system calls. */
#define WEIGH_MS 1000

static void on_poll_timer(uv_timer_t *timer)
{
    fw_worker *worker = timer->data;
    worker->poll_timed_out = true;
    uv_stop(timer->loop); /* it may fire before the loop waits for events: then it must not wait */
}

/* Connections that did not fit an earlier batch, or whose next request was read already. Those that
 * are queued meanwhile have their turn in the next poll. */
static void run_ready(fw_worker *worker)
{
    fw_list turn;
    fw_link *link;
    fw_list_init(&turn);
    while ((link = fw_list_first(&worker->ready)) != NULL) {
        fw_link_remove(link);
        fw_list_append(&turn, link);
    }
    while ((link = fw_list_first(&turn)) != NULL && !fw__batch_full(&worker->batch))
        fw__conn_run_ready(FW_CONTAINER(link, fw_conn, ready_link));
    /* What is left goes back to the front, in its order. */
    while ((link = turn.head.prev) != &turn.head) {
        fw_link_remove(link);
        fw_list_prepend(&worker->ready, link);
    }
}

/* A few at a time, because closing a connection costs more than serving a request. */
static void run_leaving(fw_worker *worker)
{
    fw_link *link;
    for (int i = 0; i < FW_CROWD_TURN && (link = fw_list_first(&worker->leaving)) != NULL; i++) {
        if (fw__batch_full(&worker->batch))
            return;
        fw_conn *conn = FW_CONTAINER(link, fw_conn, ready_link);
        fw__conn_run_ready(conn);
        fw__conn_listen(conn); /* it may have had more to say */
    }
}

/* The one place where the memory of closed connections goes: between two turns none is in use.
 * They made room, too, so that others may be accepted again. */
static void forget_closed(fw_worker *worker)
{
    if (fw_list_first(&worker->closed))
        fw__conns_free_closed(worker);
    if (worker->accepting.made_room)
        fw__listeners_update(worker);
    worker->accepting.made_room = false;
}

/* After a signal the turn ends, so that its handlers can run. Any other failure is for ever. */
static bool turn(fw_worker *worker, bool wait)
{
    bool more = fw__pollset_turn(&worker->pollset, wait);
    if (worker->pollset.error == EINTR)
        worker->poll_timed_out = true;
    else if (worker->pollset.error || worker->loop.data)
        fw__health_breaks(&worker->health, FW_EEVENTS);
    worker->pollset.error = 0;
    return more;
}

static void wait_for_records(fw_worker *worker, int timeout_ms)
{
    worker->poll_timed_out = false;
    if (timeout_ms > 0)
        uv_timer_start(&worker->poll_timer, on_poll_timer, (uint64_t)timeout_ms, 0);
    /* A turn may bring only part of a request, or nothing: then the poll waits on. */
    while (fw__batch_count(&worker->batch) == 0 && !worker->poll_timed_out &&
           !worker->health.broken) {
        bool waiting = fw_list_first(&worker->ready) || fw_list_first(&worker->leaving);
        if (!turn(worker, !waiting) && !waiting)
            break; /* nothing is left that could happen */
        run_ready(worker);
        run_leaving(worker);
        forget_closed(worker);
    }
    if (timeout_ms > 0)
        uv_timer_stop(&worker->poll_timer);
}

/* Resident memory, for the master, which limits it. */
static void weigh(fw_worker *worker)
{
    size_t rss;
    if (worker->beat < worker->weighed + WEIGH_MS)
        return;
    worker->weighed = worker->beat;
    if (uv_resident_set_memory(&rss) == 0)
        worker->score->rss = rss;
}

static void tell_lost_lines(fw_worker *worker)
{
    if (!worker->access_log || fw__batch_crowded(&worker->batch))
        return;
    uint64_t lost = fw__access_log_lost(worker->access_log);
    if (lost && worker->tally)
        worker->tally->log_lost += lost;
    if (lost)
        fw__batch_event(&worker->batch, FW_LOG_LOST, (int64_t)lost);
}

/* The application has done its work, or there was none. */
static void take_back(fw_worker *worker)
{
    uv_update_time(&worker->loop); /* it stood still meanwhile */
    fw__beat_of_loop(worker);
    worker->score->busy_since = 0;
    fw__request_line_none(worker->score);
    if (worker->tally)
        worker->tally->busy_ms += worker->beat - worker->given_out;
}

static void give_out(fw_worker *worker)
{
    fw__beat_of_loop(worker);
    worker->score->busy_since = worker->batch.requests ? worker->beat : 0;
    worker->given_out = worker->beat;
}

int fw_poll(fw_worker *worker, int timeout_ms)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    if (worker->health.broken)
        return worker->health.broken;
    take_back(worker);
    forget_closed(worker);
    fw__batch_start(&worker->batch);
    run_ready(worker);
    bool full = fw__batch_full(&worker->batch);
    if (full && worker->polls_off_loop < POLLS_OFF_LOOP) {
        worker->polls_off_loop++;
    } else {
        worker->polls_off_loop = 0;
        if (timeout_ms == 0 || fw__batch_count(&worker->batch) > 0)
            turn(worker, false);
        else
            wait_for_records(worker, timeout_ms);
        run_leaving(worker);
    }
    tell_lost_lines(worker);
    if (worker->fault.stage == FW_FAULT_NOTED)
        fw__conn_tell_fault(worker);
    fw__batch_end(&worker->batch);
    fw_date_refresh(&worker->date, time(NULL), worker->settings.server);
    give_out(worker);
    fw__request_line_first(&worker->batch, worker->score);
    weigh(worker);
    int count = fw__batch_count(&worker->batch);
    return count == 0 && worker->health.broken ? worker->health.broken : count;
}
