/* conn/conn.h -- a client's connection, and what conn.c, request.c, own_responses.c and others do with it.
 *
 * Any function that is given a connection may close it: afterwards its state is FW_CONN_CLOSED, and its
 * memory is there until fw__conns_free_closed(), which fw_poll() calls while no function holds a connection.
 * A caller that goes on with the connection looks at conn->state. */
#ifndef FAPWS_CONN_H
#define FAPWS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "access/log.h"
#include "base/buffer.h"
#include "base/list.h"
#include "conn/accepting.h"
#include "conn/content.h"
#include "conn/deadline.h"
#include "conn/states.h"
#include "conn/static_files.h"
#include "http/parser.h"
#include "sys/sockets.h"

#define FW_AHEAD_MAX 16384 /* bytes read ahead of a response (a client that pipelines) */

typedef enum {
    FW_FRAME_NONE,   /* the response has no content */
    FW_FRAME_LENGTH, /* Content-Length */
    FW_FRAME_CHUNKED,
    FW_FRAME_CLOSE /* the end of the connection is the end of the content */
} fw_framing;

/* What is kept of a request until its response is complete, for those who ask. */
typedef struct {
    size_t len;       /* of its head, as it was received; 0: nobody has asked for it */
    uint8_t name_len; /* bytes of its name (request_names.h), which a NUL ends; 0: there is none */
    char bytes[];     /* the name with its NUL, if there is one, and the head */
} fw_kept_head;

/* What belongs to the request in hand; fw__request_reset() ends it. */
typedef struct {
    union {
        size_t seen;    /* until it is given out: bytes of conn->in that were FW_MORE already */
        uint64_t began; /* then: ms of the loop's clock at which it was */
    };
    fw_content *content; /* from FW_CONN_CONTENT on; in memory: until the request is given out */
    fw_kept_head *kept_head; /* NULL: nothing was asked for */
    fw_access *access;       /* what the access log will say; NULL: nothing */
    fw_sending *sending;     /* a file that the core serves, after conn->out; NULL: none */
    uint8_t minor;           /* HTTP/1.minor, as 0 or 1 */
    bool keep_alive;         /* the client wants to stay */
    bool is_head;            /* the method is HEAD, as far as it is known */
    bool late;               /* its head has got its extra time, see read_late() */
    bool direct;             /* its content, and what comes behind it, goes past conn->in */
    uint8_t place; /* with last requests: its place among them, once its response has begun */
} fw_request;

/* Whose response is on its way. */
typedef enum {
    FW_BY_APPLICATION,
    FW_BY_FILES,  /* a file that the core serves; counted as the application's responses are */
    FW_BY_CORE,   /* a refusal: more of the request may be on its way, and is thrown away */
    FW_BY_WORKER, /* the core's own to a request that was read whole: the client may stay */
    FW_BY_NOBODY  /* none: responses that conn->out still holds are sent, then it ends */
} fw_response_by;

/* What belongs to the response in hand; fw__response_reset() begins it. */
typedef struct {
    uint64_t left; /* FW_FRAME_LENGTH: content bytes to come; CHUNKED: of the chunk in hand */
    fw_framing framing : 8; /* a byte each: thousands of connections wait */
    fw_response_by by : 8;
    uint8_t digit;       /* the first of the status */
    bool last;           /* the connection ends with it */
    bool wants_writable; /* the program waits for FW_WRITABLE */
} fw_response;

/* What belongs to the descriptor, from accept to close. */
typedef struct {
    int32_t unsent; /* bytes in the kernel's send queue when FW_DEADLINE_WRITE was set */
    int fd;         /* -1: closed */
    uint8_t polled; /* FW_POLL_...: what the set waits for; 0: it does not know fd */
    bool ended;     /* the client has finished sending */
    bool bounded;   /* fw__bound_unsent() was called */
    bool joins;     /* the kernel may join pieces, see fw__join_pieces() */
} fw_client_socket;

