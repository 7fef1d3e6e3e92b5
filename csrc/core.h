/* core.h -- the private types that the files of the core share, and a table of contents: the
 * prototypes stand under the file that defines them. Nothing outside csrc/ includes this. */
#ifndef FAPWS_CORE_H
#define FAPWS_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/buffer.h"
#include "http/chunked.h"
#include "error.h"
#include "fapws.h"
#include "base/list.h"
#include "http/parser.h"
#include "http/proxy.h"
#include "conn/states.h"
#include "sys/pollset.h"

_Static_assert(FW_CLIENT_GONE == FW_EGONE, "fapws.h and error.h must agree");

/* ---- Limits of the core itself ---------------------------------------------------------------- */

#define FW_READ_SIZE 65536    /* bytes; the loop's one read buffer */
#define FW_HELD_MAX 65536     /* bytes of responses held back or left over for one connection */
#define FW_CROWD 64           /* requests in hand; beyond that large responses are bounded ... */
#define FW_UNSENT_MAX 16384   /* ... to so many bytes in the kernel beyond the client's window */
#define FW_AHEAD_MAX 65536    /* bytes read ahead of a response (a client that pipelines) */
#define FW_BATCH_REQUESTS 64  /* requests given out by one poll */
#define FW_BATCH_BYTES 262144 /* bytes of text, or of content, after which a batch is full */
#define FW_BATCH_RECORDS 256  /* records of any kind */
#define FW_COPY_MAX 4096      /* bytes of content cheaper to copy behind the head than to writev */
#define FW_FIELDS_MAX 256     /* upper bound of max_headers */
#define FW_WATCHES 8          /* descriptors a caller may have watched */
#define FW_LISTENERS 64       /* listening sockets of one worker */
#define FW_LINGER_MS 2000     /* how long a refused client may go on sending before the close */
#define FW_STARVED_MS 100     /* accepting pauses this long when descriptors run out */
#define FW_SHARE_AHEAD 4      /* connections that a worker may have more than another ... */
#define FW_SHARE_MS 1         /* ... beyond them it leaves the others so long to come first */
#define FW_SHARE_PATIENCE 4   /* pauses in a row before twice as many are taken after the next */
#define FW_SHARE_BUSY_MS 20   /* who has worked for longer on a batch is not waited for */
#define FW_TELL_MS 60000      /* FW_STARVED and FW_SPOOL_FULL records come no oftener */
#define FW_ACCEPT_FAILURES 16 /* of clients in a row; then accepting pauses after each */
#define FW_TRUSTED 64         /* networks that may send PROXY headers */
#define FW_DEBUG_BYTES 200    /* of a request, in an FW_DEBUG record */
#define FW_PEER_SIZE 56       /* "address\nport" of a client; the longest IPv6 text has 45 bytes */

/* ---- Deadlines: one FIFO per kind, because all members of a kind wait equally long ------------- */

typedef enum {
    FW_DEADLINE_HEAD,
    FW_DEADLINE_CONTENT,
    FW_DEADLINE_IDLE,
    FW_DEADLINE_WRITE,
    FW_DEADLINE_LINGER,
    FW_DEADLINE_KINDS,
    FW_DEADLINE_NONE = FW_DEADLINE_KINDS
} fw_deadline_kind;

typedef struct {
    fw_link link;
    uint64_t due;          /* ms, uv_now() */
    fw_deadline_kind kind; /* meaningful while linked */
} fw_deadline;

/* ---- A connection ------------------------------------------------------------------------------ */

typedef enum {
    FW_FRAME_NONE,   /* the response has no content */
    FW_FRAME_LENGTH, /* Content-Length */
    FW_FRAME_CHUNKED,
    FW_FRAME_CLOSE /* the end of the connection is the end of the content */
} fw_framing;

