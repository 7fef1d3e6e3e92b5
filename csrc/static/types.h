/* static/types.h -- the media type of a file, by the end of its name. Pure. */
#ifndef FAPWS_STATIC_TYPES_H
#define FAPWS_STATIC_TYPES_H

#include "http/parser.h"

/* The value of Content-Type; application/octet-stream for a name that tells nothing. own: lines of an ending in lower
 * case, a space and a type, which count first; an empty type there: len 0. */
fw_slice fw__media_type(const char *path, fw_slice own);

#endif
