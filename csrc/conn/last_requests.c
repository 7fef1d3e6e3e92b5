/* conn/last_requests.c -- see last_requests.h. */
#include "conn/last_requests.h"

#include <string.h>

_Static_assert(FW_LAST_METHOD + 1 + FW_LAST_TARGET <= FW_LAST_LINE, "a line has room");

uint8_t fw__last_add(fw_last *last, const fw_told_request *told)
{
    uint8_t place = (uint8_t)(last->count % FW_LAST_REQUESTS);
    fw_last_request *made = &last->requests[place];
    size_t target_len = told->target.len < FW_LAST_TARGET ? told->target.len : FW_LAST_TARGET;
    made->connection = told->connection;
    made->ms = told->ms;
    memcpy(made->status, told->status, sizeof made->status);
    memcpy(made->line, told->method, FW_LAST_METHOD); /* of a fixed size: no call */
    made->line[told->method_len] = ' ';
    memcpy(made->line + told->method_len + 1, told->target.at, target_len);
    made->line_len = (uint8_t)(told->method_len + 1 + target_len);
    last->count++;
    return place;
}

void fw__last_ended(fw_last *last, uint8_t place, int64_t connection, uint32_t ms)
{
    fw_last_request *made = &last->requests[place % FW_LAST_REQUESTS];
    if (made->connection == connection)
        made->ms = ms;
}

uint32_t fw__last_ms(uint64_t now_ms, uint64_t began_ns)
{
    uint64_t began = began_ns / 1000000;
    uint64_t took =
        now_ms > began ? now_ms - began : 0; /* the loop's clock may be a little ahead */
    return took < FW_LAST_GOES_ON ? (uint32_t)took : FW_LAST_GOES_ON - 1;
}