/* The content of a request while it comes in. */
typedef struct {
    fw_buffer memory;
    int64_t left;         /* Content-Length: bytes still to come */
    uint64_t size;        /* bytes received so far, decoded */
    uint64_t window;      /* ms, uv_now() when its rate began to be measured */
    uint64_t window_size; /* size then */
    int spool;            /* descriptor of the unlinked temporary file, -1: all is in memory */
    bool chunked;
    fw_chunked decoder;
} fw_content;

typedef struct fw_listener fw_listener;
typedef struct fw_access fw_access; /* of one request, see access.h */
typedef struct fw_access_log fw_access_log;

typedef struct {
    size_t len;
    char bytes[];
} fw_kept_head;

/* What belongs to the request in hand; fw__request_reset() ends it. */
typedef struct {
    size_t seen;             /* bytes of conn->in that fw_parse_head() has already called FW_MORE */
    fw_content *content;     /* in FW_CONN_CONTENT and until the spooled content is taken */
    fw_kept_head *kept_head; /* NULL: nobody asked for it */
    fw_access *access;       /* what the access log will say; NULL: nothing */
    uint64_t spooled;        /* bytes of content in a temporary file, until it is answered */
    uint8_t minor;           /* HTTP/1.minor, as 0 or 1 */
    bool keep_alive;         /* the client wants to stay */
    bool is_head;            /* the method is HEAD, as far as it is known */
    bool late;               /* its head was given more time, see read_late() */
} fw_request;

/* Whose response is on its way. */
typedef enum {
    FW_BY_APPLICATION,
    FW_BY_CORE,  /* a refusal: more of the request may be on its way, and is thrown away */
    FW_BY_NOBODY /* none: what conn->out holds of earlier ones is sent, then it is over */
} fw_response_by;

/* What belongs to the response in hand; fw__response_reset() begins it. */
typedef struct {
    uint64_t left; /* FW_FRAME_LENGTH: content bytes to come; CHUNKED: of the chunk in hand */
    fw_framing framing : 8; /* a byte each: thousands of connections wait */
    fw_response_by by : 8;
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
    FW_PROXY_NONE,    /* none is due, and the peer is whoever the connection or the header says */
    FW_PROXY_DUE,     /* it comes first */
    FW_PROXY_FOREIGN, /* it is due, but this address may not send one */
    FW_PROXY_NAMELESS /* it came and does not say who the client is: the peer stays the proxy */
} fw_proxy_state;

/* The first step that conn/states.h does not know. */
typedef struct {
    fw_conn_state from, to;
    enum { FW_FAULT_NONE, FW_FAULT_NOTED, FW_FAULT_TOLD } stage;
} fw_fault;

typedef struct fw_conn {
    struct fw_worker *worker;
    fw_listener *listener;
    int64_t id; /* generation and table index, see table.c */
    fw_conn_state state;
    fw_proxy_state proxy;
    fw_request request;
    fw_response response;
    fw_link ready_link; /* in worker->ready; FW_CONN_CLOSED: in worker->closed */
    fw_deadline deadline;
    fw_buffer in;  /* bytes read and not used: part of a head, a whole head, pipelined requests */
    fw_buffer out; /* bytes to send before anything else */
    fw_client_socket socket;
    bool out_held; /* out waits for more to be sent with it, not for the socket */
    uint8_t ready; /* FW_READY_... while in worker->ready */
    uint8_t peer_len;
    char peer[FW_PEER_SIZE]; /* REMOTE_ADDR "\n" REMOTE_PORT */
} fw_conn;

#define FW_READY_READ 1     /* the socket is readable */
#define FW_READY_WRITE 2    /* the socket is writable */
#define FW_READY_PIPELINE 4 /* in may hold another request */
#define FW_READY_LOST 8     /* the socket has an error */

/* ---- Who may send PROXY headers ---------------------------------------------------------------- */

typedef struct {
    int family; /* 4, 6, or 0: unix */
    unsigned prefix;
    unsigned char address[16];
} fw_network;

/* ---- Listener, watch, shapes, batch ------------------------------------------------------------ */

