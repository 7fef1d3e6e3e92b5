/* http/date.h -- HTTP-dates, written and read (RFC 9110 5.6.7), and the Server and Date fields, as they stand in
 * every response of one second. */
#ifndef FAPWS_DATE_H
#define FAPWS_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "http/parser.h"

#define FW_SERVER_SIZE 128 /* bytes of the Server field; a longer one is left out */

typedef struct {
    time_t second;
    size_t server_len; /* bytes of text that are the Server field; the rest is Date */
    size_t len;
    char text[FW_SERVER_SIZE + 64]; /* "Server: ...\r\nDate: ...\r\n" */
} fw_date;

#define FW_DATE_SIZE                                                                               \
    40 /* bytes of "Sun, 06 Nov 1994 08:49:37 GMT" with the NUL, and of longer years */

extern const char
    fw_month_names[12][4]; /* of all dates of the core; strftime's would follow the locale */

/* Its length; 0 and "": the system's calendar does not reach so far. out: FW_DATE_SIZE bytes. */
size_t fw_write_date(time_t when, char *out);
/* Any of the RFC's three forms; false: it is none. */
bool fw_read_date(fw_slice text, int64_t *seconds);

/* Makes the text anew when now is another second. server: the field's value; NULL or "": no field. */
void fw_date_refresh(fw_date *date, time_t now, const char *server);

#endif
