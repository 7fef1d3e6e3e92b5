/* http/date.c -- see date.h. */
#include "http/date.h"

#include <stdio.h>
#include <string.h>

const char fw_month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* ---- Written --------------------------------------------------------------------------------------- */

size_t fw_write_date(time_t when, char *out)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    struct tm tm;
    int len = 0;
    if (gmtime_r(&when, &tm))
        len = snprintf(out, FW_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
                       tm.tm_mday, fw_month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
                       tm.tm_min, tm.tm_sec);
    if (len > 0 && len < FW_DATE_SIZE)
        return (size_t)len;
    *out = '\0';
    return 0;
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
    date->len = date->server_len;
    char written[FW_DATE_SIZE];
    if (fw_write_date(now, written)) {
        len = snprintf(date->text + date->len, sizeof date->text - date->len, "Date: %s\r\n",
                       written);
        date->len += len > 0 ? (size_t)len : 0;
    }
}

/* ---- Read ------------------------------------------------------------------------------------------ */

typedef struct {
    int year, day, hour, minute, second;
    char month[4];
} parts;

static int month_of(const char *name)
{
    for (int month = 0; month < 12; month++)
        if (strcmp(fw_month_names[month], name) == 0)
            return month + 1;
    return 0;
}

/* Days since 1970 of the Gregorian calendar; the year begins in March, so that a leap day ends it. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_digits(const char *text, int count, int *number)
{
    *number = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + text[i] - '0';
    }
    return true;
}

/* IMF-fixdate, the form that everybody sends: sscanf() takes longer than the rest of a 304. */
static bool read_usual(const char *text, size_t len, parts *got)
{
    static const char form[] = "???, ?? ??? ???? ??:??:?? GMT";
    if (len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < len; i++)
        if (form[i] != '?' && text[i] != form[i])
            return false;
    memcpy(got->month, text + 8, 3);
    got->month[3] = '\0';
    return read_digits(text + 5, 2, &got->day) && read_digits(text + 12, 4, &got->year) &&
           read_digits(text + 17, 2, &got->hour) && read_digits(text + 20, 2, &got->minute) &&
           read_digits(text + 23, 2, &got->second);
}

static bool read_parts(const char *text, size_t len, parts *got)
{
    int end = -1;
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &got->day, got->month,
               &got->year, &got->hour, &got->minute, &got->second, &end) == 6 &&
        end == (int)len)
        return true;
    if (sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &got->day, got->month,
               &got->year, &got->hour, &got->minute, &got->second, &end) == 6 &&
        end == (int)len) {
        got->year += got->year < 70 ? 2000 : 1900;
        return true;
    }
    return sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", got->month, &got->day,
                  &got->hour, &got->minute, &got->second, &got->year, &end) == 6 &&
           end == (int)len;
}

bool fw_read_date(fw_slice text, int64_t *seconds)
{
    char copy[40]; /* the longest has 33: Wednesday */
    parts got = {0};
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (!read_usual(copy, text.len, &got) && !read_parts(copy, text.len, &got))
        return false;
    int month = month_of(got.month);
    if (!month || got.day < 1 || got.day > 31 || got.hour < 0 || got.hour > 23 || got.minute < 0 ||
        got.minute > 59 || got.second < 0 || got.second > 60 || got.year < 1)
        return false;
    *seconds =
        days_of(got.year, month, got.day) * 86400 + got.hour * 3600 + got.minute * 60 + got.second;
    return true;
}
