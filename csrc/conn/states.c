/* conn/states.c -- which steps a connection may take.
 * Owns:   nothing; the tables are constant.
 * Never:  decides when: conn.c and its helpers do, and fw__conn_enter() asks here. */
#include "conn/states.h"

#define TO(state) (1u << FW_CONN_##state)

const uint16_t fw__conn_steps[FW_CONN_STATES] = {
    [FW_CONN_IDLE] = TO(HEAD) | TO(CONTENT) | TO(DISPATCHED) | TO(FLUSHING) | TO(CLOSED),
    [FW_CONN_HEAD] = TO(CONTENT) | TO(DISPATCHED) | TO(FLUSHING) | TO(CLOSED),
    [FW_CONN_CONTENT] = TO(DISPATCHED) | TO(FLUSHING) | TO(CLOSED),
    [FW_CONN_DISPATCHED] = TO(STREAMING) | TO(FLUSHING) | TO(IDLE) | TO(LINGERING) | TO(CLOSED),
    [FW_CONN_STREAMING] = TO(FLUSHING) | TO(IDLE) | TO(LINGERING) | TO(CLOSED),
    [FW_CONN_FLUSHING] = TO(IDLE) | TO(LINGERING) | TO(CLOSED),
    [FW_CONN_LINGERING] = TO(CLOSED),
    [FW_CONN_CLOSED] = 0,
};

static const char *const names[FW_CONN_STATES] = {
    [FW_CONN_IDLE] = "idle",           [FW_CONN_HEAD] = "head",
    [FW_CONN_CONTENT] = "content",     [FW_CONN_DISPATCHED] = "dispatched",
    [FW_CONN_STREAMING] = "streaming", [FW_CONN_FLUSHING] = "flushing",
    [FW_CONN_LINGERING] = "lingering", [FW_CONN_CLOSED] = "closed",
};

const char *fw__conn_state_name(fw_conn_state state)
{
    return names[state];
}
