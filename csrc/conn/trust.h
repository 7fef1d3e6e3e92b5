/* conn/trust.h -- the networks that may send PROXY headers, and name requests. */
#ifndef FAPWS_TRUST_H
#define FAPWS_TRUST_H

#include <stdbool.h>
#include <sys/socket.h>

#include "fapws.h"
#include "http/parser.h"

typedef struct {
    int family; /* 4, 6, or 0: unix */
    unsigned prefix;
    unsigned char address[16];
} fw_network;

typedef struct {
    fw_network networks[FW_TRUSTED_MAX]; /* none: every peer may */
    int count;
} fw_trusted;

int fw__trust_add(fw_trusted *trusted, int family, const unsigned char *address, unsigned prefix);
/* Whether this address may send PROXY headers. */
bool fw__trusts(const fw_trusted *trusted, const struct sockaddr *address);
/* Whether a peer, "address\nport", is in one of the networks: of none, none is. */
bool fw__trusts_peer(const fw_trusted *trusted, fw_slice peer);

#endif
