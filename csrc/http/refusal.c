/* http/refusal.c -- see refusal.h. */
#include "http/refusal.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "fapws.h"

static const char *reason_of(int status)
{
    switch (status) {
    case 400: return "Bad Request";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
    }
}

size_t fw_refusal_content(int code)
{
    return strlen(fw_error_text(code)) + 1;
}

size_t fw_refusal_write(char *out, int code, bool bodiless, fw_slice fields)
{
    const char *text = fw_error_text(code);
    int status = fw_error_status(code);
    int len = snprintf(out, FW_REFUSAL_SIZE,
                       "HTTP/1.1 %d %s\r\n%.*sContent-Type: text/plain; charset=utf-8\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s%s",
                       status, reason_of(status), (int)fields.len, fields.at,
                       fw_refusal_content(code), bodiless ? "" : text, bodiless ? "" : "\n");
    return len > 0 && len < FW_REFUSAL_SIZE ? (size_t)len : 0;
}
