/* http/proxy.h -- the PROXY protocol header, versions 1 and 2 (HAProxy's proxy-protocol.txt, 2020).
 * Owns:   nothing; allocates nothing. Pure: safe on any bytes of any length. */
#ifndef FAPWS_PROXY_H
#define FAPWS_PROXY_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int family;                /* 4 or 6; 0: the proxy does not say who the client is */
    unsigned char address[16]; /* network order; the first 4 or 16 bytes count */
    uint16_t port;
} fw_proxy;

#define FW_PROXY_MAX 4096 /* bytes of a header; addresses take 52, the rest are extensions (TLVs) */

/* > 0: bytes of the header. FW_MORE: valid so far. FW_EPROXY: it is none. */
int64_t fw_parse_proxy(const char *buf, size_t len, fw_proxy *proxy);

#endif