/* What is known of a PROXY header (conn->proxy). */
typedef enum {
    FW_PROXY_NONE,    /* none is due; the connection or the header has named the peer */
    FW_PROXY_DUE,     /* it comes first */
    FW_PROXY_FOREIGN, /* it is due, but this address may not send one */
    FW_PROXY_NAMELESS /* it came and does not say who the client is: the peer stays the proxy */
} fw_proxy_state;

typedef struct fw_conn {
    struct fw_worker *worker;
    fw_listener *listener;
    int64_t id; /* see table.h */
    fw_conn_state state;
    fw_proxy_state proxy;
    fw_request request;
    fw_response response;
    fw_link ready_link; /* in worker->ready or ->leaving; FW_CONN_CLOSED: in ->closed */
    fw_deadline deadline;
    fw_buffer in;  /* bytes read and not used: part of a head, a whole head, pipelined requests */
    fw_buffer out; /* bytes to send before anything else */
    fw_client_socket socket;
    bool out_held; /* out waits for more to be sent with it, not for the socket */
    bool ends;     /* with its next response, see fw_renew_connections() */
    uint8_t ready; /* FW_READY_... while in worker->ready or worker->leaving */
    uint8_t peer_len;
    char peer[FW_PEER_SIZE]; /* REMOTE_ADDR "\n" REMOTE_PORT */
} fw_conn;

#define FW_READY_READ 1     /* the socket is readable */
#define FW_READY_WRITE 2    /* the socket is writable */
#define FW_READY_PIPELINE 4 /* in may hold another request */
#define FW_READY_LOST 8     /* the socket has an error */

/* The first step that states.c does not know. */
typedef struct {
    fw_conn_state from, to;
    enum { FW_FAULT_NONE, FW_FAULT_NOTED, FW_FAULT_TOLD } stage;
} fw_fault;

static inline fw_slice fw__conn_peer(const fw_conn *conn)
{
    fw_slice peer = {conn->peer, conn->peer_len};
    return peer;
}

/* ---- conn.c: from accept to close --------------------------------------------------------------- */
void fw__conn_open(fw_listener *listener, int fd, const struct sockaddr *address);
/* Closes the descriptor and takes the connection out of table, set and deadlines; conn stays readable, in
 * FW_CONN_CLOSED, until fw__conns_free_closed(). Does nothing to one that is closed. */
void fw__conn_close(fw_conn *conn);
/* The boundary: frees what was closed. Only where no function holds a connection. */
void fw__conns_free_closed(struct fw_worker *worker);
void fw__conn_cut(fw_conn *conn);      /* close, so that a response cut short cannot look whole */
void fw__conn_finished(fw_conn *conn); /* the client sends no more */
void fw__conn_lost(fw_conn *conn);     /* close, and FW_GONE if the caller holds a request of it */
void fw__conn_close_when_sent(fw_conn *conn); /* nothing more is read; out is flushed first */
/* One step of states.c. A step that it does not know is a mistake of the core's own: it is noted for the
 * log, once, and closes the connection. False then: the caller goes no further. */
bool fw__conn_enter(fw_conn *conn, fw_conn_state state);
void fw__conn_tell_fault(struct fw_worker *worker); /* an FW_FAULT record, if one is due */
void fw__response_reset(fw_conn *conn, fw_response_by by);
void fw__conn_listen(fw_conn *conn);                  /* tells the set what the state waits for */
void fw__conn_polled(fw_conn *conn, unsigned events); /* what the set says */
void fw__conn_responded(fw_conn *conn); /* the response is complete and with the kernel */
void fw__conn_queue(fw_conn *conn, uint8_t ready); /* to be looked at in the next fw_poll() */
void fw__conn_run_ready(fw_conn *conn);            /* what fw__conn_queue() promised */
void fw__conn_wait(fw_conn *conn, fw_deadline_kind kind); /* from now; NONE: as long as it takes */
void fw__conn_wait_to_send(fw_conn *conn); /* and notes what the kernel still holds */
bool fw__conn_expired(void *worker, fw_deadline *deadline); /* fw_expired of its deadlines */

