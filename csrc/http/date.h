/* http/date.h -- the Server and Date fields, as they stand in every response of one second. */
#ifndef FAPWS_DATE_H
#define FAPWS_DATE_H

#include <stddef.h>
#include <time.h>

#define FW_SERVER_SIZE 128 /* bytes of the Server field; a longer one is left out */

typedef struct {
    time_t second;
    size_t server_len; /* bytes of text that are the Server field; the rest is Date */
    size_t len;
    char text[FW_SERVER_SIZE + 64]; /* "Server: ...\r\nDate: ...\r\n" */
} fw_date;

/* Makes the text anew when now is another second. server: the field's value; NULL or "": no field. */
void fw_date_refresh(fw_date *date, time_t now, const char *server);

#endif
