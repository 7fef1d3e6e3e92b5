/* conn/deadline.c -- when something has waited long enough.
 * Owns:   the lists of fw_deadlines (the oldest of a kind is always the next due), and the one timer behind
 *         them all.
 * Never:  knows what waits: the owner's expired() decides what happens. */
#include "conn/deadline.h"

#define GRAIN_MS 20 /* deadlines this close together are served by one wake-up */

static void on_deadline(uv_timer_t *timer);

/* The loop's own time stands still while the application works; its responses are stamped. */
static uint64_t present(const fw_deadlines *all)
{
    uint64_t now = uv_now(all->timer.loop);
    return *all->beat > now ? *all->beat : now;
}

static void arm(fw_deadlines *all, uint64_t due)
{
    uint64_t now = uv_now(all->timer.loop);
    all->armed = due;
    uv_timer_start(&all->timer, on_deadline, due > now ? due - now + GRAIN_MS : 1, 0);
}

static void arm_earliest(fw_deadlines *all)
{
    uint64_t earliest = 0;
    for (int kind = 0; kind < FW_DEADLINE_KINDS; kind++) {
        fw_link *first = fw_list_first(&all->lists[kind]);
        if (!first)
            continue;
        uint64_t due = FW_CONTAINER(first, fw_deadline, link)->due;
        if (earliest == 0 || due < earliest)
            earliest = due;
    }
    all->armed = 0;
    if (earliest)
        arm(all, earliest);
}

/* False when the owner can take no more, or too many are due at once: the rest comes with the next turn. */
static bool expire_kind(fw_deadlines *all, fw_deadline_kind kind, uint64_t now)
{
    fw_link *first;
    int expired = 0;
    while ((first = fw_list_first(&all->lists[kind])) != NULL) {
        fw_deadline *deadline = FW_CONTAINER(first, fw_deadline, link);
        if (deadline->due > now)
            return true;
        if (++expired > FW_CROWD_TURN || !all->expired(all->owner, deadline))
            return false;
    }
    return true;
}

static void on_deadline(uv_timer_t *timer)
{
    fw_deadlines *all = timer->data;
    uint64_t now = uv_now(timer->loop);
    for (int kind = 0; kind < FW_DEADLINE_KINDS; kind++)
        if (!expire_kind(all, (fw_deadline_kind)kind, now))
            break;
    arm_earliest(all);
    uv_stop(timer->loop); /* this may have made records: the loop must not wait for more */
}

void fw__deadlines_new(fw_deadlines *all, const fw_settings *settings)
{
    for (int kind = 0; kind < FW_DEADLINE_KINDS; kind++)
        fw_list_init(&all->lists[kind]);
    all->waits[FW_DEADLINE_HEAD] = settings->header_timeout;
    all->waits[FW_DEADLINE_CONTENT] = settings->body_timeout;
    all->waits[FW_DEADLINE_IDLE] = settings->keepalive_timeout;
    all->waits[FW_DEADLINE_WRITE] = settings->write_timeout;
    all->waits[FW_DEADLINE_LINGER] = FW_LINGER_MS;
    all->waits[FW_DEADLINE_MARK] = FW_MARK_MS;
    all->waits[FW_DEADLINE_TURN] = FW_TURN_MS;
    all->timer.data = all;
}

void fw__deadline_clear(fw_deadline *deadline)
{
    fw_link_remove(&deadline->link);
}

void fw__deadline_set(fw_deadlines *all, fw_deadline *deadline, fw_deadline_kind kind)
{
    fw_link_remove(&deadline->link);
    if (kind == FW_DEADLINE_NONE || all->waits[kind] == 0)
        return;
    deadline->kind = kind;
    deadline->due = present(all) + all->waits[kind];
    fw_list_append(&all->lists[kind], &deadline->link);
    if (all->armed == 0 || deadline->due < all->armed)
        arm(all, deadline->due);
}
