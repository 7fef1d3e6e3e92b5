/* fapws.h -- the whole surface of the C core. Everything else in csrc/ is private.
 *
 * The core serves HTTP/1.1 on libuv and knows no Python. A caller asks it for work with fw_poll()
 * and responds with fw_respond() or fw_begin()/fw_send()/fw_end(); the core never calls back.
 * Only the thread that created a worker may use it: any other gets FW_ETHREAD.
 * A child that was forked is another process: it gets FW_ETHREAD too, and fw_let_go() lets it be rid of what
 * it has inherited.
 *
 * tools/core_build.py hands the text between the two "cffi" marks to cffi unchanged, so what
 * Python believes and what C compiles cannot drift. Keep macros other than plain integer
 * constants out of that part.
 */
#ifndef FAPWS_H
#define FAPWS_H

#include <stddef.h>
#include <stdint.h>

/* cffi: begin */

/* ---- What a worker is made of ---------------------------------------------------------------- */

typedef struct fw_worker fw_worker;

/* Limits, in bytes, milliseconds or plain counts. A timeout of 0 is off. */
typedef struct {
    uint32_t max_header_size;   /* whole request head; above: 431 */
    uint32_t max_headers;       /* field lines in a head; above: 431 */
    uint32_t max_uri;           /* request target; above: 414 */
    uint32_t max_connections;   /* open at once; above: accepting pauses, the backlog waits */
    uint32_t max_descriptors;   /* the same for connections and temporary files together; 0: off */
    uint32_t spare_descriptors; /* beyond these, for the content of open connections */
    uint64_t max_body_size;     /* content of one request; above: 413 */
    uint64_t max_spool;         /* content of all requests in temporary files; above: 503; 0: off */
    uint32_t memory_body;       /* content kept in memory; above: an unlinked temporary file */
    uint64_t body_memory;       /* up to here content above memory_body waits in memory, too ... */
    uint64_t body_pool;         /* ... as long as that of all requests takes no more than this */
    uint32_t unbuffered;        /* 1: requests are given out before their content has come */
    uint32_t accept_burst;      /* connections accepted in one turn of the loop */
    uint32_t header_timeout;    /* ms, first byte of a head to its end: 408 */
    uint32_t body_timeout;      /* ms, between two pieces of content: 408 */
    uint32_t keepalive_timeout; /* ms, idle between requests: close */
    uint32_t write_timeout;     /* ms, no progress in sending: close */
    uint32_t min_body_rate;     /* bytes/s below which content comes too slowly; 0: off */
    uint32_t min_body_after;    /* ms over which min_body_rate counts: 408 */
    uint32_t debug;             /* 1 and above: FW_DEBUG records; FW_DEBUG_CONTENT: of all bytes */
    const char *server;         /* Server field value; NULL or "": no field; copied */
    const char *spool_directory; /* where temporary files are made; NULL: /tmp; copied */
    const char *
        ready_path; /* GET or HEAD of it asks whether clients may be sent here; NULL or "": none; copied */
    uint32_t log_ready; /* not 0: those responses are in the access log, too */
    uint64_t
        static_cache; /* bytes of memory for files of fw_serve_folder() that are kept; 0: none is */
} fw_settings;

#define FW_REQUEST_LINE 128 /* bytes of a request line in the scoreboard, with the NUL */

#define FW_DEBUG_CONTENT 3 /* the level of debug from which on a client's content may be shown */

/* Limits of the core itself that the program around it has to know, too. */
#define FW_FIELDS_MAX 256       /* the most that max_headers may be */
#define FW_LISTENERS_MAX 64     /* listening sockets of one worker */
#define FW_TRUSTED_MAX 64       /* networks that may send PROXY headers */
#define FW_ACCESS_PARTS_MAX 128 /* parts of an access log's format */
#define FW_ACCESS_FIELDS_MAX 32 /* header fields among them */

/* One worker's row of the scoreboard: shared memory, written by its worker only, read by the
 * master at any time. Every number is a naturally aligned 64-bit word, so no read is torn; the
 * text may be, which only its readers' eyes notice. */
