/* batch/in_hand.c -- which request the caller works on now, for whoever watches the scoreboard.
 * Owns:   batch->lines and batch->in_hand; the score's request_line.
 * Called: batch.c for each request, worker.c at the ends of a poll, response.c for each response.
 * A caller takes the requests of a batch in their order, so the one in hand is the first without an
 * response. Its line is copied when the one before it is answered: about a hundred bytes a request. */
#include "core.h"

#include <string.h>

void fw__in_hand_add(fw_conn *conn, fw_slice method, size_t target, size_t target_len)
{
    fw_batch *batch = &conn->worker->batch;
    fw_line *line = &batch->lines[batch->requests];
    line->connection = conn->id;
    line->target = target;
    line->target_len = target_len;
    line->method_len = method.len < FW_METHOD_KEPT ? method.len : FW_METHOD_KEPT;
    memcpy(line->method, method.at, line->method_len);
}

static void show(fw_worker *worker)
{
    const fw_batch *batch = &worker->batch;
    char *out = worker->score->request_line;
    size_t used = 0;
    if (batch->in_hand < batch->requests) {
        const fw_line *line = &batch->lines[batch->in_hand];
        memcpy(out, line->method, line->method_len);
        used = line->method_len;
        out[used++] = ' ';
        size_t room = FW_REQUEST_LINE - 1 - used;
        size_t len = line->target_len < room ? line->target_len : room;
        memcpy(out + used, batch->text + line->target, len);
        used += len;
    }
    out[used] = '\0';
}

void fw__in_hand_first(fw_worker *worker)
{
    worker->batch.in_hand = 0;
    show(worker);
}

void fw__in_hand_responded(fw_worker *worker, int64_t connection)
{
    fw_batch *batch = &worker->batch;
    if (batch->in_hand >= batch->requests || batch->lines[batch->in_hand].connection != connection)
        return; /* a response out of turn: by a stream of an earlier batch */
    batch->in_hand++;
    show(worker);
}

/* The last request of a batch stays the one in hand while its content streams. */
void fw__in_hand_begun(fw_worker *worker, int64_t connection)
{
    if (worker->batch.in_hand + 1 < worker->batch.requests)
        fw__in_hand_responded(worker, connection);
}