/* ---- request.c: bytes of a client become a request ---------------------------------------------- */
void fw__request_bytes(fw_conn *conn, char *bytes,
                       size_t len);       /* new ones, in no buffer of its own */
void fw__request_next(fw_conn *conn);     /* bytes that wait in conn->in */
void fw__request_reset(fw_conn *conn);    /* it is over, or given up */
bool fw__request_continue(fw_conn *conn); /* says 100; false: the client is gone */
void fw__request_drop_content(fw_conn *conn);
void fw__request_let_go(fw_conn *conn); /* closes its temporary file, if there is one */
/* The bytes in conn->in: of a request that waits for its content, or behind the one in hand. */
static inline fw_slice fw__conn_in(const fw_conn *conn)
{
    return (fw_slice){fw_buffer_at(&conn->in), fw_buffer_len(&conn->in)};
}
bool fw__request_waits(fw_conn *conn); /* whether conn->in begins with a whole head, or a bad one */
/* While worker->closing: whether it ends with this response. behind: what the client has sent after its request; those
 * that were read already still get a response. */
bool fw__conn_ends(const fw_conn *conn, fw_slice behind);
void fw__request_whole(fw_conn *conn); /* the head in conn->in has its content: it is given out */

/* ---- own_responses.c: what the core answers by itself -------------------------------------------- */
/* Then a lingering close. */
void fw__request_refuse(fw_conn *conn, int code, fw_slice bytes);
/* The head of a request for ready_path was noted, and what follows it is in conn->in. */
void fw__tell_readiness(fw_conn *conn);

/* ---- left_content.c: content that stays in the socket ------------------------------------------------- */
/* Whether the application shall read what is missing of a content itself: its request is given out now.
 * expected: the client waits for 100 Continue. */
bool fw__content_give(fw_conn *conn, bool expected);
void fw__content_hold(
    fw_conn *conn); /* in FW_CONN_CONTENT: takes it at once later, if that is possible */
void fw__content_readable(fw_conn *conn); /* of FW_CONTENT_HELD: some of it, or its end, is there */
void fw__content_late(fw_conn *conn);     /* FW_DEADLINE_MARK has passed */
/* A read of a content gave came: bytes, which are counted, 0 for the client's end, or an error. */
void fw__content_count(fw_conn *conn, int64_t came);
/* The client has gone, or is too slow: true, and that was dealt with. */
bool fw__content_given_up(fw_conn *conn, int64_t came);
void fw__content_unmark(fw_conn *conn); /* the socket tells of each byte again */

/* ---- block_content.c: content that is received into a block of the pool ------------------------------- */
bool fw__block_begin(fw_conn *conn);    /* in FW_CONN_CONTENT; false: it is not for a block */
void fw__block_readable(fw_conn *conn); /* it has a block, or waits for one */
void fw__block_late(fw_conn *conn);

static inline bool fw__content_is(const fw_conn *conn, fw_content_place place)
{
    return conn->request.content && conn->request.content->place == place;
}

/* ---- kept_head.c ----------------------------------------------------------------------------------- */
void fw__kept_head_set(fw_conn *conn, fw_slice head); /* beside its name, if it has one */
void fw__kept_head_free(fw_conn *conn);
/* The connection while the program holds a request of it; FW_ETHREAD, FW_EGONE, FW_ESTATE. */
int fw__find_given(struct fw_worker *worker, int64_t id, fw_conn **found);

/* ---- outgoing.c: bytes to the socket ------------------------------------------------------------- */
/* Sends conn->out and then the pieces; the bytes of the pieces that the kernel took, or FW_EGONE. */
int64_t fw__out_send(fw_conn *conn, const struct iovec *pieces, int count);
int fw__out_flush(fw_conn *conn, bool more); /* sends conn->out as far as it goes; 0 or FW_EGONE */
int fw__out_keep(fw_conn *conn, const void *bytes, size_t len); /* for later; 0 or FW_EMEMORY */
void fw__out_writable(fw_conn *conn);

#endif
