/* conn/crowd.c -- see crowd.h.
 * Owns:   the timer.
 * Never:  knows what a connection takes: their number is enough to know when a look is worth while.
 * A look costs a pass over the heap, so it is one for each time that three quarters of the most have gone. */
#include "conn/crowd.h"

#include <stdbool.h>

#include "sys/memory.h"

#define CROWD_LEAST 64u /* connections; what fewer have taken is not worth a look */
#define CROWD_MS 1000   /* from then on; the last ones shall have gone too */

static bool has_gone(const fw_crowd *crowd)
{
    return crowd->most >= CROWD_LEAST && *crowd->open <= crowd->most / 4;
}

static void on_crowd_timer(uv_timer_t *timer)
{
    fw_crowd *crowd = timer->data;
    size_t rss;
    if (!has_gone(crowd))
        return; /* the next one has come meanwhile */
    crowd->most = *crowd->open;
    fw_memory_give_back();
    if (uv_resident_set_memory(&rss) == 0)
        crowd->score->rss = rss;
}

void fw__crowd_left(fw_crowd *crowd, uint32_t gone)
{
    if (*crowd->open + gone > crowd->most)
        crowd->most = *crowd->open + gone;
    if (has_gone(crowd) && !uv_is_active((const uv_handle_t *)&crowd->timer))
        (void)uv_timer_start(&crowd->timer, on_crowd_timer, CROWD_MS, 0);
}