typedef struct {
    uint64_t beat; /* ms of the monotonic clock (uv_hrtime / 10^6) at the last poll or response */
    uint64_t busy_since;  /* the same clock when the batch in hand was given out; 0 while polling */
    uint64_t requests;    /* heads that reached the application, or a file that the core serves */
    uint64_t responses;   /* responses given completely to the kernel */
    uint64_t refused;     /* responses the core gave itself (4xx, 5xx) */
    uint64_t connections; /* open now */
    uint64_t accepted;    /* ever */
    uint64_t in_flight;   /* requests with the application now */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t accept_pauses; /* times accepting paused for want of descriptors */
    uint64_t rss;      /* bytes of resident memory, weighed at most once a second; 0: unknown */
    uint64_t group;    /* whose sockets it listens on, see fw_share(); 0: shared with no worker */
    uint64_t gave_way; /* times accepting paused in favour of others of the group */
    uint64_t shut;     /* 1: takes no connection now, for want of room or in favour of others */
    uint64_t reserved[1];
    char request_line
        [FW_REQUEST_LINE]; /* method and target of the request in hand; NUL-terminated */
} fw_score;

#define FW_REASONS 96      /* codes of error.h are above minus this */
#define FW_TALLY_BOUNDS 14 /* of the histogram of durations, without infinity */
#define FW_TALLY_KINDS                                                                             \
    3 /* of connections: reading, sending, closing; the row tells of the others */

/* What one worker counts for metrics, in shared memory too, where somebody wants them: fw_count(). */
typedef struct {
    uint64_t
        classes[8]; /* complete responses of the application, by the first digit of the status */
    uint64_t
        duration_ms; /* of those, together: from the whole request to the end of the response */
    uint64_t durations[FW_TALLY_BOUNDS +
                       1]; /* how many took up to a bound, and more than the one before */
    uint64_t busy_ms;      /* with a batch in hand */
    uint64_t log_lost;     /* lines of the access log */
    uint64_t connections[FW_TALLY_KINDS]; /* now */
    uint64_t refused[FW_REASONS];         /* by the negated code */
    uint64_t reserved[3];
} fw_tally;

#define FW_LAST_REQUESTS 32 /* that a worker leaves for its crash record */
#define FW_LAST_TARGET 120  /* bytes of the target of each */
#define FW_LAST_LINE 140    /* bytes of its line: a method, a space, a target */

/* A request that has its response, or the head of one. */
typedef struct {
    int64_t connection;
    uint64_t ms;    /* from the whole request to the response; FW_LAST_GOES_ON: it has no end yet */
    char status[3]; /* digits */
    uint8_t line_len; /* bytes of line */
    char line[FW_LAST_LINE];
} fw_last_request;

/* A worker's last requests, in shared memory as well, for whoever wants to know why it died: fw_remember(). */
typedef struct {
    uint64_t count; /* ever; the next one goes to requests[count % FW_LAST_REQUESTS] */
    fw_last_request requests[FW_LAST_REQUESTS];
    uint64_t refused[FW_REASONS]; /* ever, by the negated code */
} fw_last;

#define FW_LAST_GOES_ON 0xFFFFFFFFFFFFFFFF

/* Both return NULL / negative code on failure. settings are copied. score may be NULL (the worker
 * then keeps a private one) and must outlive the worker otherwise. */
fw_worker *fw_worker_new(const fw_settings *settings, fw_score *score);
/* Before the first connection: counts there as well. tally must outlive the worker. */
int fw_count(fw_worker *worker, fw_tally *tally);
/* Before the first connection: keeps its last requests there. last must outlive the worker. */
int fw_remember(fw_worker *worker, fw_last *last);
/* Closes every connection and listener. Calls that a caller still makes for a worker that is gone are
 * refused with FW_ETHREAD if they are made for NULL. */
void fw_worker_free(fw_worker *worker);

/* In a child that was forked: closes its copies of the worker's sockets. The parent notices nothing, and the
 * worker can be used no more than before. FW_ESTATE in the process that made the worker. */
int fw_let_go(fw_worker *worker);

/* settings.debug for what happens from now on. */
int fw_set_debug(fw_worker *worker, uint32_t level);

