/* conn/request_names.c -- see request_names.h.
 * Owns:   worker->names; the name in conn->request.kept_head, until the response is complete.
 * Never:  believes a name of a peer that is not among the trusted networks, or one that is no token. */
#include "conn/request_names.h"

#include <stdlib.h>
#include <string.h>

#include "conn/conn.h"
#include "error.h"
#include "sys/random.h"
#include "worker.h"

#define FIELD "X-Request-ID: "

static void make_name(fw_names *names, char made[FW_NAME_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    if (names->left == 0) {
        fw__random(names->random, sizeof names->random);
        names->left = FW_NAMES_AT_ONCE;
    }
    const unsigned char *bytes = names->random + --names->left * FW_NAME_BYTES;
    for (size_t i = 0; i < FW_NAME_BYTES; i++) {
        *made++ = hex[bytes[i] >> 4];
        *made++ = hex[bytes[i] & 15];
    }
    *made = '\0';
}

/* The one that the peer gives and may give; empty: there is none. Two fields are none. */
static fw_slice given_name(const fw_conn *conn, const fw_head *head)
{
    const fw_slice none = {"", 0};
    const fw_field *found = NULL;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!fw_slice_is(head->fields[i].name, "x-request-id", 12))
            continue;
        if (found)
            return none;
        found = &head->fields[i];
    }
    if (!found || found->value.len > FW_REQUEST_ID_MAX || !fw_is_token(found->value) ||
        conn->proxy == FW_PROXY_NAMELESS ||
        !fw__trusts_peer(&conn->worker->trusted, fw__conn_peer(conn)))
        return none;
    return found->value;
}

static fw_slice kept_name(const fw_conn *conn)
{
    const fw_kept_head *kept = conn->request.kept_head;
    fw_slice name = {"", 0};
    if (kept && kept->name_len)
        name = (fw_slice){kept->bytes, kept->name_len};
    return name;
}

fw_slice fw__request_named(fw_conn *conn, const fw_head *head)
{
    fw_names *names = conn->worker->names;
    fw_slice name = kept_name(conn);
    if (name.len)
        return name;
    if (head)
        name = given_name(conn, head);
    if (name.len == 0) {
        make_name(names, names->spare);
        name = (fw_slice){names->spare, FW_NAME_SIZE - 1};
    }
    fw_kept_head *kept = malloc(sizeof *kept + name.len + 1);
    if (!kept) { /* the request itself lacks nothing */
        if (name.at != names->spare)
            make_name(names, names->spare);
        return (fw_slice){names->spare, FW_NAME_SIZE - 1};
    }
    kept->len = 0;
    kept->name_len = (uint8_t)name.len;
    memcpy(kept->bytes, name.at, name.len);
    kept->bytes[name.len] = '\0';
    conn->request.kept_head = kept;
    return kept_name(conn);
}

fw_slice fw__request_name_noted(fw_conn *conn, const fw_head *head)
{
    fw_slice name = fw__request_named(conn, head);
    if (conn->request.access)
        fw__access_name(conn->request.access, name.at, name.len);
    return name;
}

fw_slice fw__own_fields(fw_conn *conn, const fw_head *head, char room[FW_OWN_FIELDS])
{
    const fw_date *date = &conn->worker->date;
    if (!conn->worker->names)
        return (fw_slice){date->text, date->len};
    fw_slice name = fw__request_named(conn, head);
    char *at = room;
    memcpy(at, date->text, date->len);
    at += date->len;
    memcpy(at, FIELD, sizeof FIELD - 1);
    at += sizeof FIELD - 1;
    memcpy(at, name.at, name.len);
    at += name.len;
    memcpy(at, "\r\n", 2);
    return (fw_slice){room, (size_t)(at + 2 - room)};
}

int fw_name_requests(fw_worker *worker)
{
    if (!fw__on_thread(worker))
        return FW_ETHREAD;
    if (!worker->names)
        worker->names = calloc(1, sizeof *worker->names);
    return worker->names ? 0 : FW_EMEMORY;
}

const char *fw_request_name(fw_worker *worker, int64_t connection)
{
    fw_conn *conn;
    int code = fw__find_given(worker, connection, &conn);
    if (code == FW_ETHREAD || !worker->names)
        return NULL;
    if (code == 0)
        return fw__request_named(conn, NULL).at;
    make_name(worker->names, worker->names->spare);
    return worker->names->spare;
}
