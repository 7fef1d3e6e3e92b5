/* test_write_now_portable.c -- test_write_now.c again, without the system's flag for pipes. */
#define FW_PORTABLE 1
#define fw_write_now portable_write_now
#include "sys/write_now.c"

#include "test_write_now.c"
