/* conn/share.c -- how many connections a worker takes, and how many it leaves to others at the same sockets.
 * Without this the worker that is awake first takes all that keep-alive clients open at one moment, and keeps
 * them.
 * Owns:   nothing; looks at the scoreboard's rows of other workers.
 * Never:  writes into a row of others, waits for them: listener.c takes the clients that they leave. */
#include "conn/accepting.h"

/* The connections of the worker with the fewest, this one included, among some of the group; a free row has
 * group 0. Each row is a cache line that another processor has just written, so a few are looked at, other ones
 * each time. */
static uint64_t fewest(fw_peers *peers, uint64_t group, uint32_t open)
{
    uint64_t least = open;
    uint64_t now = fw_now();
    uint32_t looks = 0;
    for (uint32_t i = 0; i < peers->count && looks < FW_SHARE_LOOKS; i++) {
        uint32_t at = peers->next++ % peers->count;
        const volatile fw_score *peer = &peers->rows[at]; /* others write there */
        looks += peer->group == group;
        uint64_t busy_since = peer->busy_since;
        uint64_t connections = peer->connections;
        if (peer->group != group || connections >= least)
            continue;
        if (busy_since == 0 || (busy_since <= now && now - busy_since < FW_SHARE_BUSY_MS))
            least = connections;
    }
    return least;
}

uint32_t fw__share(fw_peers *peers, uint64_t group, uint32_t open, uint32_t burst)
{
    if (peers->count == 0 || open < FW_SHARE_AHEAD)
        return burst;
    uint64_t most = fewest(peers, group, open) + FW_SHARE_AHEAD;
    if (open >= most)
        return 0;
    return most - open < burst ? (uint32_t)(most - open) : burst;
}