/* Adopts a bound, listening stream socket (TCP or unix): made non-blocking, owned from now on.
 * Returns the listener's number, 0 and up, or a negative code. */
int fw_listen(fw_worker *worker, int fd);

/* Other workers listen on the same sockets: connections are left to those of the same group (not 0) that have
 * fewer. rows: what of the scoreboard is looked at, read-only, there for the worker's life. */
int fw_share(fw_worker *worker, const fw_score *rows, uint32_t count, uint64_t group);

/* Connections of this listener begin with a PROXY header, version 1 or 2; others are refused. */
int fw_expect_proxy(fw_worker *worker, int listener);
/* Allows a network to send PROXY headers, and to name requests: family 4 or 6 with an address in network order
 * and the length of its prefix, or family 0 for unix sockets. As long as none is named, every peer may send
 * PROXY headers, and none may name requests. */
int fw_trust(fw_worker *worker, int family, const unsigned char *address, unsigned prefix);

/* Watches a descriptor the caller keeps: an FW_WAKE record is given while it is readable (level
 * triggered, so read it empty). Returns a token for the record, 0 and up, or a negative code. */
int fw_watch(fw_worker *worker, int fd);
int fw_unwatch(fw_worker *worker, int token);

/* Begins the end: no more accepting, keep-alive ends with the next response, idle connections close
 * after linger_ms. accept_rest: first take what the backlog still holds (a service that stops);
 * otherwise the listeners are closed at once (a reload, others go on accepting).
 * fw_open_connections() tells when it is over. */
int fw_drain(fw_worker *worker, int accept_rest, uint32_t linger_ms);
/* Whether clients are to be sent here. If not, it serves on, and connections end with their next response. At
 * a stop (accept_rest above) it is not, and stays so. */
int fw_set_ready(fw_worker *worker, int ready);
/* Each connection that is open now ends with its next response, so that its client opens another one, at whatever
 * worker; none that is idle is closed, and later ones are kept as ever. Returns how many. */
int64_t fw_renew_connections(fw_worker *worker);
int64_t fw_open_connections(const fw_worker *worker);

typedef struct {
    const char *cache_control; /* the value of that field; "": there is none */
    const char *immutable;     /* names of files that never change: see csrc/static/names.h */
    size_t immutable_size;
    const char *types; /* media types that count before those built in: see csrc/static/types.h */
    size_t types_size;
    uint32_t
        links; /* symbolic links that are followed, if they stay in the folder: 0: none; 1: all; 2: those whose
                     * owner has what they lead to, too */
    uint32_t fallthrough; /* not 0: what is no file of the folder is the application's */
    uint32_t
        only_files; /* not 0, with fallthrough: also other methods than GET and HEAD, and folders without their
                          * slash */
} fw_folder_rules;

/* The core itself serves the files below a folder, under paths that are prefix or go on behind it with a slash;
 * the longest prefix counts. prefix: "" for all paths, or "/...", decoded, without a slash at its end (copied, as rules
 * are with what they point to). fd: of the folder; the core owns it if the result is 0. FW_ESTATE: that prefix has a
 * folder already. */
int fw_serve_folder(fw_worker *worker, const char *prefix, size_t prefix_size, int fd,
                    const fw_folder_rules *rules);

/* The access log, a line for each response. The program of its format is compiled from a text by
 * fapws/settings/access_format.py; csrc/access/log.c says what it looks like. FW_ESTATE: it is no program,
 * or there is one already. fw_set_access_log() begins to write to a descriptor, or goes on with another
 * one; it owns it from now on. Nothing waits for the log: what it does not take is lost and counted.
 * fw_flush_access_log() waits, 2 s at most, until all is written; lines lost since the last record. */
int fw_set_access_format(fw_worker *worker, const char *program, size_t size);
int fw_set_access_log(fw_worker *worker, int fd);
int64_t fw_flush_access_log(fw_worker *worker);
/* For a request that waits for its response: the client that a proxy has told of, as text (copied, escaped as
 * anything of a client). 0 also where no log is written; FW_ESTATE, FW_CLIENT_GONE as below. */
int fw_name_client(fw_worker *worker, int64_t connection, const char *client, size_t size);

