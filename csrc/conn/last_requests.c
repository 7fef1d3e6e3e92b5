/* conn/last_requests.c -- see last_requests.h. */
#include "conn/last_requests.h"

_Static_assert(FW_LAST_METHOD + 1 + FW_LAST_TARGET <= FW_LAST_LINE, "a line has room");

void fw__last_line(fw_last_request *made, fw_slice method, fw_slice target)
{
    size_t used = method.len < FW_LAST_METHOD ? method.len : FW_LAST_METHOD;
    memcpy(made->line, method.at, used);
    if (target.len) {
        size_t kept = target.len < FW_LAST_TARGET ? target.len : FW_LAST_TARGET;
        made->line[used++] = ' ';
        memcpy(made->line + used, target.at, kept);
        used += kept;
    }
    made->line_len = (uint8_t)used;
}

void fw__last_own(fw_last *last, int64_t connection, int status, fw_slice method, fw_slice target)
{
    const char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                            (char)('0' + status % 10)};
    fw__last_line(fw__last_new(last, connection, digits, 0), method, target);
}

void fw__last_ended(fw_last *last, uint8_t place, int64_t connection, uint64_t ms)
{
    fw_last_request *made = &last->requests[place % FW_LAST_REQUESTS];
    if (made->connection == connection)
        made->ms = ms;
}

void fw__last_refused(fw_last *last, int code)
{
    if (code < 0 && -code < FW_REASONS)
        last->refused[-code]++;
}
