/* response/known_heads.h -- heads of responses that were checked before, as the application gave them. */
#ifndef FAPWS_KNOWN_HEADS_H
#define FAPWS_KNOWN_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FW_KNOWN_HEADS 16
#define FW_KNOWN_HEAD_MAX 1024 /* bytes; a longer one is not kept */

/* What checking a head has shown. */
typedef struct {
    const char *status; /* three digits of the text in hand */
    int64_t declared;   /* Content-Length, -1: none */
    int64_t notes;      /* FW_NOTE_HOP */
    bool close;         /* the application wants the connection closed */
    bool has_date;
    bool has_server;
    bool bodiless;   /* 204 and 304 */
    bool no_content; /* 204, where RFC 9110 8.6 forbids Content-Length too */
    bool reset;      /* 205: no content, and a Content-Length that says so (RFC 9110 15.3.6) */
    bool upgrade;    /* 426 with its Upgrade field, which Connection has to name (RFC 9110 7.8) */
} fw_head_facts;

typedef struct {
    uint64_t hash;      /* of the text; 0: empty */
    uint64_t candidate; /* hash that missed here last: kept when it comes again */
    size_t count;       /* of fields in the text */
    size_t text_len;
    size_t lines_len;
    char *bytes; /* the text, and behind it the lines that were made of it */
    fw_head_facts facts;
} fw_known_head;

typedef struct {
    fw_known_head places[FW_KNOWN_HEADS];
} fw_known_heads;

/* Writes the lines of a text that is known to out (with room for them, see fw__head_build()) and its facts; the
 * bytes written, 0: it is not known. *hash is for fw__known_head_keep(). */
size_t fw__known_head_find(const fw_known_heads *known, const char *text, size_t len, size_t count,
                           char *out, fw_head_facts *facts, uint64_t *hash);
/* A text that was not known, and is without fault, with its lines. */
void fw__known_head_keep(fw_known_heads *known, uint64_t hash, const char *text, size_t len,
                         size_t count, const char *lines, size_t lines_len,
                         const fw_head_facts *facts);
void fw__known_heads_free(fw_known_heads *known);

#endif