struct fw_listener {
    struct fw_worker *worker;
    int fd; /* -1: closed or never used */
    int number;
    bool armed;
    bool proxy; /* its connections begin with a PROXY header */
};

typedef struct {
    int fd;
    bool used; /* the caller watches it */
} fw_watched;

typedef struct {
    uint64_t hash;      /* of the text; 0: empty slot */
    uint64_t candidate; /* hash that missed here last: admitted when it comes again */
    char *text;         /* METHOD:VERSION:LISTENER:NAME:NAME... */
    size_t len;
} fw_shape;

#define FW_METHOD_KEPT 16

typedef struct {
    int64_t connection;
    size_t target; /* where in the batch's text */
    size_t target_len;
    size_t method_len;
    char method[FW_METHOD_KEPT];
} fw_line; /* of a request that was given out */

typedef struct {
    int64_t *records;
    size_t words; /* used in records, with record [0] */
    char *text;
    size_t text_size;
    size_t text_used;
    char *content;
    size_t content_size;
    size_t content_used;
    char *shape; /* scratch: the text of the shape in hand */
    size_t shape_size;
    unsigned requests;
    unsigned in_hand; /* the first of lines that has no response yet */
    fw_line lines[FW_BATCH_REQUESTS];
    unsigned woken;  /* bit per token: its FW_WAKE is in this batch */
    char length[24]; /* scratch: the Content-Length of a decoded content */
    bool filling;    /* between the start and the end of an fw_poll() */
} fw_batch;

/* ---- The worker -------------------------------------------------------------------------------- */

struct fw_worker {
    uv_loop_t loop; /* the timers */
    fw_pollset pollset;
    uv_thread_t thread;
    fw_settings settings; /* server and spool_directory point to own copies */
    fw_score *score;
    fw_score own_score;

    fw_listener listeners[FW_LISTENERS];
    int listener_count;
    uv_timer_t accept_timer; /* resumes accepting after a pause */
    bool accept_paused;
    bool made_room;        /* something was closed: others may be accepted again */
    const fw_score *peers; /* see share.c */
    uint32_t peer_count;
    unsigned gave_way;        /* pauses in a row after which a client still waited */
    uint64_t starved_told;    /* uv_now() of the last FW_STARVED record; 0: never */
    unsigned accept_failures; /* in a row, for other reasons than want of descriptors */
    uint64_t spooled;         /* bytes of content in temporary files */
    uint32_t spools;          /* their number */
    uint64_t spool_told;      /* uv_now() of the last FW_SPOOL_FULL record; 0: never */

    fw_conn **table; /* see table.c */
    uint32_t *generations;
    uint32_t *free_indexes;
    uint32_t table_size;
    uint32_t free_count;
    uint32_t open_count;

    fw_network trusted[FW_TRUSTED]; /* who may send PROXY headers; none: everybody */
    int trusted_count;

    fw_list ready;  /* connections with something to do that did not fit a batch */
    fw_list closed; /* connections of which only the memory is left */
    fw_fault fault;
    fw_list deadlines[FW_DEADLINE_KINDS];
    uint32_t waits[FW_DEADLINE_KINDS]; /* ms; 0: off */
    uv_timer_t deadline_timer;
    uint64_t deadline_armed; /* when deadline_timer fires; 0: not armed */

    uv_timer_t poll_timer; /* bounds one fw_poll() */
    bool poll_timed_out;
    uint64_t weighed;        /* when score->rss was written, in its beat's clock */
    bool keep_heads;         /* fw_keep_heads() was called */
    unsigned polls_off_loop; /* polls in a row that were filled from ready alone */

    uv_timer_t drain_timer;
    bool draining;

    fw_watched watches[FW_WATCHES];
    fw_shape shapes[FW_SHAPES];
    fw_batch batch;
    fw_head head; /* the head being parsed; its slices die with the bytes */
    fw_field fields[FW_FIELDS_MAX];
    fw_head_limits head_limits;

