/* conn/share.c -- how many connections a worker takes, and how many it leaves to others at the same sockets.
 * Without this whoever is awake first takes all that keep-alive clients open at one moment, and keeps them.
 * Owns:   worker->peers, a part of the scoreboard: other workers' rows.
 * Called: by the program around the core at set-up, listener.c in each turn of accepting.
 * Never:  writes into a row of others, waits for them: listener.c takes whoever they leave. */
#include "core.h"

int fw_share(fw_worker *worker, const fw_score *rows, uint32_t count, uint64_t group)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    worker->peers = rows;
    worker->peer_count = count;
    worker->score->group = group;
    return 0;
}

/* Of the group's worker with the fewest, this one included; rows of nobody have group 0. */
static uint64_t fewest(const fw_worker *worker)
{
    uint64_t least = worker->open_count;
    uint64_t now = fw_now();
    for (uint32_t i = 0; i < worker->peer_count; i++) {
        const volatile fw_score *peer = &worker->peers[i]; /* others write there */
        uint64_t busy_since = peer->busy_since;
        if (peer->group != worker->score->group || peer->connections >= least)
            continue;
        if (busy_since == 0 || now < busy_since + FW_SHARE_BUSY_MS)
            least = peer->connections;
    }
    return least;
}

uint32_t fw__share(const fw_worker *worker)
{
    uint32_t burst = worker->settings.accept_burst;
    if (worker->peer_count == 0 || worker->open_count < FW_SHARE_AHEAD)
        return burst;
    uint64_t most = fewest(worker) + FW_SHARE_AHEAD;
    if (worker->open_count >= most)
        return 0;
    return most - worker->open_count < burst ? (uint32_t)(most - worker->open_count) : burst;
}
