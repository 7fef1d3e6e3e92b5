/* conn/deadline.c -- when a connection has waited long enough.
 * Owns:   worker->deadlines, one FIFO list per kind (all members of a kind wait equally long, so the
 *         oldest is always the next due), and the one timer behind them.
 * Called: conn.c and its helpers on every change of state; libuv when the timer fires.
 * Never:  closes a connection itself: fw__conn_expired() decides. */
#include "core.h"

#include <string.h>

#define GRAIN_MS 20 /* deadlines this close together are served by one wake-up */

static void on_deadline(uv_timer_t *timer);

/* The loop's own time stands still while the application works; its responses are stamped. */
static uint64_t present(const fw_worker *worker)
{
    uint64_t now = uv_now(&worker->loop);
    return worker->score->beat > now ? worker->score->beat : now;
}

static void arm(fw_worker *worker, uint64_t due)
{
    uint64_t now = uv_now(&worker->loop);
    worker->deadline_armed = due;
    uv_timer_start(&worker->deadline_timer, on_deadline, due > now ? due - now + GRAIN_MS : 1, 0);
}

static void arm_earliest(fw_worker *worker)
{
    uint64_t earliest = 0;
    for (int kind = 0; kind < FW_DEADLINE_KINDS; kind++) {
        fw_link *first = fw_list_first(&worker->deadlines[kind]);
        if (!first)
            continue;
        uint64_t due = FW_CONTAINER(first, fw_deadline, link)->due;
        if (earliest == 0 || due < earliest)
            earliest = due;
    }
    worker->deadline_armed = 0;
    if (earliest)
        arm(worker, earliest);
}

/* False when the batch filled up: the rest comes with the next turn. */
static bool expire_kind(fw_worker *worker, fw_deadline_kind kind, uint64_t now)
{
    fw_link *first;
    while ((first = fw_list_first(&worker->deadlines[kind])) != NULL) {
        fw_deadline *deadline = FW_CONTAINER(first, fw_deadline, link);
        if (deadline->due > now)
            return true;
        if (fw__batch_crowded(worker))
            return false;
        fw_link_remove(first);
        fw__conn_expired(FW_CONTAINER(deadline, fw_conn, deadline), kind);
    }
    return true;
}

static void on_deadline(uv_timer_t *timer)
{
    fw_worker *worker = timer->data;
    uint64_t now = uv_now(&worker->loop);
    for (int kind = 0; kind < FW_DEADLINE_KINDS; kind++)
        if (!expire_kind(worker, (fw_deadline_kind)kind, now))
            break;
    arm_earliest(worker);
    uv_stop(timer->loop); /* records may have come of it: the loop must not wait for more */
}

int fw__deadlines_new(fw_worker *worker)
{
    const fw_settings *settings = &worker->settings;
    for (int kind = 0; kind < FW_DEADLINE_KINDS; kind++)
        fw_list_init(&worker->deadlines[kind]);
    worker->waits[FW_DEADLINE_HEAD] = settings->header_timeout;
    worker->waits[FW_DEADLINE_CONTENT] = settings->body_timeout;
    worker->waits[FW_DEADLINE_IDLE] = settings->keepalive_timeout;
    worker->waits[FW_DEADLINE_WRITE] = settings->write_timeout;
    worker->waits[FW_DEADLINE_LINGER] = FW_LINGER_MS;
    worker->deadline_timer.data = worker;
    return uv_timer_init(&worker->loop, &worker->deadline_timer);
}

void fw__deadline_write(fw_conn *conn)
{
    conn->socket.unsent = (int32_t)fw__unsent(conn->socket.fd);
    fw__deadline_set(conn, FW_DEADLINE_WRITE);
}

bool fw__deadline_progress(const fw_conn *conn)
{
    int64_t unsent = fw__unsent(conn->socket.fd);
    return unsent >= 0 && unsent < conn->socket.unsent;
}

void fw__deadline_set(fw_conn *conn, fw_deadline_kind kind)
{
    fw_worker *worker = conn->worker;
    fw_link_remove(&conn->deadline.link);
    if (kind == FW_DEADLINE_NONE || worker->waits[kind] == 0)
        return;
    conn->deadline.kind = kind;
    conn->deadline.due = present(worker) + worker->waits[kind];
    fw_list_append(&worker->deadlines[kind], &conn->deadline.link);
    if (worker->deadline_armed == 0 || conn->deadline.due < worker->deadline_armed)
        arm(worker, conn->deadline.due);
}
