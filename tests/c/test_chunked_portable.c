/* test_chunked_portable.c -- test_chunked.c again, on the scans for machines without SSE2 and
 * NEON. */
#include "portable.h"

#include "guard.h"

#include "bytes.c"
#include "chunked.c"

#include "test_chunked.c"
