/* conn/trust.h -- the networks that may send PROXY headers. */
#ifndef FAPWS_TRUST_H
#define FAPWS_TRUST_H

#include <stdbool.h>
#include <sys/socket.h>

#include "fapws.h"

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
bool fw__trusts(const fw_trusted *trusted, const struct sockaddr *address);

#endif
