/* conn/tally.c -- see tally.h. */
#include "conn/tally.h"

#define MS(n) ((n) * (uint64_t)1000000)

/* The bounds that OpenTelemetry has for the duration of HTTP requests. */
static const uint64_t bounds[FW_TALLY_BOUNDS] = {MS(5),    MS(10),   MS(25),   MS(50),   MS(75),
                                                 MS(100),  MS(250),  MS(500),  MS(750),  MS(1000),
                                                 MS(2500), MS(5000), MS(7500), MS(10000)};

static const uint8_t kinds[FW_CONN_STATES] = {
    [FW_CONN_IDLE] = 0,       [FW_CONN_HEAD] = 1,      [FW_CONN_CONTENT] = 1,
    [FW_CONN_DISPATCHED] = 2, [FW_CONN_STREAMING] = 2, [FW_CONN_FLUSHING] = 3,
    [FW_CONN_LINGERING] = 4,  [FW_CONN_CLOSED] = 5,
};

void fw__tally_opened(fw_tally *tally)
{
    tally->connections[kinds[FW_CONN_IDLE]]++;
}

void fw__tally_step(fw_tally *tally, fw_conn_state from, fw_conn_state to)
{
    tally->connections[kinds[from]]--;
    tally->connections[kinds[to]]++;
}

void fw__tally_responded(fw_tally *tally, unsigned digit, uint64_t ns)
{
    int place = 0;
    while (place < FW_TALLY_BOUNDS && ns > bounds[place])
        place++;
    tally->durations[place]++;
    tally->duration_ns += ns;
    if (digit < sizeof tally->classes / sizeof *tally->classes)
        tally->classes[digit]++;
}

void fw__tally_refused(fw_tally *tally, int code)
{
    if (code < 0 && -code < FW_TALLY_REASONS)
        tally->refused[-code]++;
}
