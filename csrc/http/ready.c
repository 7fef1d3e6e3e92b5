/* http/ready.c -- see ready.h. */
#include "http/ready.h"

#include <stdio.h>
#include <string.h>

static const char *sentence(const fw_readiness *said)
{
    return said->away ? "not ready\n" : "ready\n";
}

static const char *connection_of(const fw_readiness *said)
{
    if (said->close)
        return "Connection: close\r\n";
    return said->minor ? "" : "Connection: keep-alive\r\n";
}

int fw_ready_status(const fw_readiness *said)
{
    return said->away ? 503 : 200;
}

size_t fw_ready_content(const fw_readiness *said)
{
    return said->bodiless ? 0 : strlen(sentence(said));
}

size_t fw_ready_write(char *out, const fw_readiness *said, fw_slice fields)
{
    const char *text = sentence(said);
    int len = snprintf(out, FW_READY_SIZE,
                       "HTTP/1.1 %s\r\n%.*sContent-Type: text/plain; charset=utf-8\r\n"
                       "Content-Length: %zu\r\nCache-Control: no-store\r\n%s\r\n%s",
                       said->away ? "503 Service Unavailable" : "200 OK", (int)fields.len,
                       fields.at, strlen(text), connection_of(said), said->bodiless ? "" : text);
    return len > 0 && len < FW_READY_SIZE ? (size_t)len : 0;
}
