/* portable_core.c -- the parser and the chunked decoder a second time, on the scans for machines
 * without SSE2 and NEON, under other names: the fuzzers hold the two against each other. */
#include "../c/portable.h"

#include "http/bytes.c"
#include "http/fields.c"
#include "http/parser.c"
#include "http/target.c"
#include "http/template.c"

#define read_line read_trailer_line /* two of them have a static one */
#define read_value read_chunk_value
#include "http/chunked.c"
