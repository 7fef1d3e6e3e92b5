/* test_chunked_portable.c -- test_chunked.c again, on the scans for machines without SSE2 and
 * NEON. */
#include "portable.h"

#include "guard.h"

#include "http/bytes.c"
#include "http/chunked.c"

#include "test_chunked.c"