/* From now on each request has a name (X-Request-ID): that of a peer that fw_trust() names, if it is a token of at
 * most so many bytes, else one that is made. It is in the access log, in FW_DEBUG records and in the core's own
 * responses; into the application's the caller puts it.
 * fw_request_name: that of a request that waits for its response, valid until that is complete; of any other
 * a new one, valid until the next call. NULL: requests have none. */
#define FW_REQUEST_ID_MAX 128
int fw_name_requests(fw_worker *worker);
const char *fw_request_name(fw_worker *worker, int64_t connection);

/* ---- Work: one poll, one batch --------------------------------------------------------------- */

/* Where the batch is found; the addresses stay the same for the worker's life, so a caller may wrap
 * them once. The contents are valid until the next fw_poll(). */
typedef struct {
    int64_t *records; /* [0]: bytes used in text (the caller may put a negative number there once it
                            has taken the batch); then FW_RECORD_WORDS words per record */
    size_t record_words; /* capacity, in words */
    char *text;          /* every record's fields, in order, joined by one "\n" (latin-1) */
    size_t text_size;    /* capacity, in bytes */
    char *content;       /* every request's in-memory content, in order, without separators */
    size_t content_size; /* capacity, in bytes */
} fw_batch_view;

void fw_view_batch(const fw_worker *worker, fw_batch_view *view);

/* The number of records that the last fw_poll() returned, for a caller that was interrupted and has lost
 * it; 0 before the first. */
int fw_batch_count(const fw_worker *worker);

/* Waits up to timeout_ms (-1: for ever, 0: not at all) and returns the number of records of a new
 * batch, 0 when there is nothing, or a negative code.
 *
 * A record is three words: KIND, CONNECTION, CONTENT. KIND says what its fields in text are:
 *   >= 0        a request whose environ keys are those of shape KIND (FW_SHAPE told them):
 *               path, query, target, remote address, remote port, then one value per field name.
 *               path is percent-decoded. CONTENT: bytes of content, 0 for none; FW_SPOOLED: take
 *               it with fw_take_content(); FW_UNREAD: read CONTENT_LENGTH bytes with one call of
 *               fw_read_content(), which will not wait; FW_COMING: read it with fw_read_content();
 *               FW_POOLED: take it with fw_take_memory().
 *   FW_REQUEST  the same for a request without a cached shape; before path stands one field more,
 *               the shape in the notation of FW_SHAPE.
 *   FW_REQUEST_RAW  as FW_REQUEST, but path is not decoded (its decoded form holds a line feed).
 *   FW_SHAPE    defines shape number CONNECTION. One field: METHOD ":" VERSION ":" LISTENER, then
 *               ":" NAME for each field line in the order received (names as the client wrote
 *               them). Replaces an earlier shape of that number. A "?" behind LISTENER: the PROXY
 *               header did not say who the client is, so the remote address is the proxy's own.
 *   FW_WRITABLE no field: a streaming response of CONNECTION may send again.
 *   FW_GONE     no field: CONNECTION's client left before its response was complete; forget it.
 *   FW_WAKE     no field: the watched descriptor with token CONNECTION is readable.
 *   FW_DEBUG    four fields: a token (of error.h for a refusal, "hidden_field" for a field that was
 *               left out; behind it " (request NAME)" where requests have names), the client's
 *               address and port, and the bytes in question, made printable.
 *   FW_LOG_LOST no field: CONNECTION lines of the access log were lost; it is written again.
 *   FW_STARVED  no field: accepting paused because no descriptor is left (told once a minute), or
 *               because it fails with the system's error CONNECTION.
 *   FW_SPOOL_FULL no field: content was refused because of max_spool or for want of a descriptor
 *               (told once a minute).
 *   FW_FAULT    two fields: a connection took a step that the core does not know, from one state to
 *               another (csrc/conn/states.h). It is closed. A mistake of the core's own, told once.
 * A shape repeats no name; Content-Type and Content-Length may occur. Fields that must not reach
 * the application (names with "_", Proxy) are left out.
 * 0 also when a signal came: its handlers may have something to do. A code below 0 is for ever: the worker can
 * hear no client any more. */
int fw_poll(fw_worker *worker, int timeout_ms);

