/* test_fields_portable.c -- test_fields.c again, on the scans for machines without SSE2 and NEON. */
#include "portable.h"

#include "guard.h"

#include "bytes.c"
#include "fields.c"
#include "parser.c"
#include "target.c"

#include "test_fields.c"
