/* batch/shapes.h -- the sequences of field names that clients repeat with every request. */
#ifndef FAPWS_SHAPES_H
#define FAPWS_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fapws.h"

typedef struct {
    uint64_t hash;      /* of the text; 0: empty slot */
    uint64_t candidate; /* hash that missed here last: admitted when it comes again */
    uint64_t serial;    /* of the shape that is here now; no other one ever has it */
    char *text;         /* METHOD:VERSION:LISTENER:NAME:NAME... */
    size_t len;
} fw_shape;

typedef struct {
    fw_shape slots[FW_SHAPES];
    uint64_t admitted; /* shapes so far */
} fw_shapes;

/* The number of the cached shape of text, or -1. *define: the caller must be told first. */
int fw__shape_find(fw_shapes *shapes, const char *text, size_t len, bool *define);
void fw__shapes_free(fw_shapes *shapes);

#endif
