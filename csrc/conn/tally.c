/* conn/tally.c -- see tally.h. */
#include "conn/tally.h"

/* ms; the bounds that OpenTelemetry has for the duration of HTTP requests. */
static const uint64_t bounds[FW_TALLY_BOUNDS] = {
    FW_TALLY_FIRST, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};

#define NOT_COUNTED FW_TALLY_KINDS

static const uint8_t kinds[FW_CONN_STATES] = {
    [FW_CONN_IDLE] = NOT_COUNTED,
    [FW_CONN_HEAD] = 0,
    [FW_CONN_CONTENT] = 0,
    [FW_CONN_DISPATCHED] = NOT_COUNTED,
    [FW_CONN_STREAMING] = NOT_COUNTED,
    [FW_CONN_FLUSHING] = 1,
    [FW_CONN_LINGERING] = 2,
    [FW_CONN_CLOSED] = NOT_COUNTED,
};

void fw__tally_step(fw_tally *tally, fw_conn_state from, fw_conn_state to)
{
    if (kinds[from] != NOT_COUNTED)
        tally->connections[kinds[from]]--;
    if (kinds[to] != NOT_COUNTED)
        tally->connections[kinds[to]]++;
}

unsigned fw__tally_place(uint64_t ms)
{
    unsigned place = 0;
    while (place < FW_TALLY_BOUNDS && ms > bounds[place])
        place++;
    return place;
}

void fw__tally_refused(fw_tally *tally, int code)
{
    if (code < 0 && -code < FW_REASONS)
        tally->refused[-code]++;
}