#define FW_RECORD_WORDS 3
#define FW_REQUEST (-1)
#define FW_REQUEST_RAW (-2)
#define FW_SHAPE (-3)
#define FW_WRITABLE (-4)
#define FW_GONE (-5)
#define FW_WAKE (-6)
#define FW_STARVED (-7)
#define FW_DEBUG (-8)
#define FW_LOG_LOST (-9)
#define FW_SPOOL_FULL (-10)
#define FW_FAULT (-11)
#define FW_SPOOLED (-1)
#define FW_UNREAD (-2)
#define FW_COMING (-3)
#define FW_POOLED (-4)
#define FW_SHAPES 64 /* shape numbers are below this */

/* The descriptor of a spooled content, at offset 0; the caller owns it from now on. */
int fw_take_content(fw_worker *worker, int64_t connection);

/* The memory of a content of FW_POOLED, and its size; NULL when the client is gone. The caller owns it from now
 * on, until fw_release_memory(), which it may call after the request, on another thread, and with no worker (NULL)
 * when that is gone. */
char *fw_take_memory(fw_worker *worker, int64_t connection, uint64_t *size);
void fw_release_memory(fw_worker *worker, char *memory);

/* Content of FW_UNREAD and FW_COMING: up to size bytes of it (not 0), as soon as there are some; 0 when there
 * are no more. FW_MORE: a signal came first. Any other code: it cannot be read any more, and the request is over;
 * the core has told the client why, if it could (FW_EGONE: it has left). */
int64_t fw_read_content(fw_worker *worker, int64_t connection, char *room, size_t size);

/* For programs that want more of a request than its record says, as fapws3 offered it. Both are valid
 * until the response is complete (FW_ESTATE afterwards, FW_CLIENT_GONE when the connection is closed).
 * fw_connection_fd: the client's descriptor; it stays the core's.
 * fw_request_head: how many bytes *head has: from the request line to the empty line, as received.
 * Only heads of requests that are given out after fw_keep_heads() are there: it costs a copy of each,
 * so that other programs do without. FW_ESTATE also for a head that found no memory. */
int fw_keep_heads(fw_worker *worker);
int fw_connection_fd(fw_worker *worker, int64_t connection);
int64_t fw_request_head(fw_worker *worker, int64_t connection, const char **head);

/* ---- Responses --------------------------------------------------------------------------------- */

/* A head is given as fields joined by "\n": the status ("200 OK"), then name, value, name, value...
 * field_count is how many fields the caller joined: a field that smuggles a line feed makes the
 * counts differ and the head is refused. The core adds Date, Server, Connection and the framing.
 *
 * fw_respond: the whole response; content is everything there is. Content-Length is made if the head
 * has none. fw_begin: the head of a response whose content comes by fw_send() pieces and ends with
 * fw_end(); nothing is sent before the first piece or the end.
 *
 * fw_respond and fw_send return the bytes of content NOT taken plus notes (below): 0 means that
 * all is with the kernel or the core. For any rest the caller keeps the content, waits for
 * FW_WRITABLE and gives the rest to fw_send() first. fw_begin and fw_end return notes.
 * A rest counts from the end of what was given, excess beyond Content-Length included.
 * fw_begin_sized: as fw_begin for content whose length is known, if the head does not say it.
 * fw_send_file: as fw_send for bytes of a file, by sendfile where the system has it; what is beyond
 * Content-Length is left out silently. FW_ETRUNCATED when the file is shorter than that, FW_ESTATE
 * when the response is chunked.
 * fw_end is also due after the rest of an fw_respond().
 * fw_respond_file: fw_respond() with bytes of a file, at most FW_FILE_WHOLE; with fewer if it has become shorter.
 * Never a rest. FW_ESYSTEM: it cannot be read.
 *
 * Negative: nothing was sent and the request still waits for its response, except after FW_CLIENT_GONE:
 * the connection is closed, forget it. */
int64_t fw_respond(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                   size_t field_count, const char *content, size_t content_size);
int64_t fw_begin(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                 size_t field_count);
int64_t fw_begin_sized(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                       size_t field_count, uint64_t content_size);
int64_t fw_send(fw_worker *worker, int64_t connection, const char *piece, size_t piece_size);
int64_t fw_send_file(fw_worker *worker, int64_t connection, int file, int64_t offset,
                     uint64_t count);
