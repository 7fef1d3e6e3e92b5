/* batch/request_line.c -- which request the caller works on now, for readers of the scoreboard.
 * Owns:   batch->lines and batch->current; the score's request_line.
 * A caller takes the requests of a batch in their order, so the one that it works on is the first without a
 * response. Its line is copied when the one before it has its response: about a hundred bytes a request. */
#include <string.h>

#include "batch/batch.h"

void fw__request_line_add(fw_batch *batch, int64_t connection, fw_slice method, size_t target,
                          size_t target_len)
{
    fw_given_line *line = &batch->lines[batch->requests];
    line->connection = connection;
    line->target = target;
    line->target_len = target_len;
    line->method_len = method.len < FW_METHOD_KEPT ? method.len : FW_METHOD_KEPT;
    memcpy(line->method, method.at, line->method_len);
}

static void show(fw_batch *batch, fw_score *score)
{
    char *out = score->request_line;
    size_t used = 0;
    if (batch->current < batch->requests) {
        const fw_given_line *line = &batch->lines[batch->current];
        memcpy(out, line->method, line->method_len);
        used = line->method_len;
        out[used++] = ' ';
        size_t room = FW_REQUEST_LINE - 1 - used;
        size_t len = line->target_len < room ? line->target_len : room;
        memcpy(out + used, batch->text + line->target, len);
        used += len;
    }
    out[used] = '\0';
    batch->shown = used;
}

void fw__request_line_first(fw_batch *batch, fw_score *score)
{
    batch->current = 0;
    show(batch, score);
}

/* One that was left without a response, because its client has gone, does not hold the others up. */
const fw_given_line *fw__request_line_seek(fw_batch *batch, fw_score *score, int64_t connection)
{
    for (unsigned at = batch->current; at < batch->requests; at++) {
        if (batch->lines[at].connection != connection)
            continue;
        batch->current = at;
        show(batch, score);
        return &batch->lines[at];
    }
    return NULL;
}

void fw__request_line_responded(fw_batch *batch, fw_score *score)
{
    batch->current++;
    show(batch, score);
}

/* The last request of a batch stays the current one while its content streams. */
void fw__request_line_begun(fw_batch *batch, fw_score *score)
{
    if (batch->current + 1 < batch->requests)
        fw__request_line_responded(batch, score);
}