    fw_access_log *access_log; /* NULL: there is none */
    char *read_buffer;         /* FW_READ_SIZE bytes, shared by all connections */
    fw_buffer scratch;         /* the response being put together */
    time_t date_second;
    char standing[192]; /* "Server: ...\r\nDate: ...\r\n" of date_second */
    size_t standing_len;
    size_t date_at; /* where in standing the Date field begins */
};

/* ---- worker.c ---------------------------------------------------------------------------------- */
bool fw__on_thread(const fw_worker *worker);

/* ---- worker.c for sys/pollset_*.c --------------------------------------------------------------- */
/* What a token of the set means: a connection's number, or one of these. */
#define FW_TOKEN_LISTENER (-1)                            /* and below, by the listener's number */
#define FW_TOKEN_WATCH (FW_TOKEN_LISTENER - FW_LISTENERS) /* and below, by the watch's token */
void fw__polled(fw_worker *worker, int64_t token, unsigned events);
int fw__timers_wait(fw_worker *worker); /* ms until the next one is due; -1: there is none */
bool fw__timers_run(fw_worker *worker); /* those that are due; whether there are others */

/* ---- sys/socket.c: what differs between operating systems --------------------------------------- */
int fw__accept(int listener, struct sockaddr *address,
               socklen_t *len); /* non-blocking, CLOEXEC; or -errno */
/* Bytes sent, FW_EGONE, or FW_MORE: would block. more: something else follows at once. */
ssize_t fw__send(int fd, const struct iovec *pieces, int count, bool more);
ssize_t fw__recv(int fd, void *room,
                 size_t len);            /* bytes, 0: end, FW_EGONE, or FW_MORE: nothing there */
bool fw__pending(int fd);                /* whether bytes have come that nobody has read */
bool fw__join_pieces(int fd, bool join); /* TCP_NODELAY off or on; false: not a TCP socket */
int fw__set_nonblocking(int fd);
int64_t
fw__unsent(int fd); /* bytes the kernel holds that the client has not taken; -1: not known */
void fw__bound_unsent(int fd); /* the kernel takes no more than FW_UNSENT_MAX ahead of the client */
void fw__reset_on_close(int fd); /* the next close() sends RST, so a response cut short looks cut */
int fw__temporary_file(const char *directory); /* unlinked, CLOEXEC; -1 on failure */
/* Bytes of a file to a socket: how many, 0 at the file's end, FW_MORE, FW_EGONE or FW_ESYSTEM. */
int64_t fw__sendfile(fw_worker *worker, int socket, int file, int64_t offset, size_t count);
size_t fw__format_peer(const struct sockaddr *address,
                       char *text); /* "address\nport" into FW_PEER_SIZE */

/* ---- share.c ----------------------------------------------------------------------------------- */
uint32_t fw__share(const fw_worker *worker); /* connections to accept now; 0: others come first */

/* ---- listener.c -------------------------------------------------------------------------------- */
void fw__listener_polled(fw_listener *listener);
void fw__listeners_update(fw_worker *worker); /* pauses or resumes accepting as room asks for */
void fw__listeners_close(fw_worker *worker, bool accept_rest);

/* ---- table.c: connections by number ------------------------------------------------------- */
int fw__table_add(fw_worker *worker, fw_conn *conn); /* sets conn->id; 0 or FW_EMEMORY */
void fw__table_remove(fw_worker *worker, fw_conn *conn);
fw_conn *fw__table_find(const fw_worker *worker, int64_t id); /* NULL: gone */

/* ---- conn.c: from accept to close --------------------------------------------------------------- */
void fw__conn_open(fw_listener *listener, int fd, const struct sockaddr *address);
/* Closes the descriptor and takes the connection out of table, set and deadlines; conn stays readable, in
 * FW_CONN_CLOSED, until fw__conns_free_closed(). Does nothing to one that is closed. */
