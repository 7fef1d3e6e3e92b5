/* test_fields_portable.c -- test_fields.c again, on the scans for machines without SSE2 and NEON. */
#include "portable.h"

#include "guard.h"

#include "../../csrc/bytes.c"
#include "../../csrc/fields.c"
#include "../../csrc/parser.c"
#include "../../csrc/target.c"

#include "test_fields.c"