int64_t fw_respond_file(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                        size_t field_count, int file, int64_t offset, size_t size);

#define FW_FILE_WHOLE 65536
int64_t fw_end(fw_worker *worker, int64_t connection);

/* An interim response ahead of the response itself (a status from 102 to 199, such as 103 Early Hints of
 * RFC 8297): sent at once, left out for clients of HTTP/1.0. The head is given as for fw_respond(). */
int64_t fw_inform(fw_worker *worker, int64_t connection, const char *head, size_t head_size,
                  size_t field_count);

/* Closes the connection at once, whatever is unsent, so that its client cannot take the response for
 * whole. No FW_GONE follows. */
int fw_abort(fw_worker *worker, int64_t connection);

/* Notes: bits above any length. */
#define FW_REST_MASK 0xFFFFFFFFFFFF
#define FW_NOTE_EXCESS 0x1000000000000 /* content beyond Content-Length was cut off */
#define FW_NOTE_SHORT 0x2000000000000  /* content ended before Content-Length: connection closed */
#define FW_NOTE_NO_CONTENT                                                                         \
    0x4000000000000                 /* this response has no content (HEAD, 204, 304): skip it */
#define FW_NOTE_HOP 0x8000000000000 /* a hop-by-hop field was left out */

/* ---- Errors ---------------------------------------------------------------------------------- */

#define FW_CLIENT_GONE (-1) /* FW_EGONE of error.h: the one code that callers treat apart */

/* Negative codes come from one table (error.h). NULL / 0 for a code that is none. */
const char *fw_error_name(int code); /* stable token, "bad_request_line" */
const char *fw_error_text(int code); /* a sentence for people */
int fw_error_status(int code);       /* the HTTP status the core responds with; 0: none */

/* OpenBSD's pledge(2), for this program, and unveil(2): two NULLs end the list. 0, or a negative code;
 * FW_ESTATE on other systems. */
int fw_pledge(const char *promises);
int fw_unveil(const char *path, const char *permissions);

/* User and group of the process at the other end of a unix socket: 1, 0 where the system does not tell, or a
 * negative code. */
int fw_peer_ids(int fd, uint32_t *user, uint32_t *group);

const char *fw_libuv_version(void);
const char *fw_pollset_name(void); /* what waits for descriptors: epoll, kqueue, or libuv */
uint64_t fw_now(void);             /* ms of the clock that the scoreboard uses */

/* A connection of a listening socket, non-blocking and close-on-exec; or -errno. */
int fw_accept(int listener);

/* To the system, what was freed and the C library keeps: as far as whole pages of it are free. */
void fw_memory_give_back(void);

/* The name under which ps shows this process; as far as the system lets us. 0 or a negative code. */
int fw_set_title(const char *title);

/* Ends this process with _exit(1) grace_ms after the end of the pipe whose read end fd is, whatever
 * it is doing then: a small thread of its own waits for it. The descriptor must stay open. A sentence goes
 * to standard error or, if that has no reader, to the file log ("": none; copied). */
int fw_guard_lifeline(int fd, uint32_t grace_ms, const char *log);

/* Writes to a log without ever waiting, and without making the descriptor non-blocking for others that have
 * it: how many bytes there was room for, or -1 if it cannot be written at all (no reader, a full disk). */
int64_t fw_write_now(int fd, const void *data, size_t len);

/* A handler of the signal is there that writes Python stacks to the socket fd: from now on they stand between an
 * "S" and a NUL, never inside a message of fw_send_message(), and in no other file that gets the
 * number fd. 0 or a negative code. Of one process; in the thread that receives signals. */
int fw_wrap_stacks(int signum, int fd);

/* Ends that. 1: the handler is the one that was wrapped again; 0: it was not ours any more, and stays. */
int fw_unwrap_stacks(int signum);

/* Sends the whole message, waiting where it must; any thread may. 0, or FW_ESYSTEM: nobody reads there. */
int fw_send_message(int fd, const void *data, size_t len);

/* cffi: end */

#endif
