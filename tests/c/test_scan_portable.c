/* test_scan_portable.c -- test_scan.c again, on the scans for machines without SSE2 and NEON. */
#include "portable.h"

#include "guard.h"

#include "http/bytes.c"

#include "test_scan.c"
