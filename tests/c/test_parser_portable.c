/* test_parser_portable.c -- test_parser.c again, on the scans for machines without SSE2 and NEON. */
#include "portable.h"

#include "guard.h"

#include "http/bytes.c"
#include "http/fields.c"
#include "http/parser.c"
#include "http/target.c"
#include "http/template.c"

#include "test_parser.c"
