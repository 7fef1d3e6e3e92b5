/* static/types.h -- the media type of a file, by the end of its name. Pure. */
#ifndef FAPWS_STATIC_TYPES_H
#define FAPWS_STATIC_TYPES_H

/* The value of Content-Type; application/octet-stream for a name that tells nothing. */
const char *fw__media_type(const char *path);

#endif
