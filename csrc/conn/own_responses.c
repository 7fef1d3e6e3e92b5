/* conn/own_responses.c -- what the core answers by itself: refusals, and whether clients may be sent here.
 * Owns:   what a refusal tells of the bytes that came.
 * Never:  decides what is refused: whoever reads the request does. */
#include <string.h>
#include <time.h>

#include "conn/conn.h"
#include "conn/last_requests.h"
#include "conn/request_names.h"
#include "conn/tally.h"
#include "error.h"
#include "http/ready.h"
#include "http/refusal.h"
#include "worker.h"

static fw_slice slice_of(const char *text)
{
    fw_slice slice = {text, strlen(text)};
    return slice;
}

/* Sends a whole response of the core's own making. */
static void send_own(fw_conn *conn, const char *response, size_t len)
{
    if (fw__out_keep(conn, response, len)) {
        fw__conn_lost(conn);
        return;
    }
    if (!fw__conn_enter(conn, FW_CONN_FLUSHING))
        return;
    fw__conn_wait_to_send(conn);
    fw__out_writable(conn);
}

/* ---- May clients be sent here? ------------------------------------------------------------------- */

/* Not ready, it closes, so that the balancer looks for another server at once. */
void fw__tell_readiness(fw_conn *conn)
{
    fw_worker *worker = conn->worker;
    char response[FW_READY_SIZE], room[FW_OWN_FIELDS];
    fw_readiness said = {
        .away = worker->away, .bodiless = conn->request.is_head, .minor = conn->request.minor != 0};
    said.close = said.away || !conn->request.keep_alive ||
                 (worker->closing && fw__conn_ends(conn, fw__conn_in(conn)));
    fw_date_refresh(&worker->date, time(NULL), worker->settings.server);
    size_t len = fw_ready_write(response, &said, fw__own_fields(conn, NULL, room));
    if (conn->request.access)
        fw__access_refused(conn->request.access, fw_ready_status(&said),
                           len - fw_ready_content(&said));
    if (worker->last)
        fw__last_own(worker->last, conn->id, fw_ready_status(&said),
                     said.bodiless ? slice_of("HEAD") : slice_of("GET"),
                     slice_of(worker->settings.ready_path));
    fw__response_reset(conn, FW_BY_WORKER);
    conn->response.last = said.close;
    send_own(conn, response, len);
}

/* ---- Refusals ------------------------------------------------------------------------------------ */

static void tell_full(fw_worker *worker)
{
    uint64_t now = uv_now(&worker->loop) + 1; /* never 0 */
    fw_spool *spool = &worker->spool;
    if (fw__batch_crowded(&worker->batch) || (spool->told && now - spool->told < FW_TELL_MS))
        return;
    spool->told = now;
    fw__batch_event(&worker->batch, FW_SPOOL_FULL, 0);
}

static size_t line_breaks_before(fw_slice bytes)
{
    size_t at = 0;
    while (at < bytes.len && at < 2 && (bytes.at[at] == '\r' || bytes.at[at] == '\n'))
        at++;
    return at;
}

/* Where the method ends, 0: there is none. Methods are capital letters. What follows a content that was longer than announced is content, too, and
 * seldom begins like one. */
static size_t method_begins(fw_slice bytes)
{
    size_t first = line_breaks_before(bytes), at = first;
    while (at < bytes.len && ((bytes.at[at] >= 'A' && bytes.at[at] <= 'Z') || bytes.at[at] == '-'))
        at++;
    bool ends = at < bytes.len && memchr(" \t\r\n", bytes.at[at], 4) != NULL;
    return ends && at > first ? at : 0;
}

/* What a refusal shows of the bytes that came: below FW_DEBUG_CONTENT never content, so a head up to its
 * empty line, or nothing at all. */
static fw_slice shown_of(const fw_worker *worker, fw_slice bytes)
{
    static const char none[] = "(it begins no request; debug = 3 shows it)";
    fw_slice hidden = {none, sizeof none - 1};
    if (worker->settings.debug >= FW_DEBUG_CONTENT || bytes.len == 0)
        return bytes;
    size_t at = method_begins(bytes);
    if (at == 0)
        return hidden;
    for (; at < bytes.len; at++) {
        size_t left = bytes.len - at;
        if (bytes.at[at] == '\n' && ((left > 1 && bytes.at[at + 1] == '\n') ||
                                     (left > 2 && memcmp(bytes.at + at + 1, "\r\n", 2) == 0))) {
            bytes.len = at + 1;
            break;
        }
    }
    return bytes;
}

static void log_refusal(fw_conn *conn, int code, size_t head_len, fw_slice bytes)
{
    fw_request *request = &conn->request;
    if (!request->access)
        request->access = fw__access_unreadable(conn->worker->access_log, bytes);
    if (conn->worker->names)
        (void)fw__request_name_noted(conn, NULL);
    if (request->access)
        fw__access_refused(request->access, fw_error_status(code), head_len);
}

static fw_slice next_word(fw_slice bytes, size_t at)
{
    while (at < bytes.len && (bytes.at[at] == ' ' || bytes.at[at] == '\t'))
        at++;
    size_t end = at;
    while (end < bytes.len && end - at < FW_LAST_TARGET && (unsigned char)bytes.at[end] > ' ')
        end++;
    return (fw_slice){bytes.at + at, end - at};
}

/* Its method and target, as far as bytes begin like a request; else those with which it was given out, or a
 * word that says that they are not known. */
static void remember_refusal(fw_conn *conn, int code, fw_slice bytes)
{
    fw_worker *worker = conn->worker;
    fw_slice method = slice_of("(unreadable)"), target = {NULL, 0};
    size_t end = method_begins(bytes);
    const fw_given_line *line =
        bytes.len ? NULL : fw__request_line_of(&worker->batch, worker->score, conn->id);
    if (line) {
        method = (fw_slice){line->method, line->method_len};
        target = (fw_slice){worker->batch.text + line->target, line->target_len};
    } else if (end) {
        size_t first = line_breaks_before(bytes);
        method = (fw_slice){bytes.at + first, end - first};
        target = next_word(bytes, end);
    }
    fw__last_own(worker->last, conn->id, fw_error_status(code), method, target);
    fw__last_refused(worker->last, code);
}

void fw__request_refuse(fw_conn *conn, int code, fw_slice bytes)
{
    fw_worker *worker = conn->worker;
    char response[FW_REFUSAL_SIZE], room[FW_OWN_FIELDS];
    bool bodiless = conn->request.is_head;
    worker->score->refused++;
    if (worker->tally)
        fw__tally_refused(worker->tally, code);
    if (worker->last)
        remember_refusal(conn, code, bytes);
    if (worker->names)
        worker->batch.name = fw__request_named(conn, NULL);
    if (worker->settings.debug)
        fw__batch_debug(&worker->batch, conn->id, fw__conn_peer(conn), fw_error_name(code),
                        shown_of(worker, bytes));
    if (code == FW_ESPOOL_FULL)
        tell_full(worker);
    fw_date_refresh(&worker->date, time(NULL), worker->settings.server);
    size_t len = fw_refusal_write(response, code, bodiless, fw__own_fields(conn, NULL, room));
    if (worker->access_log)
        log_refusal(conn, code, bodiless ? len : len - fw_refusal_content(code), bytes);
    fw__request_drop_content(conn);
    fw_buffer_clear(&conn->in);
    fw__response_reset(conn, FW_BY_CORE);
    send_own(conn, response, len);
}
