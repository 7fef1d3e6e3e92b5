/* response/response.h -- what the files of the way back share; private to them. */
#ifndef FAPWS_RESPONSE_H
#define FAPWS_RESPONSE_H

#include "conn/conn.h"
#include "fapws.h"

#define FW_HELD_MAX 65536 /* bytes of responses held back or left over for one connection */

/* ---- response.c ------------------------------------------------------------------------------------ */
int fw__response_find(fw_worker *worker, int64_t id, fw_conn_state state, fw_conn **found);
int64_t fw__response_lost(fw_conn *conn); /* closes; FW_EGONE */
/* For FW_WRITABLE if there is a rest; returns the rest. */
int64_t fw__response_wait(fw_conn *conn, uint64_t rest);

/* ---- response_head.c: the head of a response -------------------------------------------------------- */
typedef struct {
    bool sized; /* in: content_size is all there is; out: unchanged */
    uint64_t content_size;
    int64_t declared;   /* out: Content-Length of the application, -1: none */
    int64_t notes;      /* out: FW_NOTE_HOP */
    bool close;         /* out: the application wants the connection closed */
    fw_framing framing; /* out */
} fw_response_head;
/* Writes the head into worker->scratch and sets conn->response.last. 0 or a code. */
int fw__head_build(fw_conn *conn, const char *fields, size_t size, size_t count,
                   fw_response_head *response);
int fw__head_inform(fw_conn *conn, const char *fields, size_t size, size_t count);

#endif
