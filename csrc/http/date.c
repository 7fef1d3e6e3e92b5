/* http/date.c -- see date.h. */
#include "http/date.h"

#include <stdio.h>
#include <string.h>

static size_t format_date(time_t now, char *out, size_t size)
{
    /* RFC 9110 5.6.7; strftime would follow the locale. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    if (!gmtime_r(&now, &tm))
        return 0;
    int len = snprintf(out, size, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
                       tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                       tm.tm_sec);
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

void fw_date_refresh(fw_date *date, time_t now, const char *server)
{
    if (now == date->second)
        return;
    date->second = now;
    int len = 0;
    if (server && *server)
        len = snprintf(date->text, FW_SERVER_SIZE, "Server: %s\r\n", server);
    date->server_len = len > 0 && len < FW_SERVER_SIZE ? (size_t)len : 0;
    date->len = date->server_len + format_date(now, date->text + date->server_len,
                                               sizeof date->text - date->server_len);
}
