/* test_beneath_portable.c -- test_beneath.c again, without openat2() and without Linux's way to look at a link. */
#define FW_PORTABLE 1
#define fw__open_beneath portable_open_beneath
#define fw__find_beneath portable_find_beneath
#define fw__open_found portable_open_found
#define fw__find_by_links portable_find_by_links
#include "sys/beneath.c"

#include "sys/links.c"

#include "test_beneath.c"
