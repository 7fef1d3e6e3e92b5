/* error.c -- the three questions about a code, answered from the table in error.h.
 * Owns:   nothing. */
#include "error.h"

#include "fapws.h"

const char *fw_error_name(int code)
{
    switch (code) {
#define FW_CASE(name, value, status, token, text, source)                                          \
    case name: return token;
        FW_ERRORS(FW_CASE)
#undef FW_CASE
    default: return NULL;
    }
}

const char *fw_error_text(int code)
{
    switch (code) {
#define FW_CASE(name, value, status, token, text, source)                                          \
    case name: return text;
        FW_ERRORS(FW_CASE)
#undef FW_CASE
    default: return NULL;
    }
}

int fw_error_status(int code)
{
    switch (code) {
#define FW_CASE(name, value, status, token, text, source)                                          \
    case name: return status;
        FW_ERRORS(FW_CASE)
#undef FW_CASE
    default: return 0;
    }
}
