/* conn/states.h -- the states of a connection. The steps from each to others are the table in states.c.
 * docs/architecture.md has the picture, made from both by tools/core_map.py. */
#ifndef FAPWS_STATES_H
#define FAPWS_STATES_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    FW_CONN_IDLE,       /* nothing of the next request has come */
    FW_CONN_HEAD,       /* part of a head is in conn->in */
    FW_CONN_CONTENT,    /* the whole head is in conn->in, the content is coming */
    FW_CONN_DISPATCHED, /* the application has the request */
    FW_CONN_STREAMING,  /* the response has begun and comes piece by piece */
    FW_CONN_FLUSHING,   /* the response is complete, part of it waits for the socket */
    FW_CONN_LINGERING,  /* the last response is out; what the client still sends is thrown away */
    FW_CONN_CLOSED      /* only the memory is left, until fw__conns_free_closed() */
} fw_conn_state;

#define FW_CONN_STATES (FW_CONN_CLOSED + 1)

extern const uint16_t fw__conn_steps[FW_CONN_STATES]; /* a bit for each state that may follow */

static inline bool fw__conn_may_enter(fw_conn_state from, fw_conn_state to)
{
    return (fw__conn_steps[from] >> to & 1u) != 0;
}

const char *fw__conn_state_name(fw_conn_state state);

#endif
