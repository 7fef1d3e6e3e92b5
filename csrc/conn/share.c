/* conn/share.c -- how many connections a worker takes, and how many it leaves to others at the same sockets.
 * Without this the worker that is awake first takes all that keep-alive clients open at one moment, and keeps
 * them.
 * Owns:   nothing; looks at the scoreboard's rows of other workers.
 * Never:  writes into a row of others, waits for them: listener.c takes the clients that they leave. */
#include "conn/accepting.h"

/* The connections of the group's worker with the fewest, this one included; a free row has group 0. */
static uint64_t fewest(const fw_peers *peers, uint64_t group, uint32_t open)
{
    uint64_t least = open;
    uint64_t now = fw_now();
    for (uint32_t i = 0; i < peers->count; i++) {
        const volatile fw_score *peer = &peers->rows[i]; /* others write there */
        uint64_t busy_since = peer->busy_since;
        uint64_t connections = peer->connections;
        if (peer->group != group || connections >= least)
            continue;
        if (busy_since == 0 || (busy_since <= now && now - busy_since < FW_SHARE_BUSY_MS))
            least = connections;
    }
    return least;
}

uint32_t fw__share(const fw_peers *peers, uint64_t group, uint32_t open, uint32_t burst)
{
    if (peers->count == 0 || open < FW_SHARE_AHEAD)
        return burst;
    uint64_t most = fewest(peers, group, open) + FW_SHARE_AHEAD;
    if (open >= most)
        return 0;
    return most - open < burst ? (uint32_t)(most - open) : burst;
}
