/* portable_core.c -- the parser and the chunked decoder a second time, on the scans for machines
 * without SSE2 and NEON, under other names: the fuzzers hold the two against each other. */
#include "../c/portable.h"

#include "http/bytes.c"
#include "http/fields.c"
#include "http/parser.c"
#include "http/target.c"

#define read_line read_trailer_line /* both have a static one */
#include "http/chunked.c"
