/* response/known_heads.c -- what applications say again and again: status and fields, checked once.
 * Owns:   fw_known_heads: a place for each of the last bits of a text's hash.
 * A text is kept when it is looked for twice in a row at its place, so heads that differ each time push out none
 * in use, and one with a secret of its own in it is not kept. A hit compares the whole text. */
#include "response/known_heads.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

size_t fw__known_head_find(const fw_known_heads *known, const char *text, size_t len, size_t count,
                           char *out, fw_head_facts *facts, uint64_t *hash)
{
    *hash = 0;
    if (len > FW_KNOWN_HEAD_MAX)
        return 0;
    *hash = fw_hash_text(text, len);
    const fw_known_head *place = &known->places[*hash % FW_KNOWN_HEADS];
    if (place->hash != *hash || place->text_len != len || place->count != count ||
        memcmp(place->bytes, text, len) != 0)
        return 0;
    memcpy(out, place->bytes + len, place->lines_len);
    *facts = place->facts;
    facts->status = text;
    return place->lines_len;
}

void fw__known_head_keep(fw_known_heads *known, uint64_t hash, const char *text, size_t len,
                         size_t count, const char *lines, size_t lines_len,
                         const fw_head_facts *facts)
{
    if (hash == 0)
        return;
    fw_known_head *place = &known->places[hash % FW_KNOWN_HEADS];
    if (place->candidate != hash) {
        place->candidate = hash;
        return;
    }
    char *bytes = realloc(place->bytes, len + lines_len);
    if (!bytes)
        return;
    memcpy(bytes, text, len);
    memcpy(bytes + len, lines, lines_len);
    *place = (fw_known_head){.hash = hash,
                             .count = count,
                             .text_len = len,
                             .lines_len = lines_len,
                             .bytes = bytes,
                             .facts = *facts};
}

void fw__known_heads_free(fw_known_heads *known)
{
    for (size_t i = 0; i < FW_KNOWN_HEADS; i++)
        free(known->places[i].bytes);
}
