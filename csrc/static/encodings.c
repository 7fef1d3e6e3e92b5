/* static/encodings.c -- see encodings.h. */
#include "static/encodings.h"

#include <stdbool.h>
#include <string.h>

const fw_encoding_names fw__encodings[FW_ENCODINGS] = {
    [FW_BROTLI] = {"br", ".br"},
    [FW_ZSTD] = {"zstd", ".zst"},
    [FW_GZIP] = {"gzip", ".gz"},
};

#define IDENTITY FW_ENCODINGS /* among the weights */
#define OTHERS (FW_ENCODINGS + 1)
#define WEIGHTS (FW_ENCODINGS + 2)
#define NOT_NAMED (-1)
#define MOST 1000 /* a weight of 1 */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_spaces(const char **at, const char *end)
{
    while (*at < end && is_space(**at))
        ++*at;
}

/* qvalue of RFC 9110 12.4.2 in thousandths; -1: it is none. */
static int read_weight(const char *at, const char *end)
{
    if (at == end || (*at != '0' && *at != '1'))
        return -1;
    int weight = (*at++ - '0') * MOST;
    if (at == end)
        return weight;
    if (*at++ != '.')
        return -1;
    for (int unit = MOST / 10; at < end; unit /= 10) {
        if (unit == 0 || *at < '0' || *at > '9')
            return -1;
        weight += (*at++ - '0') * unit;
    }
    return weight <= MOST ? weight : -1;
}

/* The weight behind a coding; what is no weight makes it one that is not wanted. */
static int weight_of(const char *at, const char *end)
{
    skip_spaces(&at, end);
    if (at == end)
        return MOST;
    if (*at++ != ';')
        return 0;
    skip_spaces(&at, end);
    if (end - at < 2 || (*at | 0x20) != 'q' || at[1] != '=')
        return 0;
    int weight = read_weight(at + 2, end);
    return weight < 0 ? 0 : weight;
}

static int place_of(fw_slice name)
{
    for (int i = 0; i < FW_ENCODINGS; i++)
        if (fw_slice_is(name, fw__encodings[i].name, strlen(fw__encodings[i].name)))
            return i;
    if (fw_slice_is(name, "x-gzip", 6))
        return FW_GZIP;
    if (fw_slice_is(name, "identity", 8))
        return IDENTITY;
    return name.len == 1 && *name.at == '*' ? OTHERS : WEIGHTS;
}

/* One member of the list. A coding that is named twice has the weight of the last. */
static void read_member(const char *at, const char *end, int weights[WEIGHTS])
{
    skip_spaces(&at, end);
    while (end > at && is_space(end[-1]))
        end--;
    const char *name = at;
    while (at < end && *at != ';' && !is_space(*at))
        at++;
    int place = place_of((fw_slice){name, (size_t)(at - name)});
    if (place < WEIGHTS)
        weights[place] = weight_of(at, end);
}

static void read_list(fw_slice list, int weights[WEIGHTS])
{
    const char *at = list.at;
    const char *end = at + list.len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        read_member(at, stop, weights);
        at = comma ? comma + 1 : end;
    }
}

fw_encoding fw__choose_encoding(const fw_head *head, unsigned there)
{
    int weights[WEIGHTS];
    for (int i = 0; i < WEIGHTS; i++)
        weights[i] = NOT_NAMED;
    for (size_t i = 0; i < head->field_count; i++)
        if (fw_slice_is(head->fields[i].name, "accept-encoding", 15))
            read_list(head->fields[i].value, weights);
    /* Unless it is named, the file as it is is what everybody takes, and what nobody prefers. */
    int best = weights[IDENTITY] == NOT_NAMED ? 0 : weights[IDENTITY];
    fw_encoding choice = FW_ENCODINGS;
    for (int i = 0; i < FW_ENCODINGS; i++) {
        int weight = weights[i] == NOT_NAMED ? weights[OTHERS] : weights[i];
        bool better = weight > best || (weight == best && weight > 0 && choice == FW_ENCODINGS);
        if ((there & 1u << i) && better) {
            best = weight;
            choice = (fw_encoding)i;
        }
    }
    return choice;
}