void fw__conn_close(fw_conn *conn);
/* The boundary: frees what was closed. Only where nobody holds a connection. */
void fw__conns_free_closed(fw_worker *worker);
void fw__conn_cut(fw_conn *conn);  /* close, and no response that is not whole looks so */
void fw__conn_lost(fw_conn *conn); /* close, and FW_GONE if the caller holds a request of it */
void fw__conn_close_when_sent(fw_conn *conn); /* nothing more is read; out is flushed first */
/* One step of conn/states.h. A step that is not in its table is a mistake of the core's own: it is noted for
 * the log, once, and closes the connection. False then: the caller goes no further. */
bool fw__conn_enter(fw_conn *conn, fw_conn_state state);
void fw__conn_tell_fault(fw_worker *worker); /* an FW_FAULT record, if one is due */
void fw__response_reset(fw_conn *conn, fw_response_by by);
void fw__conn_listen(fw_conn *conn);                  /* tells the set what the state waits for */
void fw__conn_polled(fw_conn *conn, unsigned events); /* what the set says */
void fw__conn_responded(fw_conn *conn); /* the response is complete and with the kernel */
void fw__conn_queue(fw_conn *conn, uint8_t ready); /* to be looked at in the next fw_poll() */
void fw__conn_run_ready(fw_conn *conn);            /* what fw__conn_queue() promised */
void fw__conn_expired(fw_conn *conn, fw_deadline_kind kind);

/* ---- request.c: bytes of a client become a request ---------------------------------------------- */
void fw__request_bytes(fw_conn *conn, char *bytes, size_t len); /* new bytes, in read_buffer */
void fw__request_next(fw_conn *conn);                           /* bytes that wait in conn->in */
void fw__request_reset(fw_conn *conn);                          /* it is over, or given up */
bool fw__request_waits(fw_conn *conn); /* whether conn->in begins with a whole head, or a bad one */
void fw__request_refuse(fw_conn *conn, int code,
                        fw_slice bytes); /* the core's own response, then lingering close */

/* ---- kept_head.c ----------------------------------------------------------------------------------- */
void fw__kept_head_set(fw_conn *conn, fw_slice head); /* only with worker->keep_heads */
void fw__kept_head_free(fw_conn *conn);
/* The connection while the program holds a request of it; FW_ETHREAD, FW_EGONE, FW_ESTATE. */
int fw__find_asked(fw_worker *worker, int64_t id, fw_conn **found);

/* ---- trust.c ------------------------------------------------------------------------------------- */
bool fw__trusted(const fw_worker *worker, const struct sockaddr *address);

/* ---- content.c ----------------------------------------------------------------------------------- */
fw_content *fw__content_new(const fw_head *head, uint64_t now);
/* RFC 9110 15.5.9: whether a content that is not complete comes too slowly to wait for. */
bool fw__content_slow(const fw_worker *worker, fw_content *content);
void fw__content_free(fw_content *content);
void fw__spool_release(fw_conn *conn); /* closes the temporary file, which counts no more */
/* Takes bytes; *len becomes how many were used. FW_MORE, 0: complete, or an error code. */
int fw__content_take(fw_conn *conn, char *bytes, size_t *len);

/* ---- outgoing.c: bytes to the socket ------------------------------------------------------------- */
/* Sends conn->out and then the pieces; the bytes of the pieces that the kernel took, or FW_EGONE. */
int64_t fw__out_send(fw_conn *conn, const struct iovec *pieces, int count);
int fw__out_flush(fw_conn *conn, bool more); /* sends conn->out as far as it goes; 0 or FW_EGONE */
int fw__out_keep(fw_conn *conn, const void *bytes, size_t len); /* for later; 0 or FW_EMEMORY */
void fw__out_writable(fw_conn *conn);

