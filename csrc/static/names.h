/* static/names.h -- whether a file's name is of a pattern. Pure. */
#ifndef FAPWS_STATIC_NAMES_H
#define FAPWS_STATIC_NAMES_H

#include <stdbool.h>

#include "http/parser.h"

/* A pattern is compiled by fapws/settings/name_patterns.py: a byte with the number of its steps, at most
 * FW_NAME_STEPS, and each step 33 bytes: how often it stands ('1' once, '?' once or not at all, '*' as often as there
 * is such a byte), and a bit for each byte that it takes, the lowest first. patterns: one behind the other. */
#define FW_NAME_STEPS 63

/* Whether the last segment of path is of one of the patterns. */
bool fw__name_is_of(fw_slice patterns, const char *path);

#endif
