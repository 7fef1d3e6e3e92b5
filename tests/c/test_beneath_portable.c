/* test_beneath_portable.c -- test_beneath.c again, without openat2(). */
#define FW_PORTABLE 1
#define fw__open_beneath portable_open_beneath
#include "sys/beneath.c"

#include "test_beneath.c"