/* ---- response.c ------------------------------------------------------------------------------------ */
int fw__response_find(fw_worker *worker, int64_t id, fw_conn_state state, fw_conn **found);
int64_t fw__response_lost(fw_conn *conn); /* closes; FW_EGONE */
int64_t fw__response_wait(fw_conn *conn,
                          size_t rest); /* for FW_WRITABLE if there is a rest; rest */

/* ---- response_head.c: the head of a response -------------------------------------------------------- */
typedef struct {
    bool sized; /* in: content_size is all there is; out: unchanged */
    uint64_t content_size;
    int64_t declared;   /* out: Content-Length of the application, -1: none */
    int64_t notes;      /* out: FW_NOTE_HOP */
    fw_framing framing; /* out */
} fw_response_head;
/* Writes the head into worker->scratch and sets conn->response.last. 0 or a code. */
int fw__head_build(fw_conn *conn, const char *fields, size_t size, size_t count,
                   fw_response_head *response);
int fw__head_inform(fw_conn *conn, const char *fields, size_t size, size_t count);
void fw__head_standing(fw_worker *worker); /* refreshes Server and Date, once a second */
size_t fw__head_refusal(fw_worker *worker, int code, bool is_head, char *out, size_t size);

/* ---- log.c: all but the first and the last two only while conn->request.access is there ----------- */
void fw__access_request(fw_conn *conn, const fw_head *head); /* only with worker->access_log */
void fw__access_refused(fw_conn *conn, int code, size_t len, fw_slice bytes); /* likewise */
void fw__access_head(fw_conn *conn, const char *status, size_t head_len);
void fw__access_interim(fw_conn *conn, size_t len); /* of what was sent, so much is no content */
void fw__access_sent(fw_conn *conn, size_t len);    /* sent, or kept to be sent */
void fw__access_cut(fw_conn *conn, int status);     /* not whole; status, if none was said */
void fw__access_responded(fw_conn *conn);           /* writes the line */
void fw__access_closed(fw_conn *conn);              /* the same, before the response was whole */
void fw__access_tell(fw_worker *worker);            /* an FW_LOG_LOST record, if one is due */
void fw__access_free(fw_worker *worker);

/* ---- batch.c, shapes.c --------------------------------------------------------------------------- */
int fw__batch_new(fw_worker *worker);
void fw__batch_free(fw_worker *worker);
void fw__batch_start(fw_worker *worker);
bool fw__batch_full(const fw_worker *worker);
bool fw__batch_crowded(const fw_worker *worker); /* no room for another event either */
void fw__batch_event(fw_worker *worker, int64_t kind, int64_t connection);
void fw__batch_debug(fw_conn *conn, const char *token, fw_slice bytes);
void fw__batch_fault(fw_worker *worker, const char *from, const char *to);
void fw__batch_request(fw_conn *conn, const fw_head *head);
/* The number of the cached shape of text, or -1. *define: the caller must be told first. */
int fw__shape_find(fw_worker *worker, const char *text, size_t len, bool *define);
void fw__shapes_free(fw_worker *worker);

/* ---- in_hand.c: the request_line of the scoreboard ----------------------------------------------- */
void fw__in_hand_add(fw_conn *conn, fw_slice method, size_t target, size_t target_len);
void fw__in_hand_first(fw_worker *worker);
void fw__in_hand_responded(fw_worker *worker, int64_t connection);
void fw__in_hand_begun(fw_worker *worker, int64_t connection); /* more of it will come */

/* ---- deadline.c ---------------------------------------------------------------------------------- */
int fw__deadlines_new(fw_worker *worker);
void fw__deadline_set(fw_conn *conn, fw_deadline_kind kind); /* from now; NONE: no deadline */
void fw__deadline_write(
    fw_conn *conn); /* FW_DEADLINE_WRITE, and notes what the kernel still holds */
/* Whether the client has taken bytes since then: a socket becomes writable only when a good part of
 * its buffer is free, so "not writable" alone does not mean "no progress". */
bool fw__deadline_progress(const fw_conn *conn);

#endif
